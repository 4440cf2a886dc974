"""The highest rate at which a latency objective holds, searched for in an open loop, one trial after the other.

A search goes up while the objective holds, or down while it does not, until it has a rate on either side, and then
halves what lies between (on a logarithmic scale, so that 2 % are as near at any rate). Each round of a benchmark is a
search of its own: what a moment's noise does to one of them shows in how far their answers are apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Percentile -> the field of a Measurement that has it, in milliseconds.
PERCENTILES = {"p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms", "p999": "p999_ms"}
PRECISION = 0.02  # how near to their middle the two rates of an answer are
DONE = 0.95  # of what was offered, how much must have been done for a latency to say anything
LOWEST, HIGHEST = 1.0, 10_000_000.0  # operations per second
FIRST_STEP, NEXT_STEP, LARGEST_STEP = 2.0, (1 + PRECISION) ** 2, 4.0
STEPS = 24  # of one search: from the lowest to the highest rate takes 12, and then 6 halvings

# Rates that were offered, and whether the objective held.
Tried = Sequence[tuple[float, bool]]


@dataclass(frozen=True)
class Objective:
    """Of all operations the share that `percentile` says takes `ms` milliseconds at most."""

    percentile: str
    ms: float

    def __str__(self) -> str:
        return f"{self.percentile} of {self.ms:g} ms"

    def held(self, measurement: Mapping[str, Any], rate: float) -> bool:
        """Whether a trial at that rate kept it; not where the rate itself was not reached."""
        latency = measurement[PERCENTILES[self.percentile]]
        return latency is not None and latency <= self.ms and measurement["ops_per_second"] >= DONE * rate


def sides(tried: Tried) -> tuple[float, float]:
    """The highest rate at which it held (0 for none) and the lowest at which it did not (infinity)."""
    holds = max((rate for rate, held in tried if held), default=0.0)
    return holds, min((rate for rate, held in tried if not held), default=math.inf)


def answer(tried: Tried) -> float | None:
    """The capacity that a search came to: the middle of both sides; None while they are not near enough."""
    low, high = sides(tried)
    return math.sqrt(low * high) if low and high / low <= NEXT_STEP * 1.000001 else None


def next_rate(tried: Tried, start: float, step: float) -> float | None:
    """What to offer next in a search that begins at `start`, with steps from `step` on; None when it is over."""
    if not tried:
        return start
    low, high = sides(tried)
    if len(tried) >= STEPS or answer(tried) is not None:
        return None
    if low and high < math.inf:
        return math.sqrt(low * high)
    factor = min(step**2 ** min(len(tried) - 1, 8), LARGEST_STEP)
    rate = max(LOWEST, min(low * factor if low else high / factor, HIGHEST))
    return rate if rate not in (low, high) else None
