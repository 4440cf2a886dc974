"""The order of a benchmark's trials."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any


def benchmark_schedule(stores: Sequence[str], rounds: int, seed: int) -> list[dict[str, Any]]:
    """Every store once per round, in an order of its own in each, so that what changes with time favours none."""
    generator = random.Random(int(seed))
    return [
        {"round": number, "store": store}
        for number in range(1, int(rounds) + 1)
        for store in generator.sample(list(stores), len(stores))
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"benchmark_schedule": benchmark_schedule}
