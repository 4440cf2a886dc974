"""The order of a benchmark's trials, and how many there are to be."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, geometric_mean
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import (
    FIRST_STEP,
    NEXT_STEP,
    answer,
    next_rate,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.rounds import rounds_needed


def benchmark_schedule(
    stores: Sequence[str], rounds: int, seed: int, first: int = 1, twin: bool = False
) -> list[dict[str, Any]]:
    """Every store once per round, in an order of its own in each, so that what changes with time favours none.

    With a `twin` every store is played twice: what it differs from itself by is the noise. All of them, since a store
    that is played more often than another is no longer its equal.
    """
    names = [*stores, *stores] if twin else list(stores)
    return [
        {"round": number, "store": store}
        for number in range(int(first), int(first) + int(rounds))
        for store in random.Random(f"{int(seed)} {number}").sample(names, len(names))
    ]


def benchmark_further_rounds(trials: Sequence[Mapping[str, Any]], precision: float, most: int) -> int:
    """How many rounds more bring the interval of the ratio of throughputs, or capacities, to within `precision`.

    Of the trials of the first rounds; of several stores the one that needs most of them decides. With those there were
    it will be no more than `most`.
    """
    rates = _capacities(trials) or _throughputs(trials)
    means = {key: fmean(map(math.log, values)) for key, values in rates.items()}
    rounds = sorted({trial["round"] for trial in trials})
    stores = sorted({trial["store"] for trial in trials})
    needed = len(rounds)
    for number, one in enumerate(stores):
        for other in stores[number + 1 :]:
            both = [at for at in rounds if (at, one) in means and (at, other) in means]
            needed = max(needed, rounds_needed([means[at, one] - means[at, other] for at in both], float(precision)))
    return max(0, min(int(most), needed) - len(rounds))


def benchmark_next_rates(
    trials: Sequence[Mapping[str, Any]], stores: Sequence[str], number: int, seed: int, rate: float, twin: bool = False
) -> list[dict[str, Any]]:
    """The next trial of each search of that round that is not over, in an order drawn for this step.

    A store's search begins at `rate`, from its second round on at what its last one came to; with a `twin` it has two.
    """
    searches, capacities, found = _searches(trials), _capacities(trials), []
    for store in stores:
        last = max((earlier for earlier, name in capacities if name == store and earlier < int(number)), default=0)
        start, step = (geometric_mean(capacities[last, store]), NEXT_STEP) if last else (float(rate), FIRST_STEP)
        for other in (False, True)[: 2 if twin else 1]:
            tried = searches.get((int(number), store, other), [])
            following = None if None in tried else next_rate([one for one in tried if one], start, step)
            if following is not None:
                found.append({"round": int(number), "store": store, "rate": following, "twin": other})
    return random.Random(f"{int(seed)} {int(number)} {len(trials)}").sample(found, len(found))


def _throughputs(trials: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str], list[float]]:
    """What valid trials of a round reached, by round and store."""
    rates: dict[tuple[int, str], list[float]] = {}
    for trial in trials:
        if trial["measurement"] and not trial["invalid"]:
            rates.setdefault((trial["round"], trial["store"]), []).append(trial["measurement"]["ops_per_second"])
    return rates


def _capacities(trials: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str], list[float]]:
    """What searches came to, by round and store; of a round with one that came to nothing, nothing."""
    found: dict[tuple[int, str], list[float]] = {}
    for (number, store, _), tried in _searches(trials).items():
        capacity = None if None in tried else answer([one for one in tried if one])
        found.setdefault((number, store), []).append(capacity or 0.0)
    return {key: values for key, values in found.items() if all(values)}


def _searches(trials: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str, bool], list[tuple[float, bool] | None]]:
    """Of each search (round, store, whether the twin's) the rates and whether the objective held; None: invalid."""
    found: dict[tuple[int, str, bool], list[tuple[float, bool] | None]] = {}
    for trial in trials:
        if trial.get("held") is not None or trial["invalid"]:
            one = None if trial["invalid"] else (trial["rate"], trial["held"])
            found.setdefault((trial["round"], trial["store"], trial.get("twin", False)), []).append(one)
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "benchmark_schedule": benchmark_schedule,
            "benchmark_further_rounds": benchmark_further_rounds,
            "benchmark_next_rates": benchmark_next_rates,
        }
