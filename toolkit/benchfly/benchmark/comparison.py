"""What trials of several stores say of each other. Pure: trials in, verdicts out.

Trials are paired by round, so that what slowed the machine for a while slowed both. Every store is played as often as
every other: one that is played twice as often is the slower one for it, where processes compete for a CPU. A difference
is claimed only if its interval leaves out "none", if it is still there when corrected for the number of comparisons,
and if it is more than what stores differ from themselves by: the noise floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, geometric_mean, median

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import capacity

from benchfly.benchmark.statistics import ERROR_RATE, Estimate, estimate, holm, rounds_for
from benchfly.benchmark.trials import Trial


@dataclass(frozen=True)
class Metric:
    """One figure of a Measurement."""

    field: str
    label: str
    unit: str
    more_is_better: bool


METRICS = (
    Metric("ops_per_second", "Throughput", "operations/s", more_is_better=True),
    Metric("p50_ms", "Latency, half of all below", "ms", more_is_better=False),
    Metric("p95_ms", "Latency, 95 % below", "ms", more_is_better=False),
    Metric("p99_ms", "Latency, 99 % below", "ms", more_is_better=False),
)

# What a search for an objective comes to, in place of these.
CAPACITY = Metric("capacity", "Capacity", "operations/s", more_is_better=True)

# Of each round (and load) a figure.
Figures = Mapping[tuple[int, int, float], float]
# Of a metric's field, the largest logarithm of a ratio that a store showed to itself.
Floors = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """Median and extremes of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        found = list(values)
        return cls(median(found), min(found), max(found)) if found else None


@dataclass(frozen=True)
class Ratio:
    """A store's figures over the baseline's, round by round, and what they come to.

    `p` is corrected for all `comparisons`; `floor` is of the logarithm, None where nobody measured it.
    """

    rounds: tuple[float, ...]
    estimate: Estimate | None
    floor: float | None
    comparisons: int = 1
    p: float = 1.0

    @property
    def spread(self) -> Spread | None:
        """The ratio in the middle and its interval; None where there are too few rounds for one."""
        if self.estimate is None:
            return None
        return Spread(*(math.exp(value) for value in (self.estimate.middle, self.estimate.low, self.estimate.high)))

    @property
    def detectable(self) -> float | None:
        """The smallest difference that so many rounds find, as a share: 0.05 is 5 %."""
        if self.estimate is None:
            return None
        return math.expm1(self.estimate.detectable(self.floor or 0.0))

    @property
    def judged(self) -> bool:
        return self.estimate is not None and len(self.rounds) >= rounds_for(self.comparisons)

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out "no difference", also after correction."""
        found = self.estimate
        return self.judged and found is not None and self.p <= ERROR_RATE and not found.low <= 0 <= found.high

    @property
    def claimed(self) -> bool:
        found = self.estimate
        return self.seen and found is not None and self.floor is not None and abs(found.middle) > self.floor

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.judged or self.estimate is None:
            needed = rounds_for(self.comparisons)
            return f"not judged: {len(self.rounds)} rounds with two valid trials, {needed} are needed"
        if self.claimed:
            return "higher" if self.estimate.middle > 0 else "lower"
        if not self.seen:
            return "no difference claimed"
        if self.floor is None:
            return "no difference claimed: it is not known what one store differs from itself by here"
        return f"no difference claimed: the same store differs from itself by {100 * math.expm1(self.floor):.1f} %"


@dataclass(frozen=True)
class Row:
    """One metric of one store; no ratio for the baseline itself, no spread without a valid trial."""

    metric: Metric
    store: str
    spread: Spread | None
    ratio: Ratio | None
    interval: Spread | None = None  # of a capacity: what it is, and from where to where that is known

    @property
    def better(self) -> bool | None:
        """Whether the store is claimed to be better than the baseline (False: worse); None when nothing is claimed."""
        if self.ratio is None or self.ratio.estimate is None or not self.ratio.claimed:
            return None
        return (self.ratio.estimate.middle > 0) == self.metric.more_is_better


@dataclass(frozen=True)
class Comparison:
    """Rows by metric, then by store with the baseline first. `mark` says what speaks against the comparison at all."""

    baseline: str
    rows: tuple[Row, ...]
    mark: str = ""

    @property
    def floor(self) -> float | None:
        """What the baseline may differ from itself by in throughput, as a share; None where nobody measured it."""
        known = [ratio.floor for _, ratio in self._first if ratio.floor]
        return math.expm1(max(known)) if known else None

    @cached_property
    def headline(self) -> str:
        """The throughput, or the capacity, of each store against the baseline, in a sentence each."""
        said = " ".join(self._sentence(store, ratio) for store, ratio in self._first)
        return f"{said} {self.mark}".strip()

    @property
    def _first(self) -> list[tuple[str, Ratio]]:
        """Of the first metric each store's ratio."""
        return [(row.store, row.ratio) for row in self.rows if row.metric is self.rows[0].metric and row.ratio]

    def _sentence(self, store: str, ratio: Ratio) -> str:
        metric = self.rows[0].metric
        if ratio.spread is None or not ratio.claimed:
            return f"{metric.label} of {store} and {self.baseline}: {ratio.verdict}."
        spread = f"{ratio.spread.low:.2f} to {ratio.spread.high:.2f}"
        done = "has {} times the capacity of" if metric is CAPACITY else "did {} times the operations of"
        return f"{store} {done.format(f'{ratio.spread.median:.2f}')} {self.baseline} ({spread})."


