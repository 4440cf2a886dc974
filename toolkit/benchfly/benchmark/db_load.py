"""What `db-load` came to: statements at MariaDB per request, by the state of the cache. Pure: passes in, figures out.

Passes are paired by round, as trials of a benchmark are, and judged by the same statistics; spoilt ones do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean, median
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.db_load import COLD, NONE, UNREACHABLE, WARM

from benchfly.benchmark.statistics import ERROR_RATE, estimate, holm, rounds_for

QUESTIONS, SELECTS = "questions", "selects"

# As the module bench_db_load returns it.
Pass = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """The middle of so many rounds, its 95 % interval where they are enough for one, and p that it is 0."""

    middle: float
    rounds: int
    low: float | None = None
    high: float | None = None
    p: float = 1.0

    @classmethod
    def of(cls, values: Sequence[float]) -> Value | None:
        """None without any."""
        if not values:
            return None
        found = estimate(values)
        if found is None:
            return cls(median(values), len(values))
        return cls(found.middle, len(values), found.low, found.high, found.p)


@dataclass(frozen=True)
class Figure:
    """Statements per request with a store in a state, and how many of them are SELECTs; path: of that request alone."""

    cache: str
    state: str
    path: str | None
    questions: Value | None
    selects: Value | None


@dataclass(frozen=True)
class Saving:
    """The share of the statements of another state that a store spares MariaDB when it is warm; 0.9 is 90 %."""

    cache: str
    state: str
    share: Value


@dataclass(frozen=True)
class Difference:
    """Statements per request of a store over the baseline's in the same state; p is corrected for all of them."""

    cache: str
    baseline: str
    state: str
    more: Value
    p: float
    verdict: str


@dataclass(frozen=True)
class DatabaseLoad:
    """All of it: stores in their order, each warm before cold, and none at the end."""

    figures: tuple[Figure, ...]
    savings: tuple[Saving, ...]
    differences: tuple[Difference, ...]
    spoilt: tuple[Pass, ...]

    @classmethod
    def told(cls, data: Mapping[str, Any]) -> DatabaseLoad | None:
        """Of what the playbook handed over; None where it played nothing."""
        return cls.of(data["passes"], [cache["name"] for cache in data["caches"]]) if data.get("passes") else None

    @classmethod
    def of(cls, passes: Sequence[Pass], caches: Sequence[str]) -> DatabaseLoad:
        """`caches` are the names of the stores that were measured, the baseline first."""
        return cls(
            figures=tuple(_figures(passes, caches)),
            savings=tuple(_savings(passes, caches)),
            differences=tuple(_differences(passes, caches)),
            spoilt=tuple(each for each in passes if each["spoilt"]),
        )


def _by_round(
    passes: Sequence[Pass], cache: str, state: str, path: str | None = None, counter: str = QUESTIONS
) -> dict[int, float]:
    """Of each round the mean of a counter over the requests, or over those of one path."""
    return {
        each["round"]: fmean(request[counter] for request in each["requests"] if path in (None, request["path"]))
        for each in passes
        if (each["cache"], each["state"]) == (cache, state) and not each["spoilt"]
    }


def _figures(passes: Sequence[Pass], caches: Sequence[str]) -> Iterator[Figure]:
    played = {(each["cache"], each["state"]) for each in passes}
    paths = dict.fromkeys(request["path"] for each in passes for request in each["requests"])
    for cache, state in [*product(caches, (WARM, COLD)), (UNREACHABLE, NONE)]:
        for path in (None, *paths) if (cache, state) in played else ():
            questions, selects = (
                Value.of(list(_by_round(passes, cache, state, path, counter).values()))
                for counter in (QUESTIONS, SELECTS)
            )
            yield Figure(cache, state, path, questions, selects)


def _savings(passes: Sequence[Pass], caches: Sequence[str]) -> Iterator[Saving]:
    none = _by_round(passes, UNREACHABLE, NONE)
    for cache in caches:
        warm = _by_round(passes, cache, WARM)
        for state, other in ((COLD, _by_round(passes, cache, COLD)), (NONE, none)):
            rounds = [number for number in warm.keys() & other.keys() if other[number]]
            share = Value.of([1 - warm[number] / other[number] for number in rounds])
            if share:
                yield Saving(cache, state, share)


def _differences(passes: Sequence[Pass], caches: Sequence[str]) -> Iterator[Difference]:
    found = []
    for state, cache in product((WARM, COLD), caches[1:]):
        ours, baseline = _by_round(passes, cache, state), _by_round(passes, caches[0], state)
        more = Value.of([ours[number] - baseline[number] for number in ours.keys() & baseline.keys()])
        if more:
            found.append((cache, state, more))
    for (cache, state, more), p in zip(found, holm([more.p for _, _, more in found]), strict=True):
        yield Difference(cache, caches[0], state, more, p, _verdict(more, p, rounds_for(len(found))))


def _verdict(more: Value, p: float, needed: int) -> str:
    if more.low is None or more.high is None or more.rounds < needed:
        return f"not judged: {more.rounds} rounds, {needed} are needed"
    if p > ERROR_RATE or more.low <= 0 <= more.high:
        return "no difference claimed"
    return "more" if more.middle > 0 else "fewer"
