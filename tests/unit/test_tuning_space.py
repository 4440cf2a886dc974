"""What may be tuned and what rules say of it: the data is whole, and agrees with what the engines are told."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import parse as workload_of
from ansible_collections.benchfly.stores.plugins.module_utils.store_plan import engine_problems
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec, parse
from tests.unit.store_cases import VERSIONS

from benchfly.errors import ResultsError
from benchfly.tuning import rules
from benchfly.tuning.facts import facts, live
from benchfly.tuning.space import Facts, Setting, open_to, space
from benchfly.tuning.space import parse as space_of

ROOT = Path(__file__).parents[2]
HOST = {"cpus": 8, "memory": 2**34, "backlog": 4096, "thp": "always"}


def spec(engine: str = "redis", purpose: str = "cache", **given: Any) -> StoreSpec:
    return parse("shop", {"engine": engine, "purpose": purpose, "port": 1, "memory": "4gb", **given})


def facts_of(engine: str = "redis", purpose: str = "cache", host: Any = None, **given: Any) -> Facts:
    path = ROOT / "playbooks/workloads/session-churn.yml"
    churn = workload_of("session-churn", yaml.safe_load(path.read_text()), 0.001)
    return facts(spec(engine, purpose, **given).mapping, VERSIONS[engine], churn, HOST if host is None else host)


TRIED = [
    (setting, engine) for setting in space() if setting.kind == "store" and setting.tried for engine in setting.engines
]


@pytest.mark.parametrize(("setting", "engine"), TRIED, ids=lambda each: getattr(each, "name", each))
def test_every_value_can_be_declared_and_restarts_where_it_says(setting: Setting, engine: str) -> None:
    known = facts_of(engine, listpack_value=512)
    for value in setting.choices(known):
        if value == known.spec[setting.name]:
            continue
        assert engine_problems(parse("shop", {**known.spec, setting.name: value})) == []
        changes = live("shop", known.spec, known.version, {}, {setting.name: value})
        assert (changes is None) == (engine in setting.restart), (value, changes)
        assert changes is None or changes


def test_what_is_not_declared_by_the_engine_is_no_choice() -> None:
    assert {setting.name for setting in open_to(facts_of("dragonfly"))} == {
        "listpack_value", "listpack_entries", "threads", "cpus",
    }  # fmt: skip
    assert "eviction_samples" not in {setting.name for setting in open_to(facts_of("redis", "queue"))}


def test_the_host_and_what_is_declared_bound_the_choices() -> None:
    threads = next(setting for setting in space() if setting.name == "threads")
    assert threads.choices(facts_of()) == (1, 2, 3, 4, 6, 8)
    assert threads.choices(facts_of(threads=5)) == (1, 2, 3, 4, 5, 6, 8)
    assert threads.choices(replace(facts_of(), cpus=None)) == (1,)
    cpus = next(setting for setting in space() if setting.name == "cpus")
    assert cpus.choices(facts_of()) == (None, "7", "1-7")
    assert cpus.choices(facts_of(threads=2)) == (None, "1-7")
    samples = next(setting for setting in space() if setting.name == "eviction_samples")
    assert samples.choices(facts_of(eviction_samples=7)) == (1, 3, 5, 7, 10, 16)


def test_only_what_exists_can_be_asked_for() -> None:
    assert [setting.name for setting in open_to(facts_of(), ["hz"])] == ["hz"]
    with pytest.raises(ResultsError, match="herz is nothing that can be tried"):
        open_to(facts_of(), ["herz"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"risk": None}, "risk is missing"),
        ({"colour": "red"}, "colour is missing, or no key"),
        ({"engines": ["keydb"]}, "engines or restart names what does not exist"),
        ({"restart": ["keydb"]}, "engines or restart names what does not exist"),
        ({"purposes": ["socketio"]}, "purposes are cache, queue"),
        ({"values": 5}, "values is a list"),
        ({"tried": False}, "`left` says why"),
        ({"left": "because"}, "`left` says why"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, Any], said: str) -> None:
    data = yaml.safe_load((ROOT / "toolkit/benchfly/tuning/space.yml").read_text())
    entry = copy.deepcopy(data["settings"][0])
    entry.update({key: value for key, value in change.items() if value is not None})
    for key in [key for key, value in change.items() if value is None]:
        del entry[key]
    with pytest.raises(ResultsError, match=f"listpack_value: .*{said}"):
        space_of({"settings": [entry]})


def test_an_entry_stands_there_once() -> None:
    data = yaml.safe_load((ROOT / "toolkit/benchfly/tuning/space.yml").read_text())
    with pytest.raises(ResultsError, match="an entry twice"):
        space_of({"settings": data["settings"][:1] * 2})


def test_rules_are_about_what_exists() -> None:
    names = {setting.name for setting in space()}
    assert all(set(rule.about) <= names for rule in rules.rules())
    assert len({rule.id for rule in rules.rules()}) == len(rules.rules()) == len(rules._FUNCTIONS)
    for known in (facts_of(), facts_of("dragonfly"), facts_of("valkey", "queue"), Facts(spec().mapping)):
        for finding in rules.find(known):
            rule = next(rule for rule in rules.rules() if rule.id == finding.rule)
            assert finding.setting in rule.about and finding.because


SMALL = {"cpus": 2, "backlog": 128, "thp": "madvise"}


@pytest.mark.parametrize(
    ("known", "rule", "what", "value"),
    [
        (facts_of(listpack_value=64), "compact-values", "proposed", 1024),
        (facts_of(), "compact-values", None, None),
        (replace(facts_of(listpack_value=64), value=9000), "compact-values", "left", None),
        (facts_of(), "compact-fields", "left", None),
        (replace(facts_of(), fields=200), "compact-fields", None, None),
        (facts_of(), "threads-need-cpus", None, None),
        (facts_of(host=SMALL), "threads-need-cpus", "left", None),
        (facts_of(host=SMALL, threads=2), "threads-need-cpus", "proposed", 1),
        (facts_of("dragonfly", host=SMALL), "threads-need-cpus", None, None),
        (facts_of(), "samples-matter-when-full", "left", None),
        (replace(facts_of(), evicted=1), "samples-matter-when-full", None, None),
        (facts_of(), "expiry-in-the-background", None, None),
        (replace(facts_of(), expires=False), "expiry-in-the-background", "left", None),
        (replace(facts_of(), fragmentation=1.2), "defrag-what-is-fragmented", "left", None),
        (replace(facts_of(), fragmentation=1.5), "defrag-what-is-fragmented", None, None),
        (facts_of(host=SMALL), "own-cpus", "left", None),
        (facts_of(), "own-cpus", None, None),
        (facts_of(host=SMALL), "backlog-within-the-kernel", "advice", None),
        (facts_of(), "backlog-within-the-kernel", None, None),
        (facts_of(persistence="aof"), "huge-pages", "advice", None),
        (facts_of(), "huge-pages", None, None),
        (facts_of(), "stores-for-cpus", "advice", None),
        (facts_of("dragonfly"), "stores-for-cpus", None, None),
        (facts_of(host=SMALL), "stores-for-cpus", None, None),
    ],
)
def test_what_a_rule_says(known: Facts, rule: str, what: str | None, value: object) -> None:
    found = next((finding for finding in rules.find(known) if finding.rule == rule), None)
    assert (found.what if found else None) == what
    assert what is None or found is None or found.value == value


def test_facts_of_a_workload() -> None:
    known = facts_of()
    assert (known.value, known.fields, known.expires, known.items, known.clients) == (1024, 1, True, 3000, 1)
    site = workload_of("frappe-site", yaml.safe_load((ROOT / "playbooks/workloads/frappe-site.yml").read_text()))
    known = facts(spec().mapping, "7.0.15", site)
    assert (known.value, known.fields, known.expires) == (7500, 1000, False)
    assert (known.cpus, known.fragmentation) == (None, None)


def test_what_config_set_is_told() -> None:
    known = facts_of()
    assert live("shop", known.spec, "7.0.15", {}, {"listpack_value": 64, "hz": 100}) == {
        "hash-max-listpack-value": "64",
        "hz": "100",
    }
    assert live("shop", known.spec, "6.2.14", {"hz": 50}, {}) == {"hz": "10"}
    assert live("shop", known.spec, "7.0.15", {"threads": 2}, {"threads": 2, "hz": 1}) == {"hz": "1"}
    assert live("shop", known.spec, "7.0.15", {"threads": 2, "hz": 1}, {"hz": 1}) is None
    assert live("shop", known.spec, "7.0.15", {}, {}) == {}
    # What was refused is not there: it is said again, and refused again, and not measured as if it were.
    assert live("shop", known.spec, "7.0.15", {"active_defrag": True}, {"active_defrag": True, "hz": 1}) == {
        "activedefrag": "yes",
        "hz": "1",
    }
