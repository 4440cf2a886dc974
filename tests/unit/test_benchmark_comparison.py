"""When a difference may be claimed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_schedule

from benchfly.benchmark import METRICS, Benchmark, Measurement, Row, Trial, compare
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
    return next(row for row in compare(found, ["old", "new"]).rows if row.metric is metric and row.store == "new")


def test_a_difference_in_every_round_is_claimed_however_the_machine_drifts() -> None:
    old = [100.0, 40.0, 90.0, 55.0, 70.0]
    found = trials(old, [rate * 1.2 for rate in old])
    throughput, p99 = row(found, THROUGHPUT), row(found, P99)
    assert throughput.ratio and throughput.ratio.spread
    assert throughput.ratio.spread.median == pytest.approx(1.2)
    assert throughput.ratio.verdict == "higher in all 5 rounds"
    assert p99.ratio and p99.ratio.verdict == "lower in all 5 rounds"
    assert throughput.better is True and p99.better is True
    assert compare(found, ["old", "new"]).headline.startswith("new did 1.20 times the operations of old (1.20 to 1.20")


def test_a_slower_store_is_worse() -> None:
    found = trials([100.0] * 6, [80.0] * 6)
    assert row(found, THROUGHPUT).better is False
    assert row(found, P99).better is False


def test_one_round_to_the_contrary_and_nothing_is_claimed() -> None:
    found = trials([100.0] * 6, [150.0] * 5 + [99.0])
    assert row(found, THROUGHPUT).better is None
    ratio = row(found, THROUGHPUT).ratio
    assert ratio and ratio.verdict == "no difference claimed"
    assert "no difference claimed" in compare(found, ["old", "new"]).headline


def test_four_rounds_prove_nothing() -> None:
    ratio = row(trials([100.0] * 4, [200.0] * 4), THROUGHPUT).ratio
    assert ratio and ratio.verdict == "not judged: 4 rounds with two valid trials, 5 are needed"


def test_an_invalid_trial_takes_its_round_out() -> None:
    found = trials([100.0] * 6, [120.0] * 6)
    found[5] = trial(3, "new", 10_000.0, ["3 keys evicted"])
    new = row(found, THROUGHPUT)
    assert new.ratio and len(new.ratio.rounds) == 5
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


def test_equal_stores_are_seldom_told_apart() -> None:
    """The rule's own promise: with 6 rounds a metric differs by chance in 1 of 32 comparisons."""
    chance, claims = random.Random(1), 0
    for _ in range(2000):
        old, new = ([chance.lognormvariate(5, 0.3) for _ in range(6)] for _ in "ab")
        claims += row(trials(old, new), THROUGHPUT).better is not None
    assert 40 < claims < 90  # 62.5 are expected


def test_every_store_once_a_round_in_an_order_that_the_seed_gives() -> None:
    schedule = benchmark_schedule(["a", "b", "c"], 20, 7)
    assert schedule == benchmark_schedule(["a", "b", "c"], 20, 7) != benchmark_schedule(["a", "b", "c"], 20, 8)
    rounds = [tuple(entry["store"] for entry in schedule[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) > 3
    assert [entry["round"] for entry in schedule[::3]] == list(range(1, 21))


def test_a_file_that_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    for text in ("", "{", "[]", "{}", '{"workload": {"name": "x"}}'):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"benchmark\.json"):
            Benchmark.load(path)
    with pytest.raises(ResultsError, match="cannot be read"):
        Benchmark.load(tmp_path / "absent.json")
