"""Figures that were measured again and again: what they come to, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

_REACH = NormalDist().inv_cdf(0.975)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The interval of 95 % of their median, by the order of their values; few values make it the whole range."""
    ordered, number = sorted(values), len(values)
    reach = _REACH * math.sqrt(number) / 2
    return ordered[max(0, math.floor(number / 2 - reach))], ordered[min(number, math.ceil(number / 2 + reach)) - 1]
