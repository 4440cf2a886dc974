"""How many rounds a proof should have, of trials whose difference and swing are known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from benchfly.benchmark.trials import Trial, with_twins
from benchfly.tuning.judge import rounds_wanted
from benchfly.tuning.objectives import Measured


def trials(ratio: float, swings: float, rounds: int = 10) -> Sequence[Trial]:
    lot = random.Random(1)
    found = [
        Trial(number, store, Measured(1, 1.0, 1.0, 1.0, 1.0, middle * lot.lognormvariate(0, swings), 0), ())
        for number in range(1, rounds + 1)
        for store, middle in [("base", 1.0), ("other", ratio)] * 2
    ]
    return with_twins(found, 1)


@pytest.mark.parametrize(
    ("ratio", "swings", "least", "most"),
    [(0.99, 0.01, 0, 10), (0.9, 0.1, 50, 200), (0.3, 0.1, 0, 10), (0.98, 0.0, 0, 10), (1.2, 0.1, 0, 0)],
)
def test_rounds_are_wanted_for_what_swings_and_not_for_what_is_clear(
    ratio: float, swings: float, least: int, most: int
) -> None:
    assert least <= rounds_wanted(trials(ratio, swings), ("base", "other"), ["p99"]) <= most
    assert rounds_wanted(trials(ratio, swings), ("base", "other"), ["bytes"]) == 0, "none was measured"
