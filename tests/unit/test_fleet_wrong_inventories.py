"""Each way in which an inventory can be wrong, as a small file, is refused with place, host, key, reason and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchfly.errors import InventoryError
from benchfly.fleet.loader import load

DATA = Path(__file__).parents[1] / "data/inventories"

# file:line (no line: the file as a whole), host, key, words of the reason
WRONG = [
    ("unknown_store_key.yml:5", "s1", "stores.shop-cache.evictoin", "no key of a store"),
    ("missing_store_key.yml:5", "s1", "stores.shop-cache.memory", "is missing"),
    ("queue_with_eviction.yml:10", "s1", "stores.shop-queue.eviction", "would throw jobs away"),
    ("unknown_engine.yml:6", "s1", "stores.shop-queue.engine", "'keydb' is not one of"),
    ("wrong_type_of_port.yml:8", "s1", "stores.shop-queue.port", "'six' is not a whole number"),
    ("store_is_no_mapping.yml:5", "s1", "stores.shop-queue", "not a mapping"),
    ("stores_is_a_list.yml:4", "s1", "stores", "not a mapping"),
    ("host_without_stores.yml", "s1", "stores", "is missing"),
    ("open_without_password.yml:5", "s1", "stores.shop-cache.bind", "without a password"),
    ("one_port_twice.yml:6", "s1", "stores.shop-cache.port", "6380 is also the port of shop-queue"),
    (
        "one_port_twice_under_two_names.yml:10",
        "s1-again",
        "stores.shop-cache.port",
        "6380 is also the port of shop-queue",
    ),
    ("one_name_on_two_hosts.yml:7", "s2", "stores.shop-cache", "is declared on s1 and on s2"),
    ("memory_beyond_ram.yml:6", "s1", "stores.shop-queue.memory, shop-cache.memory", "may take 1250 MiB"),
    ("memory_beyond_ram_while_forking.yml:6", "s1", "stores.shop-queue.memory", "has 900 of its 1000 MiB"),
    ("memory_beyond_this_machine.yml:6", "here", "stores.shop-cache.memory", "with all overheads"),
    ("memory_is_no_number.yml:4", "s1", "ansible_memtotal_mb", "'plenty' is not a number"),
    ("undefined_variable.yml:9", "s1", "stores.shop-cache.memory", "'cache_memory' is undefined"),
    ("unknown_store.yml:14", "shop", "frappe_bench_queue_store", "'shop-queu' is the name of no store"),
    ("queue_used_as_cache.yml:14", "shop", "frappe_bench_cache_store", "is a store for queue"),
    ("cache_used_as_queue.yml:14", "shop", "frappe_bench_queue_store", "is a store for cache"),
    ("cache_and_queue_in_one_store.yml:15", "shop", "frappe_bench_cache_store", "one instance, shop-queue"),
    ("cache_and_queue_at_one_address.yml:17", "shop", "frappe_bench_cache_store", "at stores.example:6380"),
    ("bench_without_path.yml", "web", "frappe_bench_path", "is missing"),
    ("bench_without_host.yml", "shop", "hosts", "no host"),
    ("bench_with_another_name.yml:13", "web", "frappe_bench_name", "'shpo' is not the group"),
    ("unknown_bench_variable.yml:14", "web", "frappe_bench_cach_store", "no variable of a bench"),
    ("wrong_type_of_bench_variable.yml:13", "web", "frappe_bench_path", "not of type path"),
    ("hosts_of_a_bench_disagree.yml:11", "web", "frappe_bench_cache_store", "differs between the hosts"),
    ("blackout_in_no_zone.yml:14", "web", "frappe_bench_blackout[1]", "no time zone known here"),
    ("blackout_is_no_list.yml:14", "web", "frappe_bench_blackout", "not of type list"),
    ("policy_with_unknown_metric.yml:14", "web", "frappe_bench_policy[1].metric", "'p98_ms' is not known"),
    ("host_in_no_bench.yml:3", "web", "benches", "in group benches itself"),
    ("host_in_two_benches.yml:4", "web", "benches", "in erp and shop"),
    ("nothing_in_it.yml", "all", "inventory", "neither a group stores"),
    ("broken_yaml.yml:4", "all", "inventory", "YAML parsing failed"),
    ("broken.ini", "all", "inventory", "not enough values"),
    ("empty.yml", "all", "inventory", "empty"),
    ("empty_folder", "all", "inventory", "no inventory in it"),
    ("no_such_file.yml", "all", "inventory", "does not exist"),
]


@pytest.mark.parametrize(("where", "host", "key", "words"), WRONG, ids=[case[0] for case in WRONG])
def test_a_wrong_inventory_is_refused(
    where: str, host: str, key: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DATA / "wrong")
    with pytest.raises(InventoryError) as caught:
        load([where.partition(":")[0]])
    assert caught.value.exit_code == 3
    assert all(problem.remedy for problem in caught.value.problems)
    found = {(problem.where, problem.host, problem.key): problem.reason for problem in caught.value.problems}
    assert words in found[where, host, key]


def test_a_broken_file_of_variables_is_refused_where_it_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA / "wrong/folder_with_broken_vars")
    with pytest.raises(InventoryError) as caught:
        load(["hosts.yml"])
    (problem,) = caught.value.problems
    assert (problem.where, problem.host, problem.key) == ("group_vars/stores.yml:3", "s1", "variables")


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)
    with pytest.raises(InventoryError) as caught:
        load(["wrong/many_problems.yml"], benches=["shopp"])
    assert [(problem.host, problem.key) for problem in caught.value.problems] == [
        ("s1", "stores.shop-cache.port"),
        ("s1", "stores.shop-cache.memory"),
        ("s1", "stores.shop-queue.eviction"),
        ("web", "frappe_bench_path"),
        ("web", "frappe_bench_name"),
        ("s2", "stores.erp-queue.port"),
        ("shop", "frappe_bench_cache_store"),
        ("shopp", "--bench"),
    ]
    assert len(str(caught.value).splitlines()) == len(caught.value.problems)
    assert "Did you mean erp-cache" in str(caught.value)
    assert "Did you mean shop" in str(caught.value)


def test_a_broken_file_among_good_ones_is_not_passed_over() -> None:
    with pytest.raises(InventoryError) as caught:
        load([str(DATA / "good"), str(DATA / "wrong/broken_yaml.yml")])
    assert [problem.key for problem in caught.value.problems] == ["inventory"]
