"""`benchfly report`: the HTML report of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.benchmark import CAPACITY, claims
from benchfly.benchmark.trials import SAMPLES
from benchfly.cli.bucket import kept_in_bucket
from benchfly.cli.compare import BENCHMARK, judge, load, wanted
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.errors import ResultsError
from benchfly.playbook.outcome import Outcome
from benchfly.report import ReportData, render, words
from benchfly.report.move import report_of
from benchfly.report.text import as_json, as_markdown, kept
from benchfly.results import Run, benchmarks, find

MOVES = ("migrate", "rollback")
BEGUN = "begun.json"  # of a benchmark that has not come to its end, with what its whole rounds are of
_REPORT = "report.html"
_FILES = {
    BENCHMARK: "every trial with its command line and raw output",
    SAMPLES: "what was sampled of the hosts",
    "ansible.log": "Ansible's own output",
}
_EPILOG = examples(
    ("benchfly report", "the last benchmark"),
    ("benchfly report 3f2a", "the run whose id ends so"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", epilog=_EPILOG)(report)


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of a run, or its end; by default the last benchmark.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the HTML report of a benchmark or a move again from what its run kept, and say where it is."""
    record = wanted(run)
    kept = Run.open(record.id)
    reports = moves(kept) if record.verb in MOVES else _measured(kept)
    if not reports:
        raise ResultsError(f"{record.id} has no report: nothing moved in it, or no canary ran")
    shown = Group(*(line for path, data in reports.items() for line in (Text(data.answer), Text(f"Report: {path}"))))
    paths = [str(path) for path in reports]
    Output(as_json).result({"status": "ok", "exit_code": 0, "run": record.id, "reports": paths}, shown)


def _measured(run: Run) -> dict[Path, ReportData]:
    """Write the report of a benchmark."""
    data = _data(run)  # takes seconds where it was long
    return {_write(run, data): data}


def moves(run: Run) -> dict[Path, ReportData]:
    """Write the report of every bench that moved in a run."""
    reports = report_of(run.outcome, run.folder) if run.outcome else {}
    names = {bench: _REPORT if len(reports) == 1 else f"report-{bench}.html" for bench in reports}
    return {_write(run, data, names[bench]): data for bench, data in reports.items()}


def benchmark(run: Run, outcome: Outcome) -> RenderableType:
    """What a benchmark came to; writes its report. In check mode there is nothing to report."""
    if not (run.folder / BENCHMARK).exists():
        return ""
    data = _data(run)
    capacities = [row for row in data.comparison.rows if row.metric is CAPACITY] if data.comparison else []
    lines = [Text(line) for line in (data.answer, *map(words.capacity, capacities), f"Report: {_write(run, data)}")]
    if data.benchmark and data.comparison:
        benchmarks.store(run.id, data.benchmark, data.comparison)
        lines += filter(None, [kept_in_bucket(run)])
    return Group(*lines)


def cut_short(run_id: str) -> Path:
    """The folder of a benchmark that can be gone on with. Raises ResultsError."""
    run = Run.open(find(run_id).id)
    if not (run.folder / BEGUN).exists():
        raise ResultsError(f"{run.id} cannot be resumed: it is no benchmark, came to its end, or had not begun yet")
    return run.folder


def _data(run: Run) -> ReportData:
    path = run.folder / BENCHMARK
    if not path.exists():
        goes_on = f" `benchfly benchmark --resume {run.id}` goes on with it" if (run.folder / BEGUN).exists() else ""
        raise ResultsError(f"{run.id} has no report: it is no benchmark, or was cut short.{goes_on}")
    measured = load(run)
    return ReportData(
        title=" against ".join(store.name for store in reversed(measured.stores)),
        created=datetime.now(UTC),
        run_id=run.id,
        benchmark=measured,
        comparison=judge(measured),
        claims=claims.table([claims.Evidence(run.id, measured)]),
        files=[kept(run.folder, name, what) for name, what in _FILES.items() if (run.folder / name).exists()],
    )


def _write(run: Run, data: ReportData, name: str = _REPORT) -> Path:
    path = run.folder / name
    path.write_text(render(data), encoding="utf-8")
    if data.benchmark:
        path.with_suffix(".md").write_text(as_markdown(data), encoding="utf-8")
        path.with_suffix(".json").write_text(as_json(data), encoding="utf-8")
    return path
