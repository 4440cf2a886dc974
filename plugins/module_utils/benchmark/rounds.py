"""How many rounds a benchmark needs, told from the sizes of its differences and never from their signs.

Going on until a difference shows finds one between equal stores, too. But of equal stores, in an order drawn by lot,
every difference is as likely positive as negative whatever its size. So a rule that sees the sizes alone may stop
whenever it likes: the signs, of which the test is made, are still fair coins. Rounds go on until the interval should be
narrow enough (a fixed width, as Chow and Robbins 1965), not until something is significant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

# The spread of the sizes of what is spread normally around 0, as a share of its own: sqrt(1 - 2/pi).
_OF_SIZES = math.sqrt(1 - 2 / math.pi)


def rounds_needed(differences: Sequence[float], half_width: float, confidence: float = 0.95) -> int:
    """Of differences of logarithms so far, how many rounds give an interval of `half_width` to either side."""
    if len(differences) < 3:
        return len(differences)
    deviations = NormalDist().inv_cdf((1 + confidence) / 2) * spread(differences) / half_width
    return max(len(differences), math.ceil(deviations**2))


def spread(differences: Sequence[float]) -> float:
    """At least their standard deviation, at most 1.7 times it, from their sizes alone.

    Around 0 that is their root mean square; far from it, where that would be the difference itself, what the sizes
    vary by.
    """
    sizes = [abs(difference) for difference in differences]
    return min(math.sqrt(fmean(size**2 for size in sizes)), stdev(sizes) / _OF_SIZES)
