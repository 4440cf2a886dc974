"""A scheduled run in the text format of Prometheus, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path

from benchfly.results.history import Scheduled
from benchfly.schedule.findings import FIGURES, Kind, Outcome

_HELP = {
    "benchfly_scheduled_run_timestamp_seconds": "When the last run of the schedule began.",
    "benchfly_scheduled_run_measured": "Whether the last run of the schedule measured.",
    "benchfly_scheduled_measured_timestamp_seconds": "When the last run that measured began.",
    "benchfly_scheduled_findings": "Findings of the last run, by kind.",
    **{
        f"benchfly_scheduled_{metric.field}": f"{metric.label}, {metric.unit}; of 'A against B' the ratio of both."
        for metric in FIGURES
    },
}


def write(folder: str, schedule: str, runs: Sequence[Scheduled]) -> None:
    """Replace the schedule's file in that folder, whole; without a folder nothing is written."""
    if not folder or not runs:
        return
    path = Path(folder) / f"benchfly-{schedule}.prom"
    partial = path.with_suffix(".prom.partial")  # node_exporter reads *.prom only
    partial.write_text("".join(_lines(schedule, runs)), encoding="utf-8")
    partial.chmod(0o644)
    partial.replace(path)


def _lines(schedule: str, runs: Sequence[Scheduled]) -> Iterator[str]:
    last, measured = runs[-1], [run for run in runs if run.figures]
    values: dict[str, list[tuple[dict[str, str], float]]] = {name: [] for name in _HELP}
    values["benchfly_scheduled_run_timestamp_seconds"] = [({}, last.started.astimezone(UTC).timestamp())]
    values["benchfly_scheduled_run_measured"] = [({}, float(last.outcome == Outcome.MEASURED))]
    values["benchfly_scheduled_findings"] = [
        ({"kind": str(kind)}, float(sum(finding["kind"] == kind for finding in last.findings))) for kind in Kind
    ]
    if measured:
        values["benchfly_scheduled_measured_timestamp_seconds"] = [({}, measured[-1].started.timestamp())]
        for (store, metric), value in measured[-1].figures.items():
            values[f"benchfly_scheduled_{metric}"].append(({"store": store}, value))
    for name, series in values.items():
        if series:
            yield f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n"
        for labels, value in series:
            text = ",".join(f'{label}="{_escaped(given)}"' for label, given in {"schedule": schedule, **labels}.items())
            yield f"{name}{{{text}}} {value!r}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
