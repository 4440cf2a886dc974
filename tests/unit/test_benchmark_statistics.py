"""The statistics, against scipy's and against chance."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_further_rounds
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.rounds import rounds_needed, spread
from scipy import stats

from benchfly.benchmark.statistics import ERROR_RATE, estimate, holm, rounds_for

FIRST, MOST, PRECISION = 8, 40, 0.02


def normal(chance: random.Random) -> float:
    return chance.gauss(0, 0.05)


def disturbed(chance: random.Random) -> float:
    return chance.gauss(0, 0.05) * (6 if chance.random() < 0.1 else 1)


@pytest.mark.parametrize("rounds", [6, 8, 13, 40])
def test_the_interval_is_that_of_the_exact_test(rounds: int) -> None:
    chance = random.Random(rounds)
    for shift in (0.0, 0.02, 0.05) * 8:
        values = [shift + normal(chance) for _ in range(rounds)]
        found = estimate(values)
        assert found
        assert found.p == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)
        assert (found.p <= ERROR_RATE) == (not found.low <= 0 <= found.high)
        moved = [
            stats.wilcoxon([value - end for value in values]).pvalue for end in (found.low - 1e-9, found.high + 1e-9)
        ]
        assert max(moved) <= ERROR_RATE


def test_too_few_and_all_alike() -> None:
    assert estimate([0.1] * 5) is None
    same = estimate([0.0] * 8)
    assert same and (same.middle, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_bad_round_decides_nothing() -> None:
    values = [0.10, 0.11, 0.09, 0.10, 0.12, 0.10, 0.11, 0.09, 0.10, 0.11, 0.09, -3.0]
    found = estimate(values)
    assert found and found.middle == pytest.approx(0.10, abs=0.01) and found.low > 0


def test_holm_is_what_it_was_in_1979() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert [rounds_for(count) for count in (1, 4, 8, 12)] == [6, 8, 9, 9]


def test_the_detectable_effect_is_found_in_nine_of_ten() -> None:
    chance, found = random.Random(5), 0
    typical = [estimate([normal(chance) for _ in range(20)]) for _ in range(100)]
    effect = sorted(each.detectable(0.0) for each in typical if each)[50]
    for _ in range(400):
        one = estimate([effect + normal(chance) for _ in range(20)])
        found += bool(one and one.low > 0)
    assert 0.84 < found / 400 < 0.96


@pytest.mark.parametrize("draw", [normal, disturbed])
def test_looking_after_every_round_finds_nothing_more_between_equal_stores(
    draw: Callable[[random.Random], float],
) -> None:
    chance, wrong, repetitions = random.Random(2), 0, 1500
    for _ in range(repetitions):
        values = [draw(chance) for _ in range(FIRST)]
        while len(values) < min(MOST, rounds_needed(values, PRECISION)):
            values.append(draw(chance))
        found = estimate(values)
        wrong += bool(found and found.p <= ERROR_RATE)
    assert wrong / repetitions <= ERROR_RATE + 0.006  # a standard error of the simulation itself


def test_the_rule_sees_sizes_alone() -> None:
    chance = random.Random(3)
    values = [normal(chance) for _ in range(10)]
    turned = [-value if chance.random() < 0.5 else value for value in values]
    assert rounds_needed(values, PRECISION) == rounds_needed(turned, PRECISION)
    many = [normal(chance) for _ in range(4000)]
    assert spread(many) == pytest.approx(0.05, rel=0.05)
    assert spread([0.5 + value for value in many]) < 0.05 * 1.8  # not the half that all of them are


def test_rounds_of_a_playbooks_trials() -> None:
    def trials(rates: list[float]) -> list[dict[str, object]]:
        return [
            {"round": number, "store": store, "measurement": {"ops_per_second": rate}, "invalid": []}
            for number, value in enumerate(rates, 1)
            for store, rate in (("old", 100.0), ("old", 100.0), ("new", value), ("new", value))
        ]

    steady = [101.0, 100.5, 99.5, 100.0, 100.2, 99.9, 100.1, 99.0]
    assert benchmark_further_rounds(trials(steady), 0.02, 40) == 0
    uneven = [130.0, 80.0, 99.0, 120.0, 70.0, 110.0, 95.0, 105.0]
    assert benchmark_further_rounds(trials(uneven), 0.02, 40) == 32
    assert benchmark_further_rounds(trials(uneven), 0.02, 8) == 0
    assert benchmark_further_rounds([], 0.02, 40) == 0
