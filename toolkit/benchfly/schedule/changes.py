"""Where in a history of runs the speed of a store changed. Pure: figures in, change points out.

Found by Apache Otava: it splits the history where its parts differ most (E-divisive, Matteson and James,
arXiv:1306.4933), and keeps what a t-test still tells apart (Fleming et al., *Hunter: Using Change Point Detection to
Hunt for Performance Regressions*, ICPE 2023). It does so with logarithms, so that half and twice weigh the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchfly.errors import RefusedError

# Runs that a level must have lasted: fewer are outliers, which no test tells from a change yet.
CONFIRMED = 3
# What each look at one figure may claim of a history without a change: a look a day at a few figures of a few stores is
# thousands of looks a year. What came of it with a measured history is in docs/schedule.md.
ERROR_RATE = 1e-5
_FAR = 4  # times what four of five runs are off their neighbours by at most
_WINDOW = 50  # runs that are split at a time, as Otava does by default
_MOST = 400  # runs that are looked at


@dataclass(frozen=True)
class Change:
    """A level that begins with run number `index`, and the ratio of its figures to those of the level before."""

    index: int
    ratio: float
    p: float


def changes(values: Sequence[float]) -> list[Change]:
    """The changes of a figure, oldest first; all values are above 0. Raises RefusedError without Apache Otava."""
    first = max(0, len(values) - _MOST)
    places = list(range(first, len(values)))
    logs = _calmed([math.log(value) for value in values[first:]])
    while True:
        found = _split(logs)
        short = next(_outliers([0, *(one.index for one in found), len(logs)]), None)
        if short is None:
            return [Change(places[one.index], one.ratio, one.p) for one in found if one.index + CONFIRMED <= len(logs)]
        del logs[short], places[short]


def _calmed(logs: list[float]) -> list[float]:
    """Runs far from their neighbours as the middle of these: one would hide every change from a test of means.

    A level of CONFIRMED runs is the middle of its neighbours, and stays.
    """
    around = [median(logs[max(0, place - 2) : place + 3]) for place in range(len(logs))]
    apart = [abs(value - middle) for value, middle in zip(logs, around, strict=True)]
    far = _FAR * sorted(apart)[len(apart) * 4 // 5] if apart else 0.0
    return [middle if far < off else value for value, middle, off in zip(logs, around, apart, strict=True)]


def _outliers(edges: Sequence[int]) -> Iterator[slice]:
    """Levels too short to be one, but for the last, which may become one."""
    for begin, end in pairwise(edges):
        if end - begin < CONFIRMED and end != edges[-1]:
            yield slice(begin, end)


def _split(logs: Sequence[float]) -> list[Change]:
    if len(logs) < 2 * CONFIRMED:
        return []
    try:
        from otava.analysis import compute_change_points  # type: ignore[import-untyped]
    except ImportError as error:
        raise RefusedError("Change points need Apache Otava: pip install 'benchfly[schedule]'") from error
    found, _ = compute_change_points(list(logs), window_len=_WINDOW, max_pvalue=ERROR_RATE)
    return [
        Change(one.index, math.exp(float(one.stats.mean_2 - one.stats.mean_1)), float(one.stats.pvalue))
        for one in found
    ]
