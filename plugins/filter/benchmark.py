"""The order of a benchmark's trials, and how many there are to be."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

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
    """How many rounds more bring the interval of the throughput's ratio to within `precision` (0.02: 2 %).

    Of the trials of the first rounds; of several stores the one that needs most of them decides. With those there were
    it will be no more than `most`.
    """
    rates: dict[tuple[int, str], list[float]] = {}
    for trial in trials:
        if trial["measurement"] and not trial["invalid"]:
            rates.setdefault((trial["round"], trial["store"]), []).append(trial["measurement"]["ops_per_second"])
    means = {key: fmean(map(math.log, values)) for key, values in rates.items()}
    rounds = sorted({trial["round"] for trial in trials})
    stores = sorted({trial["store"] for trial in trials})
    needed = len(rounds)
    for number, one in enumerate(stores):
        for other in stores[number + 1 :]:
            both = [at for at in rounds if (at, one) in means and (at, other) in means]
            needed = max(needed, rounds_needed([means[at, one] - means[at, other] for at in both], float(precision)))
    return max(0, min(int(most), needed) - len(rounds))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "benchmark_schedule": benchmark_schedule,
            "benchmark_further_rounds": benchmark_further_rounds,
        }
