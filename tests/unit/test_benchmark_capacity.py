"""The search for the highest rate at which an objective holds, and what its rounds say."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.filter.benchmark import (
    benchmark_further_rounds,
    benchmark_next_rates,
)
from ansible_collections.benchfly.stores.plugins.filter.benchmark_load import benchmark_workload
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import (
    FIRST_STEP,
    HIGHEST,
    NEXT_STEP,
    STEPS,
    Objective,
    answer,
    next_rate,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import WorkloadError, parse
from tests.browser import sample
from tests.unit.test_benchmark_workload import GIVEN

from benchfly.benchmark import CAPACITY, METRICS, Benchmark, Comparison, Measurement, Trial, compare
from benchfly.benchmark.trials import Server
from benchfly.cli.verbs import _objective
from benchfly.errors import RefusedError
from benchfly.report import ReportData, render, words
from benchfly.report.text import as_json, as_markdown
from benchfly.results import benchmarks

OBJECTIVE = {"percentile": "p99", "ms": 5}


def searched(capacity: float, start: float, step: float = FIRST_STEP) -> list[tuple[float, bool]]:
    tried: list[tuple[float, bool]] = []
    while (rate := next_rate(tried, start, step)) is not None:
        tried.append((rate, rate <= capacity))
    return tried


@pytest.mark.parametrize("start", [1.0, 1000.0, 5_000_000.0])
@pytest.mark.parametrize("capacity", [1.5, 900.0, 1000.0, 12_345.0, 4_000_000.0])
def test_a_search_ends_within_two_per_cent(capacity: float, start: float) -> None:
    tried = searched(capacity, start)
    found = answer(tried)
    assert found and abs(math.log(found / capacity)) <= math.log(1.0201)
    assert len(tried) <= STEPS - 4
    assert max(rate for rate, held in tried if held) <= min(rate for rate, held in tried if not held)


def test_a_search_that_begins_at_the_answer_takes_three_trials() -> None:
    assert len(searched(10_000.0, 10_100.0, NEXT_STEP)) <= 3


def test_what_always_holds_or_never_has_no_answer() -> None:
    for capacity in (0.0, HIGHEST * 10):
        tried = searched(capacity, 1000.0)
        assert answer(tried) is None and len(tried) <= STEPS


def test_an_objective_holds_only_where_the_rate_was_reached() -> None:
    objective = Objective("p99", 5.0)
    assert objective.held({"p99_ms": 5.0, "ops_per_second": 960.0}, 1000.0)
    assert not objective.held({"p99_ms": 5.1, "ops_per_second": 1000.0}, 1000.0)
    assert not objective.held({"p99_ms": 1.0, "ops_per_second": 900.0}, 1000.0)
    assert not Objective("p999", 5.0).held({"p999_ms": None, "ops_per_second": 1000.0}, 1000.0)


Held = Callable[[str, float], bool]


def played(held: Held, rounds: int, twin: bool = True, stores: Sequence[str] = ("old", "new")) -> list[dict[str, Any]]:
    """As the playbook plays it: step by step, the searches of all stores side by side."""
    trials: list[dict[str, Any]] = []
    for number in range(1, rounds + 1):
        while following := benchmark_next_rates(trials, stores, number, 7, 1000.0, twin):
            assert len(following) <= len(stores) * (1 + twin)
            trials += [
                {**one, "held": held(one["store"], one["rate"]), "invalid": [], "measurement": {}, "clients": 4}
                for one in following
            ]
    return trials


def noisy(**capacities: float) -> Held:
    lot = random.Random(3)
    return lambda store, rate: rate <= capacities[store] * lot.uniform(0.98, 1.02)


def as_trials(played: list[dict[str, Any]]) -> tuple[Trial, ...]:
    measurement = Measurement(1000, 1.0, 1000.0, 1.0, 2.0, 3.0, 0, p999_ms=9.0)
    names = ("round", "store", "clients", "rate", "twin", "held")
    return tuple(
        Trial(**{name: one[name] for name in names}, invalid=tuple(one["invalid"]), measurement=measurement)
        for one in played
    )


def test_rounds_give_each_store_a_capacity_with_an_interval_and_their_ratio() -> None:
    comparison = compare(as_trials(played(noisy(old=10_000, new=13_000), rounds=8)), ["old", "new"])
    old, new = comparison.rows
    assert {row.metric for row in comparison.rows} == {CAPACITY}
    assert old.interval and old.interval.low <= 10_000 * 1.02 and old.interval.high >= 10_000 * 0.98
    assert old.interval.high / old.interval.low < 1.1
    assert new.ratio and new.ratio.spread and new.ratio.spread.low <= 1.3 <= new.ratio.spread.high * 1.01
    assert new.ratio.verdict == "higher" and new.better is True
    assert comparison.headline.startswith("new has 1.3") and "times the capacity of old (1." in comparison.headline


def test_equal_stores_are_not_told_apart() -> None:
    comparison = compare(as_trials(played(noisy(old=10_000, new=10_000), rounds=8)), ["old", "new"])
    assert comparison.headline.startswith("Capacity of new and old: no difference claimed")


def test_later_rounds_begin_at_the_last_answer() -> None:
    trials = played(noisy(old=10_000), rounds=3, twin=False, stores=("old",))
    first = [trial for trial in trials if trial["round"] == 1]
    assert len(first) > 8
    for number in (2, 3):
        later = [trial for trial in trials if trial["round"] == number]
        assert len(later) <= 5 and abs(later[0]["rate"] / 10_000 - 1) < 0.05


def test_an_invalid_trial_ends_its_search_and_its_round_does_not_count() -> None:
    trials = played(noisy(old=10_000, new=10_000), rounds=2, twin=False)
    again = [trial for trial in trials if trial["round"] == 1]
    again[-1] = {**again[-1], "invalid": ["3 keys evicted"], "held": None}
    store = again[-1]["store"]
    assert store not in [one["store"] for one in benchmark_next_rates(again, ("old", "new"), 1, 7, 1000.0)]
    (following,) = [one for one in benchmark_next_rates(again, ("old", "new"), 2, 7, 1000.0) if one["store"] == store]
    assert following["rate"] == 1000.0  # no answer to begin at
    rows = compare(as_trials(again), ["old", "new"]).rows
    assert [row.spread is None for row in rows] == [row.store == store for row in rows]
    assert "no round came to an answer" in words.capacity(next(row for row in rows if row.store == store))


def test_rounds_go_on_by_the_spread_of_capacities() -> None:
    calm = played(lambda store, rate: rate <= 10_000, rounds=8)
    assert benchmark_further_rounds(calm, 0.02, 40) == 0
    lot = random.Random(1)
    wild = played(lambda store, rate: rate <= 10_000 * lot.uniform(0.6, 1.4), rounds=8)
    assert 0 < benchmark_further_rounds(wild, 0.02, 40) <= 32


def test_an_objective_of_the_run_makes_an_open_loop() -> None:
    given = {"rounds": 0, "seconds": 0, "warm_up": -1, "clients": [], "rates": [], "objective": OBJECTIVE}
    workload = parse("mix", benchmark_workload(GIVEN, given))
    assert (workload.loop, workload.rates, str(workload.objective)) == ("open", (1000.0,), "p99 of 5 ms")
    assert parse("mix", benchmark_workload(GIVEN, {**given, "rates": "200"})).rates == (200.0,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": {"percentile": "p90", "ms": 5}}, "objective.percentile is 'p90'. It may be p50, p95, p99, p999"),
        ({"objective": {"percentile": "p99"}}, "objective.ms is missing"),
        ({"objective": {"percentile": "p99", "ms": 0}}, "objective.ms is 0"),
        ({"objective": OBJECTIVE, "loop": "closed", "rate": None}, "objective takes one number of clients"),
        ({"objective": OBJECTIVE, "rate": [100, 200]}, "objective takes one number of clients, and one rate"),
        ({"objective": OBJECTIVE, "clients": [1, 2]}, "objective takes one number of clients, and one rate"),
    ],
)
def test_a_wrong_objective_is_refused(changes: dict[str, Any], said: str) -> None:
    given = {
        key: value for key, value in {**GIVEN, "loop": "open", "rate": 100, **changes}.items() if value is not None
    }
    with pytest.raises(WorkloadError, match=f"mix: {said}"):
        parse("mix", given)
    with pytest.raises(RefusedError, match="p99=5"):
        _objective("p99")
    assert _objective("p99=5") == '{"benchmark_objective": {"percentile": "p99", "ms": 5.0}}'


@pytest.fixture
def measured() -> tuple[Benchmark, Comparison]:
    trials = as_trials(played(noisy(old=10_000, new=13_000), rounds=8))
    given = {**sample.WORKLOAD, "loop": "open", "rate": 1000, "clients": 4, "objective": OBJECTIVE}
    stores = tuple(Server(name, "127.0.0.1:1", "redis", "7", 0) for name in ("old", "new"))
    workload = parse(str(given.pop("name")), given)
    benchmark = replace(sample.benchmark(), workload=workload, trials=trials, stores=stores, outputs=(), samples=())
    return benchmark, compare(trials, ["old", "new"])


def test_results_and_reports_have_it(
    measured: tuple[Benchmark, Comparison], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark, comparison = measured
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path))
    benchmarks.store("run-1", benchmark, comparison)
    rows = benchmarks.capacities("run-1")
    assert [(row.store, row.percentile, row.ms, row.rounds) for row in rows] == [
        ("new", "p99", 5.0, 8),
        ("old", "p99", 5.0, 8),
    ]
    assert all(row.low and row.high and row.capacity and row.low <= row.capacity <= row.high for row in rows)
    assert {trial.held for trial in benchmarks.trials("run-1")} == {True, False}
    data = ReportData("t", sample.report(sample.summary()).created, benchmark=benchmark, comparison=comparison)
    page, markdown = render(data), as_markdown(data)
    said = words.capacity(comparison.rows[1])
    assert said in page and said in markdown and "operations/s (95 % interval" in said
    assert "The objective is p99 of 5 ms; capacities, operations/s: old " in page
    assert '"objective": {\n    "percentile": "p99"' in as_json(data)
    assert not any(metric.label in page for metric in METRICS[1:])
