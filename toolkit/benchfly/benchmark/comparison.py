"""What trials of several stores say of each other. Pure: trials in, verdicts out.

Trials are paired by round, so that what slowed the machine for a while slowed both. A difference is claimed only if
every round shows it: with n rounds, two equal stores look so by chance in one of 2^(n-1) comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchfly.benchmark.trials import Trial

# Fewer prove nothing: four equal signs are an accident in one of 8 comparisons.
MINIMUM_ROUNDS = 5


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
    """A store's figures over the baseline's, round by round."""

    rounds: tuple[float, ...]
    spread: Spread | None

    @property
    def claimed(self) -> bool:
        """Whether every round shows the same difference, and there are enough of them."""
        if self.spread is None or len(self.rounds) < MINIMUM_ROUNDS:
            return False
        return self.spread.low > 1 or self.spread.high < 1

    @property
    def verdict(self) -> str:
        """In words."""
        if self.spread is None or len(self.rounds) < MINIMUM_ROUNDS:
            return f"not judged: {len(self.rounds)} rounds with two valid trials, {MINIMUM_ROUNDS} are needed"
        if not self.claimed:
            return "no difference claimed"
        return ("higher" if self.spread.low > 1 else "lower") + f" in all {len(self.rounds)} rounds"


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
        if self.ratio is None or self.ratio.spread is None or not self.ratio.claimed:
            return None
        return (self.ratio.spread.low > 1) == self.metric.more_is_better


@dataclass(frozen=True)
class Comparison:
    """Rows by metric, then by store with the baseline first."""

    baseline: str
    rows: tuple[Row, ...]

    @property
    def headline(self) -> str:
        """The throughput of each store against the baseline, in a sentence each."""
        ratios = [row for row in self.rows if row.metric is METRICS[0] and row.ratio]
        return " ".join(self._sentence(row.store, row.ratio) for row in ratios if row.ratio)

    def _sentence(self, store: str, ratio: Ratio) -> str:
        if ratio.spread is None or not ratio.claimed:
            return f"Throughput of {store} and {self.baseline}: {ratio.verdict}."
        spread = f"{ratio.spread.low:.2f} to {ratio.spread.high:.2f}"
        return f"{store} did {ratio.spread.median:.2f} times the operations of {self.baseline} ({spread}, by round)."


def compare(trials: Sequence[Trial], stores: Sequence[str]) -> Comparison:
    """Compare the stores with the first of them. Invalid trials are left out, with the round they leave unpaired."""
    rows = []
    for metric in METRICS:
        figures = {store: _by_round(trials, store, metric) for store in stores}
        baseline = figures[stores[0]]
        for store in stores:
            ratio = None if store == stores[0] else _ratio(figures[store], baseline)
            rows.append(Row(metric, store, Spread.of(figures[store].values()), ratio))
    return Comparison(stores[0], tuple(rows))


def _by_round(trials: Sequence[Trial], store: str, metric: Metric) -> dict[int, float]:
    valid = (trial for trial in trials if trial.store == store and trial.valid)
    return {trial.round: float(getattr(trial.measurement, metric.field)) for trial in valid}


def _ratio(figures: dict[int, float], baseline: dict[int, float]) -> Ratio:
    # A latency of 0 is one below the generator's resolution: no ratio can be told.
    paired = sorted(number for number in figures.keys() & baseline.keys() if baseline[number] > 0)
    rounds = tuple(figures[number] / baseline[number] for number in paired)
    return Ratio(rounds, Spread.of(rounds))
