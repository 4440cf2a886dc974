"""What can be made better, and what was measured of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchfly.benchmark.comparison import METRICS, Metric, Row
from benchfly.benchmark.trials import Measurement


@dataclass(frozen=True)
class Measured(Measurement):
    """One play of the workload under some settings; `bytes_per_item` is of the data as it was filled in."""

    bytes_per_item: float = 0.0


# In a closed loop throughput is capacity; p99 is measured at a rate, in an open one.
OBJECTIVES = {
    "throughput": METRICS[0],
    "p99": METRICS[3],
    "bytes": Metric("bytes_per_item", "Memory of a session", "bytes", more_is_better=False),
}


def gain(metric: Metric, measured: Measured, today: Measured) -> float:
    """The logarithm of how much better that is than today; 0 where either cannot be told."""
    one, other = (float(getattr(each, metric.field)) for each in (measured, today))
    if one <= 0 or other <= 0:
        return 0.0
    return math.log(one / other) * (1 if metric.more_is_better else -1)


@dataclass(frozen=True)
class Effect:
    """What a change does to one objective: the ratio to before with its interval of 95 %, and what may be said."""

    objective: str
    ratio: float
    low: float
    high: float
    better: bool | None  # None: nothing is claimed

    def __str__(self) -> str:
        one, low, high = (100 * (each - 1) for each in (self.ratio, self.low, self.high))
        return f"{self.objective} {one:+.1f} % ({low:+.1f} to {high:+.1f})"


def effects(rows: Sequence[Row]) -> dict[str, Effect]:
    """Of the rows of a comparison of two stores, what is known of each objective."""
    names = {metric.field: name for name, metric in OBJECTIVES.items()}
    found = {}
    for row in rows:
        if row.ratio and row.ratio.spread:
            name, spread = names[row.metric.field], row.ratio.spread
            found[name] = Effect(name, spread.median, spread.low, spread.high, row.better)
    return found
