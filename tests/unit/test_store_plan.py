"""Stores together, and what running ones say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.benchfly.stores.plugins.filter import stores as filters
from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import Capacity
from ansible_collections.benchfly.stores.plugins.module_utils.store_plan import (
    address_of,
    fleet_problems,
    host_problems,
    url,
)

ROOT = Path(__file__).parents[2]
CACHE = {"engine": "redis", "purpose": "cache", "port": 13000, "memory": "1gb"}
QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "1gb"}
HOST = {"inventory_hostname": "store1", "ansible_host": "10.0.0.5"}


def test_stores_have_no_problems_on_a_host_of_which_nothing_is_known():
    assert host_problems({"shop-cache": CACHE, "shop-queue": QUEUE}, Capacity()) == []


def test_two_stores_on_one_port_are_refused():
    (problem,) = host_problems({"one": CACHE, "two": {**CACHE, "memory": "2gb"}}, Capacity())
    assert (problem.key, problem.value) == ("two.port", 13000)
    assert problem.reason == "is also the port of one"


def test_cache_and_queue_in_one_instance_are_refused():
    (problem,) = host_problems({"shop-cache": CACHE, "shop-queue": {**QUEUE, "port": 13000}}, Capacity())
    assert "cache and queue in one instance" in problem.reason


def test_what_an_engine_cannot_do_is_found_before_any_version_is_known():
    found = host_problems({"one": {**CACHE, "engine": "dragonfly", "eviction": "lfu", "threads": 5}}, Capacity())
    assert [problem.key for problem in found] == ["one.eviction", "one.threads"]


def test_wrong_specifications_are_reported_before_sums():
    assert [problem.key for problem in host_problems({"one": {**CACHE, "port": 0}}, Capacity(memory=1))] == ["one.port"]


@pytest.mark.parametrize(
    ("stores", "benches", "key", "words"),
    [
        ({"h1": {"a": CACHE}, "h2": {"a": QUEUE}}, {}, "a", "on h1 and on h2"),
        (
            {"h1": {"shop-cache": CACHE}},
            {"shop": {"cache": "shop-cach"}},
            "shop.frappe_bench_cache_store",
            "shop-cache",
        ),
        ({"h1": {}}, {"shop": {"queue": "x"}}, "shop.frappe_bench_queue_store", "Declare it"),
        ({"h1": {"a": CACHE}}, {"shop": {"cache": "a", "queue": "a"}}, "shop.frappe_bench_queue_store", "for cache"),
    ],
)
def test_what_is_wrong_across_hosts(stores, benches, key, words):
    (problem,) = fleet_problems(stores, benches)
    assert problem.key == key
    assert words in str(problem)


def test_a_fleet_that_fits_together_has_no_problems():
    stores = {"h1": {"shop-cache": CACHE}, "h2": {"shop-queue": QUEUE}}
    assert fleet_problems(stores, {"shop": {"cache": "shop-cache", "queue": "shop-queue"}, "other": {}}) == []


@pytest.mark.parametrize(
    ("store", "host", "expected"),
    [
        ({**CACHE, "address": "cache.internal"}, HOST, "cache.internal"),
        (CACHE, HOST, "10.0.0.5"),
        (CACHE, {"inventory_hostname": "store1"}, "store1"),
        (CACHE, {**HOST, "ansible_connection": "local"}, "127.0.0.1"),
    ],
)
def test_benches_reach_a_store_as_ansible_does_unless_told_otherwise(store, host, expected):
    assert address_of(store, host) == expected


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (CACHE, "redis://10.0.0.5:13000"),
        ({**CACHE, "password": "a/b:c@d%"}, "redis://:a%2Fb%3Ac%40d%25@10.0.0.5:13000"),
        ({**CACHE, "address": "fd00::5"}, "redis://[fd00::5]:13000"),
        ({**CACHE, "tls_cert_file": "/a", "tls_key_file": "/b", "password": "x"}, "rediss://:x@10.0.0.5:13000"),
    ],
)
def test_url(store, expected):
    assert url(store, HOST) == expected


def test_a_store_is_found_by_name_in_the_fleet():
    hostvars = {"store1": {**HOST, "stores": {"shop-cache": CACHE}}, "store2": {"inventory_hostname": "store2"}}
    groups = {"stores": ["store2", "store1"], "benches": []}
    assert filters.store_url("shop-cache", groups, hostvars) == "redis://10.0.0.5:13000"
    with pytest.raises(AnsibleFilterError, match="Did you mean shop-cache"):
        filters.store_url("shop-cahce", groups, hostvars)
    with pytest.raises(AnsibleFilterError, match="Declared are: none"):
        filters.store_url("shop-cache", {}, hostvars)


def test_no_filter_loads_redis_py():
    """Each process of a playbook may load every filter module, and redis-py alone takes longer than all of them."""
    modules = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py"))
    code = f"import sys\nfrom ansible_collections.benchfly.stores.plugins.filter import {', '.join(modules)}\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print('redis' in sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(modules) > 5 and done.stdout == "False\n"


def test_engines_are_named_once_and_none_is_passed_over():
    valkey = {**CACHE, "engine": "valkey"}
    assert filters.store_engines({"one": valkey, "two": QUEUE, "three": valkey}) == ["valkey", "redis"]
    said = filters.store_engines({"nameless": {"port": 1}, "text": "redis"})  # type: ignore[dict-item]
    assert said == [""], "for the checks to refuse"
    assert filters.store_engines({}) == []


def test_filters_refuse_with_every_problem():
    with pytest.raises(AnsibleFilterError) as error:
        filters.store_spec({"one": {**CACHE, "port": 0}, "two": {**QUEUE, "eviction": "lru"}})
    assert "one.port: 0 is not" in str(error.value)
    assert "two.eviction: 'lru' would throw jobs away" in str(error.value)


def test_filters_choose_by_engine_and_render_every_store():
    stores = {"a": CACHE, "b": {**QUEUE, "engine": "dragonfly"}}
    assert list(filters.store_spec(stores, "dragonfly")) == ["b"]
    assert "maxmemory 1073741824" in filters.redis_conf({"a": CACHE}, "7.0.15", "/srv")["a"]
    assert "--dir=/srv/b/data" in filters.dragonfly_flags({"b": stores["b"]}, "1.40.1", "/srv")["b"]
    with pytest.raises(AnsibleFilterError, match=r"a\.engine: 'redis' 6\.0\.9 is too old"):
        filters.redis_conf({"a": CACHE}, "6.0.9", "/srv")


def test_filters_tell_what_a_role_needs_beside_the_configuration():
    stores = {"a": {**CACHE, "password": "x", "acl": {"shop": "on >pw +@all"}}, "b": {**QUEUE, "threads": 2}}
    assert filters.store_passwords(stores) == {"a": "x"}
    assert filters.store_open_files(stores) == {"a": 4072, "b": 4080}
    assert filters.store_acl(stores)["b"] == ""
    assert [line.split()[:2] for line in filters.store_acl(stores)["a"].splitlines()] == [
        ["user", "default"],
        ["user", "shop"],
    ]
    assert "pw" not in filters.store_acl(stores)["a"]


@pytest.mark.parametrize(
    ("kernel", "has", "refused"),
    [
        ({}, 128, True),
        ({}, None, False),
        ({"net.core.somaxconn": ">= 4096"}, 128, False),
        ({"net.core.somaxconn": 511}, 128, False),
        ({"net.core.somaxconn": "<= 256"}, 4096, True),
        ({"net.core.somaxconn": ">= 4096"}, 8192, False),
    ],
)
def test_the_kernel_counts_as_the_host_is_going_to_be(kernel, has, refused):
    found = filters.store_problems({"a": CACHE}, {"backlog": has}, kernel)
    assert bool(found) is refused
    assert all(problem.startswith("a.backlog: 511 is more than the host lets wait") for problem in found)


def test_a_wrong_setting_of_the_kernel_is_refused():
    with pytest.raises(AnsibleFilterError, match="is no name of a sysctl"):
        filters.store_problems({"a": CACHE}, {}, {"somaxconn": 1})
