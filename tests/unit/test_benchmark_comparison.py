"""When a difference may be claimed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_schedule

from benchfly.benchmark import METRICS, Benchmark, Measurement, Row, Trial, compare
from benchfly.benchmark.statistics import ERROR_RATE
from benchfly.errors import ResultsError

THROUGHPUT, *_, P99 = METRICS


def trial(number: int, store: str, rate: float, invalid: Sequence[str] = ()) -> Trial:
    return Trial(number, store, Measurement(100, 1.0, rate, 1000 / rate, 2000 / rate, 3000 / rate, 0), tuple(invalid))


def trials(old: Sequence[float], new: Sequence[float]) -> list[Trial]:
    pairs = enumerate(zip(old, new, strict=True), 1)
    return [
        trial(number, store, rate) for number, pair in pairs for store, rate in zip(("old", "new"), pair, strict=True)
    ]


def row(found: Sequence[Trial], metric: object) -> Row:
    return next(
        row for row in compare(found, ["old", "new"], FLOORS).rows if row.metric is metric and row.store == "new"
    )


FLOORS = {metric.field: 0.01 for metric in METRICS}


def test_a_difference_in_every_round_is_claimed_however_the_machine_drifts() -> None:
    old = [100.0, 40.0, 90.0, 55.0, 70.0, 71.0, 60.0, 99.0]
    found = trials(old, [rate * (1.2 + 0.001 * number) for number, rate in enumerate(old)])
    throughput, p99 = row(found, THROUGHPUT), row(found, P99)
    assert throughput.ratio and throughput.ratio.spread
    assert throughput.ratio.spread.median == pytest.approx(1.2035, abs=0.0001)
    assert throughput.ratio.verdict == "higher"
    assert p99.ratio and p99.ratio.verdict == "lower"
    assert throughput.better is True and p99.better is True
    said = compare(found, ["old", "new"], FLOORS).headline
    assert said == "new did 1.20 times the operations of old (1.20 to 1.21)."


def test_a_slower_store_is_worse() -> None:
    found = trials([100.0] * 8, [80.0 + number / 10 for number in range(8)])
    assert row(found, THROUGHPUT).better is False
    assert row(found, P99).better is False


def test_rounds_to_the_contrary_and_nothing_is_claimed() -> None:
    found = trials([100.0] * 8, [150.0, 140.0, 130.0, 120.0, 110.0, 60.0, 70.0, 50.0])
    assert row(found, THROUGHPUT).better is None
    ratio = row(found, THROUGHPUT).ratio
    assert ratio and ratio.verdict == "no difference claimed"
    assert "no difference claimed" in compare(found, ["old", "new"], FLOORS).headline


def test_what_a_store_differs_from_itself_by_is_never_claimed_of_two() -> None:
    found = trials([100.0] * 8, [104.0 + number / 100 for number in range(8)])
    below = compare(found, ["old", "new"], {metric.field: math.log(1.05) for metric in METRICS})
    assert "the same store differs from itself by 5.0 %" in below.headline
    unknown = compare(found, ["old", "new"])
    assert "it is not known what one store differs from itself by here" in unknown.headline
    assert row(found, THROUGHPUT).better is True


def test_what_stores_differ_from_themselves_by_is_the_floor() -> None:
    twins = [
        replace(trial(number, store, rate + 6 * (-1) ** number * (1 + number / 10)), twin=True)
        for number in range(1, 9)
        for store, rate in (("old", 100.0), ("new", 101.5))
    ]
    found = trials([100.0] * 8, [101.5 + number / 100 for number in range(8)]) + twins
    ratio = compare(found, ["old", "new"]).rows[1].ratio
    assert ratio and ratio.floor and 0.05 < ratio.floor < 0.12
    assert ratio.seen and not ratio.claimed and "differs from itself by" in ratio.verdict
    assert ratio.detectable and ratio.detectable > math.expm1(ratio.floor)
    known = compare(found, ["old", "new"], FLOORS).rows[1].ratio
    assert known and known.floor == ratio.floor  # what was seen just now, not what was known
    one = [each for each in found if each.store == "old"]
    assert compare(one, ["old"]).rows[0].spread


def test_seven_rounds_of_four_metrics_prove_nothing() -> None:
    ratio = row(trials([100.0] * 7, [200.0 + number for number in range(7)]), THROUGHPUT).ratio
    assert ratio and ratio.verdict == "not judged: 7 rounds with two valid trials, 8 are needed"


def test_the_more_is_compared_the_more_rounds_it_takes() -> None:
    found = trials([100.0] * 8, [200.0 + number for number in range(8)])
    found += [replace(each, store="third") for each in found if each.store == "new"]
    ratio = compare(found, ["old", "new", "third"], FLOORS).rows[1].ratio
    assert ratio and ratio.verdict == "not judged: 8 rounds with two valid trials, 9 are needed"


def test_an_invalid_trial_takes_its_round_out() -> None:
    found = trials([100.0] * 9, [120.0] * 9)
    found[5] = trial(3, "new", 10_000.0, ["3 keys evicted"])
    new = row(found, THROUGHPUT)
    assert new.ratio and len(new.ratio.rounds) == 8
    assert new.spread and new.spread.high == 120.0
    old = next(each for each in compare(found, ["old", "new"]).rows if each.store == "old")
    assert old.spread and old.spread.median == 100.0


def test_a_store_without_a_valid_trial() -> None:
    found = [trial(1, "old", 100.0), Trial(1, "new", None, ("it is gone",))]
    new = row(found, THROUGHPUT)
    assert new.spread is None
    assert new.ratio and new.ratio.spread is None
    assert not new.ratio.claimed


def test_latencies_below_the_resolution_give_no_ratio() -> None:
    zero = Measurement(100, 1.0, 100.0, 0.0, 0.0, 0.0, 0)
    found = [Trial(number, store, zero, ()) for number in range(1, 7) for store in ("old", "new")]
    ratio = row(found, P99).ratio
    assert ratio and ratio.rounds == ()


def test_equal_stores_are_seldom_told_apart_by_any_of_four_metrics() -> None:
    """However uneven the machine: a tenth of the rounds is disturbed."""
    chance, claims = random.Random(1), 0
    for _ in range(300):
        old, new = ([_disturbed(chance) for _ in range(10)] for _ in "ab")
        rows = compare(trials(old, new), ["old", "new"], dict.fromkeys(FLOORS, 0.0)).rows
        claims += any(row.better is not None for row in rows)
    assert claims <= 300 * ERROR_RATE


def _disturbed(chance: random.Random) -> float:
    return chance.lognormvariate(5, 0.05) * (0.5 if chance.random() < 0.1 else 1)


def test_every_store_once_a_round_in_an_order_that_the_seed_gives() -> None:
    schedule = benchmark_schedule(["a", "b", "c"], 20, 7)
    assert schedule == benchmark_schedule(["a", "b", "c"], 20, 7) != benchmark_schedule(["a", "b", "c"], 20, 8)
    rounds = [tuple(entry["store"] for entry in schedule[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) > 3
    assert [entry["round"] for entry in schedule[::3]] == list(range(1, 21))
    assert benchmark_schedule(["a", "b", "c"], 15, 7, first=6) == schedule[15:]
    twins = benchmark_schedule(["a", "b"], 5, 7, twin=True)
    assert [entry["store"] for entry in twins].count("a") == 10 == [entry["store"] for entry in twins].count("b")


def test_a_file_that_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    for text in ("", "{", "[]", "{}", '{"workload": {"name": "x"}}'):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"benchmark\.json"):
            Benchmark.load(path)
    with pytest.raises(ResultsError, match="cannot be read"):
        Benchmark.load(tmp_path / "absent.json")
