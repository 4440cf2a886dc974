"""What a scheduled run has to tell. Pure: runs of the past in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from statistics import median
from typing import Any

from benchfly.benchmark import METRICS, Benchmark, Comparison, Metric
from benchfly.errors import RunFailedError
from benchfly.results.history import Scheduled
from benchfly.schedule.changes import CONFIRMED, changes
from benchfly.schedule.conditions import differences

AGAINST = " against "
_SHOWN = 8  # differences that are named; a new kernel on ten hosts is one piece of news, not ten


class Outcome(StrEnum):
    """What came of a scheduled run."""

    MEASURED = "measured"
    PUT_OFF = "put off"  # a blackout window was open
    MISSED = "missed"  # somebody else was at work until the patience was over, or the host was off
    FAILED = "failed"


class Kind(StrEnum):
    """What a finding is."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    MISSED = "missed"
    FAILED = "failed"


class Code(IntEnum):
    """Exit codes of a scheduled run, beside those of every command."""

    NOTHING = 0
    FAILED = RunFailedError.exit_code
    REGRESSION = 7
    PUT_OFF = 8
    MISSED = 9


@dataclass(frozen=True)
class Finding:
    """One thing to tell. Of a change: the figure, the run that it began with, and its ratio to the level before."""

    kind: Kind
    text: str
    store: str = ""
    metric: str = ""
    since: str = ""
    ratio: float | None = None

    @property
    def data(self) -> dict[str, Any]:
        return asdict(self)


def figures(benchmark: Benchmark, comparison: Comparison) -> dict[tuple[str, str], float]:
    """The figures of a run by (store, metric): each store's own, and the ratio of each to the first of several.

    Medians over rounds. What is 0 (a latency below the generator's resolution) is left out.
    """
    found: dict[tuple[str, str], float] = {}
    for row in comparison.rows:
        if row.spread:
            found[row.store, row.metric.field] = row.spread.median
        if row.ratio and row.ratio.rounds:
            found[row.store + AGAINST + comparison.baseline, row.metric.field] = median(row.ratio.rounds)
    return {place: value for place, value in found.items() if value > 0}


def series(runs: Sequence[Scheduled]) -> dict[tuple[str, str], list[tuple[Scheduled, float]]]:
    """What is judged of the runs that played the same workload as the last one: (store, metric) -> run and figure.

    With several stores it is the ratios to the first: whatever slows a host or a network for a day slows both.
    """
    measured = [run for run in runs if run.figures]
    same = [run for run in measured if run.workload == measured[-1].workload]
    places = dict.fromkeys(place for run in same for place in run.figures)
    ratios = [place for place in places if AGAINST in place[0]]
    return {
        place: [(run, run.figures[place]) for run in same if place in run.figures] for place in ratios or list(places)
    }


def changed(runs: Sequence[Scheduled]) -> list[Finding]:
    """Every change that the runs show; the newest last."""
    found = [
        (number, _change(place, points, change.index, change.ratio))
        for place, points in series(runs).items()
        for change in changes([value for _, value in points])
        for number in (change.index,)
    ]
    return [finding for _, finding in sorted(found, key=lambda one: one[0])]


def news(runs: Sequence[Scheduled]) -> list[Finding]:
    """The changes that no earlier run has told. With more runs behind it a change may turn out to be a run off."""
    order = {run.run: number for number, run in enumerate(runs)}
    told = [finding for run in runs for finding in run.findings if finding.get("since") in order]
    return [
        finding
        for finding in changed(runs)
        if not any(
            (one["store"], one["metric"], one["kind"]) == (finding.store, finding.metric, finding.kind)
            and abs(order[one["since"]] - order[finding.since]) <= CONFIRMED
            for one in told
        )
    ]


def missed(due: Sequence[datetime]) -> Iterator[Finding]:
    """What was due since the last run and was not begun; the last of them is what is done now."""
    if len(due) > 1:
        times = ", ".join(f"{each:%Y-%m-%d %H:%M} UTC" for each in due[:-1])
        yield Finding(Kind.MISSED, f"The run due at {times} was not begun: the host was off, or its timer.")


def code(outcome: Outcome, findings: Sequence[Finding]) -> Code:
    """The exit code of a run: what came of it first, then what it found."""
    if outcome is not Outcome.MEASURED:
        return {Outcome.PUT_OFF: Code.PUT_OFF, Outcome.MISSED: Code.MISSED}.get(outcome, Code.FAILED)
    return Code.REGRESSION if any(each.kind is Kind.REGRESSION for each in findings) else Code.NOTHING


def metric(field: str) -> Metric:
    """The metric of that field."""
    return next(each for each in METRICS if each.field == field)


def _change(place: tuple[str, str], points: Sequence[tuple[Scheduled, float]], index: int, ratio: float) -> Finding:
    store, field = place
    of = metric(field)
    kind = Kind.IMPROVEMENT if (ratio > 1) == of.more_is_better else Kind.REGRESSION
    run = points[index][0]
    way = "higher" if ratio > 1 else "lower"
    figure, _, part = of.label.partition(", ")
    figure = figure.lower() + (f" ({part})" if part else "")
    share = 100 * abs(ratio - 1)
    text = (
        f"{kind.capitalize()} of {store}: {figure} is {way} by {share:.1f} % since the run of "
        f"{run.started:%Y-%m-%d %H:%M} UTC ({run.run}). {_explained(points, index)}"
    )
    return Finding(kind, text, store, field, run.run, round(ratio, 4))


def _explained(points: Sequence[tuple[Scheduled, float]], index: int) -> str:
    """What changed between the run before and that run; else around them, for the place may be a run off."""
    for before, after in ((index - 1, index), (index - 2, min(index + 1, len(points) - 1))):
        if before >= 0 and (apart := differences(points[before][0].conditions, points[after][0].conditions)):
            more = f", and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
            return f"What changed with it: {'; '.join(apart[:_SHOWN])}{more}."
    return "Nothing that is recorded changed with it: look for what is not (other tenants, the network, the data)."


def facts(findings: Sequence[Finding]) -> Sequence[Mapping[str, Any]]:
    """As they are kept."""
    return [each.data for each in findings]
