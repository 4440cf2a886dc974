"""What paired differences say, with no assumption but that an order drawn by lot favours no store.

A round plays every store once, in an order drawn for that round. If two stores are equal, the difference within a round
is therefore as likely positive as negative, whatever its size and however the machine drifts, and the signed-rank
test is exact (Wilcoxon 1945; the interval is its inversion: Hodges and Lehmann 1963). Ranks keep one bad round from
deciding, which means and bootstraps of eight rounds do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

from benchfly.errors import RefusedError

ERROR_RATE = 0.05  # of all that one comparison claims, how often it may claim anything of equal stores
POWER = 0.90  # how often the smallest detectable effect is found


@dataclass(frozen=True)
class Estimate:
    """Of differences of logarithms: the middle, its interval, and how surprising that is of equal stores (p)."""

    middle: float
    low: float
    high: float
    p: float
    rounds: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def detectable(self, floor: float) -> float:
        """The smallest difference that would be claimed in about 9 of 10 repetitions with as many rounds."""
        beyond = NormalDist().inv_cdf(POWER) / NormalDist().inv_cdf(1 - ERROR_RATE / 2)
        return max(floor, self.half_width) + beyond * self.half_width


def estimate(differences: Sequence[float]) -> Estimate | None:
    """Of differences within rounds; None where there are too few for an interval (six at 95 %)."""
    cut = _cut(len(differences), ERROR_RATE)
    if cut is None:
        return None
    numpy, stats = _libraries()
    values = numpy.asarray(differences, dtype=float)
    first, second = numpy.triu_indices(len(values))
    averages = numpy.sort((values[first] + values[second]) / 2)  # Walsh's, of every pair
    p = 1.0 if not values.any() else float(stats.wilcoxon(values, zero_method="zsplit").pvalue)
    low, high = float(averages[cut]), float(averages[-1 - cut])
    return Estimate(float(numpy.median(averages)), low, high, p, len(values))


def holm(values: Sequence[float]) -> list[float]:
    """The p-values corrected so that ERROR_RATE holds for all of them together (Holm 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [1.0] * len(values), 0.0
    for place, number in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - place) * values[number]))
        corrected[number] = largest
    return corrected


def rounds_for(comparisons: int) -> int:
    """The fewest rounds of which the clearest outcome, all of one sign, survives that correction."""
    return math.ceil(1 + math.log2(max(1, comparisons) / ERROR_RATE))


@cache
def _cut(rounds: int, error_rate: float) -> int | None:
    """How many of the sorted pairs' averages lie outside the interval on either side; None for too few rounds.

    From the exact distribution of the signed-rank statistic: every sign of every rank is equally likely.
    """
    numpy, _ = _libraries()
    ways = numpy.ones(1)
    for rank in range(1, rounds + 1):
        longer = numpy.zeros(len(ways) + rank)
        longer[: len(ways)] += ways / 2
        longer[rank:] += ways / 2
        ways = longer
    outside = int(numpy.searchsorted(numpy.cumsum(ways), error_rate / 2, side="right"))
    return outside - 1 if outside else None


def _libraries() -> tuple[Any, Any]:
    """numpy and scipy.stats, which only judging needs."""
    try:
        import numpy
        from scipy import stats  # type: ignore[import-untyped]
    except ImportError as error:
        message = f"Judging a benchmark needs {error.name}. Install it with: pip install 'benchfly[analysis]'"
        raise RefusedError(message) from error
    return numpy, stats
