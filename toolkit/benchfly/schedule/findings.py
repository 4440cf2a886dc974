"""What a scheduled run has to tell. Pure: runs of the past in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from statistics import fmean, median
from typing import Any

from benchfly.benchmark import CAPACITY, METRICS, Benchmark, Comparison, Metric
from benchfly.benchmark.comparison import by_round
from benchfly.errors import RunFailedError
from benchfly.results.history import Figures, Rounds, Scheduled
from benchfly.schedule.changes import CONFIRMED, changes
from benchfly.schedule.conditions import differences

AGAINST = " against "
# What a neighbour on the same processors changes least, and so what a small change is seen in first.
CPU = Metric("cpu_us", "Processor time of the store for an operation", "µs", more_is_better=False)
FIGURES = (*METRICS, CAPACITY, CPU)
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
    REGRESSION = 10
    PUT_OFF = 11
    MISSED = 12


@dataclass(frozen=True)
class Step:
    """One figure of a store that changed: by which ratio, and with which run (its number among all, from 0)."""

    store: str
    metric: Metric
    run: int
    ratio: float

    @property
    def better(self) -> bool:
        return (self.ratio > 1) == self.metric.more_is_better

    def __str__(self) -> str:
        figure, _, part = self.metric.label.partition(", ")
        named = figure.lower() + (f" ({part})" if part else "")
        return f"{named} {100 * abs(self.ratio - 1):.1f} % {'higher' if self.ratio > 1 else 'lower'}"


@dataclass(frozen=True)
class Finding:
    """One thing to tell, in a line and as a whole. Of a change: the store, and the run that it began with."""

    kind: Kind
    headline: str
    details: str = ""
    store: str = ""
    since: str = ""

    @property
    def text(self) -> str:
        return f"{self.headline} {self.details}".strip()

    @property
    def data(self) -> dict[str, Any]:
        return {**asdict(self), "text": self.text}


def rounds(benchmark: Benchmark, comparison: Comparison) -> Rounds:
    """What a run showed in each round, by (store, metric): each store's own, and the ratio of each to the first of
    several.

    What is 0 (a latency below the generator's resolution) in the middle is left out, and so is the processor time in a
    search for a capacity, whose trials were at any rate.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for row in comparison.rows:
        found[row.store, row.metric.field] = list(by_round(benchmark.trials, row.store, row.metric).values())
        if row.ratio:
            found[row.store + AGAINST + comparison.baseline, row.metric.field] = list(row.ratio.rounds)
    servers = () if comparison.rows[0].metric is CAPACITY else benchmark.stores
    used = {server.name: _cpu(benchmark, server.name) for server in servers}
    for store, by_number in used.items():
        pairs = [(value, used[comparison.baseline].get(number)) for number, value in by_number.items()]
        found[store, CPU.field] = list(by_number.values())
        if store != comparison.baseline:
            found[store + AGAINST + comparison.baseline, CPU.field] = [value / other for value, other in pairs if other]
    return {place: values for place, values in found.items() if values and median(values) > 0}


def figures(rounds: Rounds) -> Figures:
    """The figures of a run: medians over its rounds."""
    return {place: median(values) for place, values in rounds.items()}


def _cpu(benchmark: Benchmark, store: str) -> dict[tuple[int, int, float], float]:
    """Of each round, microseconds of the store's processor time for an operation."""
    found: dict[tuple[int, int, float], list[float]] = {}
    for trial in benchmark.trials:
        if trial.store == store and trial.valid and trial.measurement and trial.store_cpu:
            each = 1e6 * trial.store_cpu / trial.measurement.operations
            found.setdefault(trial.pair, []).append(each)
    return {number: fmean(values) for number, values in found.items()}


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


def steps(runs: Sequence[Scheduled]) -> list[Step]:
    """Every figure that changed, in the order of the runs; of one run in that of FIGURES."""
    order = {run.run: number for number, run in enumerate(runs)}
    found = [
        Step(store, _metric(field), order[points[change.index][0].run], change.ratio)
        for (store, field), points in series(runs).items()
        for change in changes([value for _, value in points], [_rounds(run, (store, field)) for run, _ in points])
    ]
    return sorted(found, key=lambda step: (step.run, FIGURES.index(step.metric)))


def changed(runs: Sequence[Scheduled]) -> list[Finding]:
    """Every change that the runs show, oldest first: figures of a store that changed within a few runs are one."""
    groups: list[list[Step]] = []
    for step in steps(runs):
        near = (one for one in groups if one[0].store == step.store and step.run - one[0].run <= CONFIRMED)
        group = next(near, None)
        if group is None:
            groups.append([step])
        else:
            group.append(step)
    return [
        _finding(runs, sorted(group, key=lambda step: (step.better, FIGURES.index(step.metric)))) for group in groups
    ]


def news(runs: Sequence[Scheduled]) -> list[Finding]:
    """The changes that no earlier run has told. With more runs behind it a change may turn out to be a run off."""
    order = {run.run: number for number, run in enumerate(runs)}
    told = [finding for run in runs for finding in run.findings if finding.get("since") in order]
    return [
        finding
        for finding in changed(runs)
        if not any(
            (one["store"], one["kind"]) == (finding.store, finding.kind)
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


def facts(findings: Sequence[Finding]) -> Sequence[Mapping[str, Any]]:
    """As they are kept."""
    return [each.data for each in findings]


def _rounds(run: Scheduled, place: tuple[str, str]) -> Sequence[float]:
    """What a figure is the middle of; the figure itself where nobody kept that."""
    return run.rounds.get(place) or [run.figures[place]]


def _metric(field: str) -> Metric:
    return next(each for each in FIGURES if each.field == field)


def _finding(runs: Sequence[Scheduled], group: Sequence[Step]) -> Finding:
    """A regression as soon as one of its figures is worse."""
    first, run = group[0], runs[group[0].run]
    kind = Kind.IMPROVEMENT if all(step.better for step in group) else Kind.REGRESSION
    headline = f"{kind.capitalize()} of {first.store} since {run.started:%Y-%m-%d %H:%M} UTC: {first}."
    others = f"Also {', '.join(map(str, group[1:]))}. " if len(group) > 1 else ""
    details = f"{others}It begins with {run.run}. {_explained(runs, first.run)}"
    return Finding(kind, headline, details, first.store, run.run)


def _explained(runs: Sequence[Scheduled], number: int) -> str:
    """What changed between the run before and that run; else around them, for the place may be a run off."""
    measured = [run for run in runs if run.figures]
    index = measured.index(runs[number])
    for before, after in ((index - 1, index), (index - 2, min(index + 1, len(measured) - 1))):
        if before >= 0 and (apart := differences(measured[before].conditions, measured[after].conditions)):
            more = f", and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
            return f"What changed with it: {'; '.join(apart[:_SHOWN])}{more}."
    return "Nothing that is recorded changed with it: look for what is not (other tenants, the network, the data)."
