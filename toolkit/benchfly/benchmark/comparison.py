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
        known = [row.ratio.floor for row in self.rows if row.metric is METRICS[0] and row.ratio and row.ratio.floor]
        return math.expm1(max(known)) if known else None

    @cached_property
    def headline(self) -> str:
        """The throughput of each store against the baseline, in a sentence each."""
        ratios = [row for row in self.rows if row.metric is METRICS[0] and row.ratio]
        said = " ".join(self._sentence(row.store, row.ratio) for row in ratios if row.ratio)
        return f"{said} {self.mark}".strip()

    def _sentence(self, store: str, ratio: Ratio) -> str:
        if ratio.spread is None or not ratio.claimed:
            return f"Throughput of {store} and {self.baseline}: {ratio.verdict}."
        spread = f"{ratio.spread.low:.2f} to {ratio.spread.high:.2f}"
        return f"{store} did {ratio.spread.median:.2f} times the operations of {self.baseline} ({spread})."


def compare(trials: Sequence[Trial], stores: Sequence[str], floors: Floors | None = None) -> Comparison:
    """Compare the stores with the first of them. Invalid trials are left out, with the round they leave unpaired.

    The floor of a metric is what the stores' twins show; without twins, what is given in `floors`.
    """
    known = {store: {**(floors or {}), **noise(trials, (stores[0], store))} for store in stores}
    rows = []
    for metric in METRICS:
        figures = {store: by_round(trials, store, metric) for store in stores}
        baseline = figures[stores[0]]
        for store in stores:
            ratio = None if store == stores[0] else _ratio(figures[store], baseline, known[store].get(metric.field))
            rows.append(Row(metric, store, Spread.of(figures[store].values()), ratio))
    return Comparison(stores[0], tuple(_corrected(rows)))


def noise(trials: Sequence[Trial], stores: Iterable[str]) -> dict[str, float]:
    """What stores that were played twice a round differ from themselves by: the far end of that interval.

    Of two stores the mean of both differences, which is spread as the difference between the two is if they are equal.
    """
    floors = {}
    for metric in METRICS:
        apart = [_apart(trials, store, metric) for store in dict.fromkeys(stores)]
        rounds = sorted(set.intersection(*(set(each) for each in apart)))
        found = estimate([fmean(each[number] for each in apart) for number in rounds])
        if found is not None:
            floors[metric.field] = max(abs(found.low), abs(found.high))
    return floors


def by_round(trials: Sequence[Trial], store: str, metric: Metric) -> Figures:
    """The figure of a store in each round: of its two trials the geometric mean, if both are valid."""
    figures: dict[tuple[int, int, float], float] = {}
    for number, found in _valid(trials, store).items():
        values = [float(getattr(trial.measurement, metric.field)) for trial in found]
        figures[number] = geometric_mean(values) if len(values) > 1 and min(values) > 0 else min(values)
    return figures


def _apart(trials: Sequence[Trial], store: str, metric: Metric) -> Figures:
    """The logarithm of the ratio of a store's two trials in each round that has both."""
    apart: dict[tuple[int, int, float], float] = {}
    for number, found in _valid(trials, store).items():
        values = {trial.twin: float(getattr(trial.measurement, metric.field)) for trial in found}
        if len(values) == 2 and min(values.values()) > 0:
            apart[number] = math.log(values[True] / values[False])
    return apart


def _valid(trials: Sequence[Trial], store: str) -> dict[tuple[int, int, float], list[Trial]]:
    """The trials of a store by round, without rounds in which one does not count."""
    found: dict[tuple[int, int, float], list[Trial]] = {}
    for trial in trials:
        if trial.store == store:
            found.setdefault(trial.pair, []).append(trial)
    return {number: some for number, some in found.items() if all(trial.valid for trial in some)}


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
