"""The published figures against evidence that is partial, or none at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.browser import sample

from benchfly.benchmark import Benchmark, Measurement, Sample, Server, Trial, claims
from benchfly.benchmark.claims import FAILS, HOLDS, UNJUDGED, Evidence
from benchfly.benchmark.resources import figure, stalls

UNTUNED, TUNED = ("untuned", "session"), ("tuned", "session")
BY_ID = {claim.id: claim for claim in claims.published()[1]}
DEFAULTS = {"io-threads": "1", "hz": "10"}


def measured(
    ratio: float,
    workload: str = "session-churn",
    engine: str = "dragonfly",
    version: str = "1.40.0",
    threads: str = "1",
) -> Evidence:
    """Redis at 1000 operations/s, the other at so many times that, its latencies the inverse."""
    whole = sample.benchmark()
    trials = []
    for number in range(1, 11):
        for store, rate in (("old", 1000.0), ("new", 1000.0 * ratio * (1 + number / 1000))):
            latency = 1000 / rate
            figures = Measurement(100, 2.0, rate, latency, latency, latency, 0)
            trials.append(Trial(number, store, figures, (), started=100.0 * number + (50 if store == "new" else 0)))
    stores = (
        Server("old", "h:1", "redis", "7.0.15", 0, "h", {"io-threads": threads, "hz": "10"}),
        Server("new", "h:2", engine, version, 0, "h", {"maxmemory": "1gb", **DEFAULTS}),
    )
    return Evidence(
        "r1", replace(whole, workload=replace(whole.workload, name=workload), stores=stores, trials=tuple(trials))
    )


def said(claim: str, evidence: list[Evidence], column: tuple[str, str] = UNTUNED) -> tuple[str, str]:
    judgement = claims.judge(BY_ID[claim], column, evidence)
    return judgement.verdict, judgement.why


@pytest.mark.parametrize(
    ("ratio", "summary", "conclusion"),
    [(1.3, FAILS, FAILS), (2.6, HOLDS, FAILS), (5.0, HOLDS, HOLDS), (0.9, FAILS, FAILS)],
)
def test_the_weakest_effect_that_was_stated_decides(ratio: float, summary: str, conclusion: str) -> None:
    evidence = [measured(ratio)]
    assert said("throughput-summary", evidence) == (summary, "run r1")
    assert said("throughput-conclusion", evidence)[0] == conclusion
    assert said("tail-summary", evidence)[0] == (HOLDS if ratio > 1 / 0.6 else FAILS)
    assert said("tail-conclusion", evidence)[0] == FAILS


def test_an_interval_across_it_judges_nothing() -> None:
    verdict, why = said("throughput-summary", [measured(2.19)])
    assert verdict == UNJUDGED and "on both sides of 2.2" in why


def test_nothing_is_said_of_dragonfly_where_there_was_none() -> None:
    for evidence in ([measured(3.0, engine="valkey", version="8.0.1")], [measured(3.0, version="1.40.0-stand-in")]):
        judged = claims.table(evidence)
        assert {one.verdict for each in judged.values() for one in each.values()} == {UNJUDGED}
        assert "the claim is about Redis and Dragonfly; measured were" in judged["throughput-summary"][UNTUNED].why
    assert said("throughput-summary", []) == (UNJUDGED, "nothing was measured")


def test_every_column_has_its_own_evidence() -> None:
    untuned, tuned = measured(3.0), measured(1.1, threads="4")
    site = measured(1.0, workload="frappe-site")
    evidence = [site, tuned, untuned]
    assert said("throughput-summary", evidence, UNTUNED)[0] == HOLDS
    assert said("throughput-summary", evidence, TUNED)[0] == FAILS
    assert said("throughput-summary", evidence, ("untuned", "site"))[0] == FAILS
    assert said("throughput-summary", evidence, ("tuned", "site"))[0] == UNJUDGED
    assert said("p99-window-1", evidence)[1] == "no run of long-run"
    bare = replace(untuned.benchmark, stores=tuple(replace(each, settings={}) for each in untuned.benchmark.stores))
    assert said("throughput-summary", [Evidence("r2", bare)])[1] == "the run does not tell how its stores were set"


def test_memory_and_cpu_come_from_the_samples() -> None:
    evidence = measured(3.0)
    rows = {
        store: [{"time": 100.0 * n + at + 1, "used_memory": used + n, "store_cpu": 0.5} for n in range(1, 11)]
        for store, at, used in (("old", 0, 1000.0), ("new", 50, 600.0))
    }
    samples = tuple(Sample("h", "store", some, store=store) for store, some in rows.items())
    sampled: Benchmark = replace(evidence.benchmark, samples=samples)
    assert figure(sampled, sampled.trials[1], "used_memory") == 601.0
    assert figure(sampled, sampled.trials[1], "rss_peak") is None
    found = [Evidence("r1", sampled)]
    assert said("memory-used", found)[0] == HOLDS
    assert said("sessions-per-mb", found)[0] == HOLDS
    assert said("cpu-avg", found)[0] == FAILS
    assert "too few valid rounds that tell rss_peak" in said("peak-rss", found)[1]


def test_a_stall_is_a_second_with_less_than_half_of_the_median() -> None:
    assert stalls([100, 90, 47, 100, 0, 110]) == [2, 4]
    assert stalls([]) == []


def test_what_is_scaled_is_said_to_be() -> None:
    evidence = measured(3.0)
    scaled = Evidence("r1", replace(evidence.benchmark, scale=0.1))
    assert said("throughput-summary", [scaled]) == (HOLDS, "run r1, scaled to 0.1 of what was published")


def test_the_published_figures_contradict_themselves_as_it_is_said() -> None:
    assert len(BY_ID) == 23
    assert BY_ID["throughput-summary"].ratio[1] < BY_ID["throughput-conclusion"].ratio[0]
    windows = [1 / BY_ID[f"p99-window-{number}"].ratio[0] for number in range(1, 7)]
    assert min(windows) >= 7 and max(windows) <= 13.1
    assert 1 / BY_ID["tail-summary"].ratio[1] < 3 < 25 <= 1 / BY_ID["tail-conclusion"].ratio[0]
    assert 18.7e9 > 16 * 2**30 and 1e6 / 134 / 512 > 14
    assert {name for each in claims.published()[2] for name in each.claims} <= BY_ID.keys()
