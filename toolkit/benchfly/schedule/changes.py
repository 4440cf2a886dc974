"""Where in a history of runs the speed of a store changed. Pure: figures in, change points out.

Found by Apache Otava: it splits the history where its parts differ most (E-divisive, Matteson and James,
arXiv:1306.4933), and keeps what a t-test still tells apart (Fleming et al., *Hunter: Using Change Point Detection to
Hunt for Performance Regressions*, ICPE 2023). It does so with logarithms, so that half and twice weigh the same.

That test takes the spread of runs for the same all the time. On a host whose neighbours come and go it is not: three
runs in a bad hour may by chance be off on the same side, and far. Their own rounds differ as much then. So it is a
change only if the rounds of both levels are told apart as well, by their ranks (Mann and Whitney 1947), which a few of
them cannot move far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import fmean, median

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


def changes(values: Sequence[float], rounds: Sequence[Sequence[float]]) -> list[Change]:
    """The changes of a figure, oldest first. Raises RefusedError without Apache Otava.

    values: one of each run, all above 0. rounds: what each is the middle of.
    """
    first = max(0, len(values) - _MOST)
    places, whole = list(range(first, len(values))), list(rounds[first:])
    logs = _calmed([math.log(value) for value in values[first:]])
    while True:
        found = _told_apart(_split(logs), whole)
        edges = [0, *found, len(logs)]
        short = next(_outliers(edges), None)
        if short is None:
            break
        del logs[short], places[short], whole[short]
    levels = [fmean(logs[begin:end]) for begin, end in pairwise(edges) if begin < end]
    ratios = [math.exp(after - before) for before, after in pairwise(levels)]
    return [
        Change(places[index], ratio)
        for index, ratio in zip(found, ratios, strict=True)
        if index + CONFIRMED <= len(logs)
    ]


def _calmed(logs: list[float]) -> list[float]:
    """Runs far from their neighbours as the middle of these: one would hide every change from a test of means.

    A level of CONFIRMED runs is the middle of its neighbours, and stays. So do all where most are the same, such as
    latencies of few steps of the generator's resolution: none of these is far.
    """
    around = [median(logs[max(0, place - 2) : place + 3]) for place in range(len(logs))]
    apart = [abs(value - middle) for value, middle in zip(logs, around, strict=True)]
    far = _FAR * sorted(apart)[len(apart) * 4 // 5] if apart else 0.0
    return [middle if 0 < far < off else value for value, middle, off in zip(logs, around, apart, strict=True)]


def _outliers(edges: Sequence[int]) -> Iterator[slice]:
    """Levels too short to be one, but for the last, which may become one."""
    for begin, end in pairwise(edges):
        if end - begin < CONFIRMED and end != edges[-1]:
            yield slice(begin, end)


def _split(logs: Sequence[float]) -> list[int]:
    """Where levels begin, but for the first."""
    if len(logs) < 2 * CONFIRMED:
        return []
    try:
        from otava.analysis import compute_change_points  # type: ignore[import-untyped]
    except ImportError as error:
        raise RefusedError("Change points need Apache Otava: pip install 'benchfly[schedule]'") from error
    found, _ = compute_change_points(list(logs), window_len=_WINDOW, max_pvalue=ERROR_RATE)
    return [int(one.index) for one in found]


def _told_apart(found: list[int], rounds: Sequence[Sequence[float]]) -> list[int]:
    """Those of them where the rounds before and after differ; what does so least is dropped first."""
    if not found:
        return found
    from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

    while found:
        levels = [list(chain.from_iterable(rounds[begin:end])) for begin, end in pairwise([0, *found, len(rounds)])]
        doubts = [float(mannwhitneyu(before, after).pvalue) for before, after in pairwise(levels)]
        worst = max(doubts)
        if worst <= ERROR_RATE:
            break
        found = [index for index, doubt in zip(found, doubts, strict=True) if doubt < worst]
    return found
