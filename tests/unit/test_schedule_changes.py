"""Where a history changed, and what is told of it. The noise here is made up; the evidence has measured noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.test_results_benchmarks import HOST, home, measured

from benchfly.cli.compare import judge
from benchfly.results.history import Scheduled
from benchfly.schedule import conditions
from benchfly.schedule.changes import CONFIRMED, Change, changes
from benchfly.schedule.findings import (
    Code,
    Finding,
    Kind,
    Outcome,
    changed,
    code,
    facts,
    figures,
    missed,
    news,
    rounds,
    series,
)

__all__ = ["home"]  # a fixture, for all of these
pytest.importorskip("otava", reason="Apache Otava is not installed")
START = datetime(2026, 9, 1, 2, 30, tzinfo=UTC)
PLACE = ("shop-cache against reference", "ops_per_second")


def noise(length: int, seed: int = 1, spread: float = 0.02) -> list[float]:
    chance = random.Random(seed)
    return [chance.lognormvariate(0, spread) for _ in range(length)]


def stepped(ratio: float, after: int, before: int = 40) -> list[float]:
    values = noise(before + after)
    return values[:before] + [ratio * value for value in values[before:]]


def around(values: Sequence[float], spread: float = 0.03) -> list[list[float]]:
    """Nine rounds of each run, with its figure in the middle."""
    chance, found = random.Random(7), []
    for value in values:
        off = [chance.lognormvariate(0, spread) for _ in range(4)]
        found.append([value, *(value * each for each in off), *(value / each for each in off)])
    return found


def told(values: Sequence[float]) -> list[Change]:
    return changes(values, around(values))


def test_a_step_is_found_once_it_has_lasted_three_runs() -> None:
    assert told(stepped(0.9, CONFIRMED - 1)) == []
    (change,) = told(stepped(0.9, CONFIRMED))
    assert change.index == 40 and change.ratio == pytest.approx(0.9, abs=0.03)


def test_two_steps_are_two_told() -> None:
    values = noise(60)
    levels = [1.0] * 20 + [0.8] * 20 + [1.0] * 20
    found = told([value * level for value, level in zip(values, levels, strict=True)])
    assert [(one.index, round(one.ratio, 1)) for one in found] == [(20, 0.8), (40, 1.2)]


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0] * 60, [1.0, 2.0, 3.0], noise(60), [5000 * v for v in noise(60, 2)]]
)
def test_without_a_step_there_is_no_change(values: list[float]) -> None:
    assert told(values) == []


@pytest.mark.parametrize("place", [0, 17, 18, 58, 59])
def test_runs_that_stand_alone_are_no_change(place: int) -> None:
    values = noise(60)
    values[place] *= 0.5
    assert told(values) == []


def test_a_step_is_found_beside_an_outlier_and_keeps_its_place() -> None:
    values = stepped(0.8, 10)
    values[12] *= 0.3
    (change,) = told(values)
    assert change.index == 40


def test_a_step_is_found_however_near_its_runs_are_to_each_other() -> None:
    """Two that are the same are no level of their own, to which the third does not belong."""
    (change,) = told([*noise(40, spread=0.01), 1.097, 1.097, 1.112])
    assert change.index == 40 and change.ratio == pytest.approx(1.1, abs=0.02)


def test_latencies_of_few_steps_of_the_resolution_are_no_change() -> None:
    """39 and 47 us beside 31, as redis-benchmark tells them: most are the same, and the others are not far for it."""
    steps = [1.39, 1.26, 1.52, 1.52, 1.52, 1.52, 1.52, 1.26, 1.26, 1.26, 1.26]
    assert told(steps) == []


def test_runs_of_a_bad_hour_are_no_change() -> None:
    """All three are far off, and on the same side, but their rounds are so by ten times as much, to either side."""
    values = [*noise(40, spread=0.01), 1.11, 1.09, 1.12]
    assert [change.index for change in told(values)] == [40]
    assert changes(values, around(values[:40]) + around(values[40:], spread=0.4)) == []


def history(values: Sequence[float], told: Sequence[Finding] = (), workload: str = "frappe-site") -> list[Scheduled]:
    """A run a night; the setting hz changes with run 40."""
    return [
        Scheduled(
            run=f"run{number:03}",
            schedule="nightly",
            started=START + timedelta(days=number),
            outcome=Outcome.MEASURED,
            workload=workload,
            conditions={"hz of shop-cache": "10" if number < 40 else "500", "kernel of cache1": "6.1"},
            findings=facts([one for one in told if one.since == f"run{number:03}"]),
            figures={PLACE: value, ("shop-cache", "ops_per_second"): 5e4 * value},
            rounds={PLACE: each},
        )
        for number, (value, each) in enumerate(zip(values, around(values), strict=True))
    ]


def test_a_regression_is_named_with_what_changed() -> None:
    (finding,) = changed(history(stepped(0.9, 5)))
    assert finding.kind is Kind.REGRESSION and finding.since == "run040"
    assert finding.headline == (
        "Regression of shop-cache against reference since 2026-10-11 02:30 UTC: throughput 12.1 % lower."
    )
    assert finding.details == "It begins with run040. What changed with it: hz of shop-cache: 10 -> 500."


def test_figures_that_change_together_are_one_finding_and_the_worst_of_them_names_it() -> None:
    runs = history(stepped(1.2, 6))
    late = [value * (1.5 if number > 40 else 1.0) for number, value in enumerate(noise(46, seed=5))]
    p99 = (PLACE[0], "p99_ms")
    runs = [
        replace(run, figures={**run.figures, p99: value}, rounds={**run.rounds, p99: each})
        for run, value, each in zip(runs, late, around(late), strict=True)
    ]
    (finding,) = changed(runs)
    assert finding.kind is Kind.REGRESSION and finding.since == "run041"
    assert "latency (99 % below) 4" in finding.headline and "Also throughput 17.5 % higher. " in finding.details


def test_an_improvement_is_one() -> None:
    (finding,) = changed(history(stepped(1.2, 5)))
    assert finding.kind is Kind.IMPROVEMENT and "higher" in finding.text


def test_a_change_that_nothing_explains_says_so() -> None:
    runs = [replace(run, conditions={}) for run in history(stepped(0.9, 5))]
    (finding,) = changed(runs)
    assert "Nothing that is recorded changed with it" in finding.text


def test_a_change_is_told_once_even_if_its_place_is_seen_better_later() -> None:
    values = stepped(0.9, 8)
    (finding,) = changed(history(values))
    assert news(history(values, told=[replace(finding, since="run041")])) == []
    assert news(history(values, told=[replace(finding, kind=Kind.IMPROVEMENT)])) == [finding]


def test_another_workload_begins_another_history() -> None:
    runs = history(stepped(0.5, 10))
    runs = [replace(run, workload="other") if number >= 40 else run for number, run in enumerate(runs)]
    assert changed(runs) == []
    assert all(len(points) == 10 for points in series(runs).values())


def test_ratios_are_judged_where_there_are_any_else_each_store_alone() -> None:
    runs = history(noise(8))
    assert list(series(runs)) == [PLACE]
    alone = [replace(run, figures={("shop-cache", "ops_per_second"): 1.0}) for run in runs]
    assert list(series(alone)) == [("shop-cache", "ops_per_second")]
    assert series([replace(run, figures={}) for run in runs]) == {}


def test_figures_are_those_of_the_benchmark() -> None:
    benchmark = measured()
    each = rounds(benchmark, judge(benchmark))
    found = figures(each)
    assert {len(values) for (store, _), values in each.items() if store == "shop-cache"} == {10}
    assert found["shop-cache against shop-cache-old", "ops_per_second"] == pytest.approx(1.24, abs=0.05)
    assert found["shop-cache-old", "ops_per_second"] > 30_000
    assert len(found) == 12


def test_processor_time_is_told_for_an_operation() -> None:
    benchmark = measured()
    trials = tuple(
        replace(trial, store_cpu=(12e-6 if trial.store == "shop-cache" else 10e-6) * trial.measurement.operations)
        for trial in benchmark.trials
        if trial.measurement
    )
    found = figures(rounds(replace(benchmark, trials=trials), judge(benchmark)))
    assert found["shop-cache", "cpu_us"] == pytest.approx(12)
    assert found["shop-cache against shop-cache-old", "cpu_us"] == pytest.approx(1.2)


def test_conditions_name_versions_settings_and_hosts() -> None:
    benchmark = replace(measured(), environments={"cache1": {**HOST, "boot_id": "b1"}})
    found = conditions.conditions(benchmark, Path("nowhere"))
    assert found["version of shop-cache"] == "valkey 8.0.1"
    assert found["kernel of cache1"] == HOST["kernel"] and found["boot_id of cache1"] == "b1"
    later = {**found, "version of shop-cache": "valkey 8.1.0", "io-threads of shop-cache": "4"}
    assert conditions.differences(found, later) == [
        "version of shop-cache: valkey 8.0.1 -> valkey 8.1.0",
        "io-threads of shop-cache: none -> 4",
    ]


def test_what_was_due_and_never_began_is_told_but_for_the_last() -> None:
    due = [START, START + timedelta(days=1), START + timedelta(days=2)]
    assert list(missed(due[:1])) == []
    (finding,) = missed(due)
    assert "due at 2026-09-01 02:30 UTC, 2026-09-02 02:30 UTC was not begun" in finding.text


@pytest.mark.parametrize(
    ("outcome", "kinds", "expected"),
    [
        (Outcome.MEASURED, (), Code.NOTHING),
        (Outcome.MEASURED, (Kind.IMPROVEMENT, Kind.MISSED), Code.NOTHING),
        (Outcome.MEASURED, (Kind.REGRESSION,), Code.REGRESSION),
        (Outcome.PUT_OFF, (Kind.MISSED,), Code.PUT_OFF),
        (Outcome.MISSED, (Kind.MISSED,), Code.MISSED),
        (Outcome.FAILED, (Kind.FAILED,), Code.FAILED),
    ],
)
def test_monitors_are_told_by_the_exit_code(outcome: Outcome, kinds: Sequence[Kind], expected: Code) -> None:
    assert code(outcome, [Finding(kind, "") for kind in kinds]) is expected
