"""The evidence gate: a table of rules and stored benchmarks, and what comes of each pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchfly.benchmark import Server
from benchfly.policy import Evidence, GateRule, PolicyError, Rule, Wanted, judge, parse

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STORE = Wanted("cache", "shop-cache", "dragonfly", "10.0.0.11:6380", "10.0.0.9:13000")
SAMPLE = Evidence(
    run="r1",
    when=NOW - timedelta(days=2),
    workload="frappe-site",
    clients=8,
    server=Server("shop-cache", "10.0.0.11:6380", "dragonfly", "1.40.0", 0),
    baseline=Server("today", "10.0.0.9:13000", "redis", "6.2.7", 0),
    figures={"p99_ms": 1.5, "ops_per_second": 9000.0, "memory_bytes": 1e6},
    ratios={"p99_ms": 0.75, "ops_per_second": 1.4, "memory_bytes": 1.05},
)
# Two of a kind; everything else is a class by itself.
CLASSES = {"10.0.0.11": "r7g.large", "10.0.0.12": "r7g.large"}


def class_of(at: str) -> str:
    address = at.partition(":")[0]
    return CLASSES.get(address, address)


def measured_on(at: str) -> Evidence:
    return replace(SAMPLE, server=replace(SAMPLE.server, at=at))


TODAY = {"metric": "p99_ms", "at_most": 0.8, "times": "today"}


@pytest.mark.parametrize(
    ("rule", "samples", "ok", "detail"),
    [
        (TODAY, [SAMPLE], True, "measured 0.75 x today"),
        ({**TODAY, "at_most": 0.75}, [SAMPLE], True, "measured 0.75"),
        ({**TODAY, "at_most": 0.7}, [SAMPLE], False, "measured 0.75 x today"),
        ({"metric": "p99_ms", "at_most": 2}, [SAMPLE], True, "measured 1.5"),
        ({"metric": "ops_per_second", "at_least": 1.2, "times": "today"}, [SAMPLE], True, "measured 1.4"),
        ({"metric": "ops_per_second", "at_least": 10000}, [SAMPLE], False, "measured 9e+03"),
        ({"metric": "memory_bytes", "at_most": 1.0, "times": "today"}, [SAMPLE], False, "measured 1.05 x today"),
        ({**TODAY, "clients": 8}, [SAMPLE], True, "measured 0.75"),
        ({**TODAY, "clients": 512}, [SAMPLE], False, "played frappe-site with 8 clients"),
        ({**TODAY, "workload": "queue"}, [SAMPLE], False, "no fitting evidence; r1 played frappe-site"),
        ({**TODAY, "max_age_days": 1}, [SAMPLE], False, "r1 is 2 days old"),
        (TODAY, [measured_on("10.0.0.12:6380")], True, "measured 0.75"),
        (TODAY, [measured_on("10.0.0.13:6380")], False, "on a host of class 10.0.0.13, and shop-cache is on r7g.large"),
        (TODAY, [replace(SAMPLE, server=replace(SAMPLE.server, engine="redis"))], False, "measured redis"),
        (TODAY, [replace(SAMPLE, baseline=replace(SAMPLE.baseline, at="10.0.0.8:1"))], False, "compared with 10.0.0.8"),
        ({"metric": "p99_ms", "at_most": 2}, [replace(SAMPLE, baseline=SAMPLE.server)], True, "measured 1.5"),
        (TODAY, [replace(SAMPLE, ratios={})], False, "too few valid trials of p99_ms"),
        (TODAY, [], False, "there is no benchmark yet"),
        # The newest that fits decides, for better or worse; one that does not fit is passed over.
        (TODAY, [replace(SAMPLE, ratios={"p99_ms": 0.9}), SAMPLE], False, "measured 0.9"),
        (TODAY, [replace(SAMPLE, workload="other"), SAMPLE], True, "measured 0.75"),
    ],
)
def test_a_rule_and_the_stored_benchmarks(rule: dict[str, Any], samples: list[Evidence], ok: bool, detail: str) -> None:
    parsed = parse(rule)
    assert isinstance(parsed, Rule)
    (finding,) = judge([parsed], [STORE], samples, class_of, NOW)
    assert finding.ok is ok and detail in finding.detail
    assert bool(finding.run) is finding.detail.startswith("measured ")


def test_a_store_of_today_that_is_not_known_is_asked_for() -> None:
    parsed = parse(TODAY)
    assert isinstance(parsed, Rule)
    (finding,) = judge([parsed], [replace(STORE, today="")], [SAMPLE], class_of, NOW)
    assert not finding.ok and "`benchfly status` asks it" in finding.detail


def test_a_rule_for_a_purpose_that_stays_where_it_is_is_not_judged() -> None:
    parsed = parse({**TODAY, "purpose": "queue"})
    assert isinstance(parsed, Rule)
    assert judge([parsed], [STORE], [], class_of, NOW) == []


def test_the_gate_is_a_rule() -> None:
    assert parse({"gate": "go"}) == GateRule()


@pytest.mark.parametrize(
    ("rule", "key", "remedy"),
    [
        ("p99 at most 1", "", "Write it as {metric"),
        ({"metric": "p99_ms"}, "at_most", "Give one of the two"),
        ({"metric": "p99_ms", "at_most": 1, "at_least": 1}, "at_most", "Give one of the two"),
        ({"metric": "p98_ms", "at_most": 1}, "metric", "Known are ops_per_second"),
        ({"at_most": 1}, "metric", "Known are"),
        ({"metric": "p99_ms", "atmost": 1}, "atmost", "Did you mean at_most"),
        ({"metric": "p99_ms", "at_most": "fast"}, "at_most", "Give a number"),
        ({"metric": "p99_ms", "at_most": 0}, "at_most", "Give a number"),
        ({"metric": "p99_ms", "at_most": 1, "times": "yesterday"}, "times", "Write times: today"),
        ({"metric": "p99_ms", "at_most": 1, "purpose": "cash"}, "purpose", "Known are cache, queue"),
        ({"metric": "p99_ms", "at_most": 1, "clients": True}, "clients", "Give a number"),
        ({"gate": "go", "metric": "p99_ms"}, "gate", "Write {gate: go}"),
        ({"gate": "maybe"}, "gate", "Write {gate: go}"),
    ],
)
def test_what_is_no_rule_is_refused_by_key_with_a_remedy(rule: Any, key: str, remedy: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(rule)
    assert caught.value.key == key
    assert remedy in caught.value.remedy