def compare(
    trials: Sequence[Trial], stores: Sequence[str], floors: Floors | None = None, only: Sequence[Metric] = ()
) -> Comparison:
    """Compare the stores with the first of them, by what the trials tell or by those metrics.

    Invalid trials are left out, with the round they leave unpaired.

    The floor of a metric is what the stores' twins show; without twins, what is given in `floors`.
    """
    known = {store: {**(floors or {}), **noise(trials, (stores[0], store), only)} for store in stores}
    rows = []
    for metric in only or metrics(trials):
        figures = {store: by_round(trials, store, metric) for store in stores}
        baseline = figures[stores[0]]
        for store in stores:
            ratio = None if store == stores[0] else _ratio(figures[store], baseline, known[store].get(metric.field))
            interval = _interval(figures[store]) if metric is CAPACITY else None
            rows.append(Row(metric, store, Spread.of(figures[store].values()), ratio, interval))
    return Comparison(stores[0], tuple(_corrected(rows)))


def metrics(trials: Sequence[Trial]) -> Sequence[Metric]:
    """What these trials are compared by. Those of a search were at any rate: only what it came to says something."""
    return (CAPACITY,) if any(trial.held is not None for trial in trials) else METRICS


def noise(trials: Sequence[Trial], stores: Iterable[str], only: Sequence[Metric] = ()) -> dict[str, float]:
    """What stores that were played twice a round differ from themselves by: the far end of that interval.

    Of two stores the mean of both differences, which is spread as the difference between the two is if they are equal.
    """
    floors = {}
    for metric in only or metrics(trials):
        apart = [_apart(trials, store, metric) for store in dict.fromkeys(stores)]
        rounds = sorted(set.intersection(*(set(each) for each in apart)))
        found = estimate([fmean(each[number] for each in apart) for number in rounds])
        if found is not None:
            floors[metric.field] = max(abs(found.low), abs(found.high))
    return floors


def by_round(trials: Sequence[Trial], store: str, metric: Metric) -> Figures:
    """The figure of a store in each round: of its two trials the geometric mean, if both are valid."""
    figures: dict[tuple[int, int, float], float] = {}
    for number, found in _twins(trials, store, metric).items():
        values = list(found.values())
        figures[number] = geometric_mean(values) if len(values) > 1 and min(values) > 0 else min(values)
    return figures


def _apart(trials: Sequence[Trial], store: str, metric: Metric) -> Figures:
    """The logarithm of the ratio of a store's two figures in each round that has both."""
    return {
        number: math.log(values[True] / values[False])
        for number, values in _twins(trials, store, metric).items()
        if len(values) == 2 and min(values.values()) > 0
    }


def _twins(trials: Sequence[Trial], store: str, metric: Metric) -> dict[tuple[int, int, float], dict[bool, float]]:
    """By round the figure of a store's trial, or search, and of its twin; without rounds where one does not count."""
    found: dict[tuple[int, int, float], dict[bool, list[Trial]]] = {}
    for trial in trials:
        if trial.store == store:
            pair = (trial.round, trial.clients, 0.0) if metric is CAPACITY else trial.pair
            found.setdefault(pair, {}).setdefault(trial.twin, []).append(trial)
    figures = {number: {twin: _figure(some, metric) for twin, some in both.items()} for number, both in found.items()}
    return {
        number: {twin: value for twin, value in both.items() if value is not None}
        for number, both in figures.items()
        if None not in both.values()
    }


def _figure(trials: Sequence[Trial], metric: Metric) -> float | None:
    """The metric of a trial, or what all trials of a search came to; None where one of them does not count."""
    if not all(trial.valid for trial in trials):
        return None
    if metric is CAPACITY:
        return capacity.answer([(trial.rate, bool(trial.held)) for trial in trials])
    return float(getattr(trials[0].measurement, metric.field))


def _interval(figures: Figures) -> Spread | None:
    found = estimate([math.log(value) for value in figures.values()])
    return Spread(*map(math.exp, (found.middle, found.low, found.high))) if found else None


def _ratio(figures: Figures, baseline: Figures, floor: float | None) -> Ratio:
    # A latency of 0 is one below the generator's resolution: no ratio can be told.
    paired = sorted(number for number in figures.keys() & baseline.keys() if min(figures[number], baseline[number]) > 0)
    rounds = tuple(figures[number] / baseline[number] for number in paired)
    return Ratio(rounds, estimate([math.log(ratio) for ratio in rounds]), floor)


def _corrected(rows: Sequence[Row]) -> Iterable[Row]:
    """The rows with p-values that hold for all of them together."""
    found = [row.ratio.estimate.p for row in rows if row.ratio and row.ratio.estimate]
    corrected = iter(holm(found))
    for row in rows:
        if row.ratio and row.ratio.estimate:
            yield replace(row, ratio=replace(row.ratio, comparisons=len(found), p=next(corrected)))
        else:
            yield row
