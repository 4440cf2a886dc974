"""What an inventory may say of a store, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import KEYS
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem, SpecError, parse, parse_all

CACHE = {"engine": "redis", "purpose": "cache", "port": 13000, "memory": "512mb"}
QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "512mb"}


def problems(given, name="shop"):
    with pytest.raises(SpecError) as error:
        parse(name, given)
    return error.value.problems


@pytest.mark.parametrize(
    ("engine", "purpose", "expected"),
    [
        ("redis", "cache", ("lru", 10, 1024, 128, "none", None, 1, 10, False)),
        ("valkey", "cache", ("lru", 10, 1024, 128, "none", None, 1, 10, False)),
        ("dragonfly", "cache", ("lru", None, None, None, "none", None, 2, None, None)),
        ("redis", "queue", ("none", None, 1024, 128, "aof", 1, 1, 10, False)),
        ("valkey", "queue", ("none", None, 1024, 128, "aof", 1, 1, 10, False)),
        ("dragonfly", "queue", ("none", None, None, None, "snapshot", 60, 1, None, None)),
    ],
)
def test_defaults_suit_the_purpose_and_the_engine(engine, purpose, expected):
    given = {"engine": engine, "purpose": purpose, "port": 1, "memory": 512 * 1024**2}
    keys = ["eviction", "eviction_samples", "listpack_value", "listpack_entries", "persistence", "max_loss"]
    keys += ["threads", "hz", "active_defrag"]
    same = {
        "bind": "127.0.0.1",
        "protected_mode": True,
        "address": None,
        "password": None,
        "acl": None,
        "tls_cert_file": None,
        "tls_key_file": None,
        "cpus": None,
        "databases": 16,
        "max_clients": 4000,
        "keepalive": 60,
        "idle_timeout": 0,
        "backlog": 511,
    }
    assert parse("shop", given).mapping == {**given, **same, **dict(zip(keys, expected, strict=True))}


def test_default_threads_fit_the_memory_of_a_dragonfly():
    assert parse("shop", {**CACHE, "engine": "dragonfly", "memory": "511mb"}).threads == 1


def test_default_threads_fit_the_cpus():
    assert parse("shop", {**CACHE, "engine": "dragonfly", "memory": "2gb", "cpus": "3"}).threads == 1


@pytest.mark.parametrize(
    ("given", "cpus"),
    [("0-1,4", "0-1,4"), ("4,1,0", "0-1,4"), (3, "3"), ("0-2,1-3", "0-3"), ("7-8,10-10", "7-8,10")],
)
def test_cpus_are_put_in_order(given, cpus):
    assert parse("shop", {**CACHE, "cpus": given}).cpus == cpus


def test_a_complete_specification_says_the_same_again():
    spec = parse("shop", {**QUEUE, "password": "s3cret", "cpus": "0-1", "acl": {"shop": "on >x +@all"}})
    assert parse("shop", spec.mapping) == spec
    assert set(spec.mapping) == {key.name for key in KEYS}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("512mb", 512 * 1024**2),
        ("2GB", 2 * 1024**3),
        ("1.5gib", 3 * 1024**3 // 2),
        ("2048 kb", 2 * 1024**2),
        ("1tb", 1024**4),
        (1048576, 1024**2),
        ("1048576", 1024**2),
    ],
)
def test_memory_is_in_powers_of_1024(given, size):
    assert parse("shop", {**CACHE, "memory": given}).memory == size


@pytest.mark.parametrize("password", ["two words", 'quo"te', "quo'te", "back\\slash", "umläut", "line\nbreak"])
def test_a_password_that_not_every_file_can_hold_is_refused_and_not_shown(password):
    (problem,) = problems({**CACHE, "password": password})
    assert problem.key == "shop.password"
    assert password not in str(problem)


def test_what_is_secret_is_neither_in_the_repr_nor_in_a_problem():
    spec = parse("shop", {**CACHE, "password": "s3cret", "acl": {"shop": "on >s3cret +@all"}})
    assert "s3cret" not in repr(spec)
    assert "s3cret" not in str(spec.problem("acl", "is", "not so"))


def test_required_keys_have_no_default():
    found = problems({})
    assert [problem.key for problem in found] == ["shop.engine", "shop.purpose", "shop.port", "shop.memory"]


def test_an_unknown_key_is_refused_with_the_nearest_known():
    (near,) = problems({**CACHE, "evicton": "lru"})
    assert (near.key, near.remedy) == ("shop.evicton", "Did you mean eviction")
    (far,) = problems({**CACHE, "xyz": 1})
    assert "Known keys are engine, purpose" in far.remedy


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "a:b", "a" * 64])
def test_a_name_that_cannot_be_a_folder_and_a_program_is_refused(name):
    (problem,) = problems(CACHE, name)
    assert problem.key == name


def test_every_problem_of_every_store_is_reported_at_once():
    stores: dict[str, Any] = {"one": {**CACHE, "port": 0, "memory": "x"}, "two": {**QUEUE, "eviction": "lru"}}
    stores["three"] = "no mapping"
    with pytest.raises(SpecError) as error:
        parse_all(stores)
    assert [problem.key for problem in error.value.problems] == ["one.port", "one.memory", "two.eviction", "three"]
    assert len(str(error.value).splitlines()) == 4


def test_a_problem_reads_as_a_sentence():
    assert str(Problem("a.port", 0, "is not a port", "Give one")) == "a.port: 0 is not a port. Give one."
