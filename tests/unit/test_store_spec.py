"""What an inventory may say of a store, and what is made of it."""

from __future__ import annotations

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import (
    KEYS,
    Problem,
    SpecError,
    parse,
    parse_all,
)

CACHE = {"engine": "redis", "purpose": "cache", "port": 13000, "memory": "512mb"}
QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "512mb"}


def problems(given, name="shop"):
    with pytest.raises(SpecError) as error:
        parse(name, given)
    return error.value.problems


@pytest.mark.parametrize(
    ("engine", "purpose", "expected"),
    [
        ("redis", "cache", {"eviction": "lru", "persistence": "none", "max_loss": None, "threads": 1}),
        ("redis", "queue", {"eviction": "none", "persistence": "aof", "max_loss": 1, "threads": 1}),
        ("valkey", "cache", {"eviction": "lru", "persistence": "none", "max_loss": None, "threads": 1}),
        ("valkey", "queue", {"eviction": "none", "persistence": "aof", "max_loss": 1, "threads": 1}),
        ("dragonfly", "cache", {"eviction": "lru", "persistence": "none", "max_loss": None, "threads": 2}),
        ("dragonfly", "queue", {"eviction": "none", "persistence": "snapshot", "max_loss": 60, "threads": 1}),
    ],
)
def test_defaults_suit_the_purpose_and_the_engine(engine, purpose, expected):
    spec = parse("shop", {"engine": engine, "purpose": purpose, "port": 1, "memory": "512mb"})
    same = {
        "bind": "127.0.0.1",
        "address": None,
        "password": None,
        "databases": 16,
        "max_clients": 4000,
        "keepalive": 60,
        "idle_timeout": 0,
        "backlog": 511,
    }
    assert {key: getattr(spec, key) for key in {**expected, **same}} == {**expected, **same}


def test_default_threads_fit_the_memory_of_a_dragonfly():
    assert parse("shop", {**CACHE, "engine": "dragonfly", "memory": "511mb"}).threads == 1


def test_a_complete_specification_says_the_same_again():
    spec = parse("shop", {**QUEUE, "password": "s3cret"})
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


@pytest.mark.parametrize(
    ("key", "value", "reason", "remedy"),
    [
        ("engine", "keydb", "one of redis, valkey, dragonfly", "Say one of"),
        ("engine", "dragon", "one of redis", "Say dragonfly"),
        ("purpose", "socketio", "one of cache, queue", "Say one of"),
        ("port", 0, "from 1 to 65535", "in that range"),
        ("port", "6379/1", "from 1 to 65535", "in that range"),
        ("port", True, "from 1 to 65535", "in that range"),
        ("memory", "512m", "amount of memory", "powers of 1024"),
        ("memory", "512", "amount of memory", "at least 1mb"),
        ("memory", "0.3kb", "amount of memory", "at least 1mb"),
        ("memory", -1, "amount of memory", "at least 1mb"),
        ("eviction", "allkeys-lru", "one of lru", "Say lru"),
        ("eviction", "noeviction", "one of lru", "Say none"),
        ("eviction", "volatile-ltr", "one of lru", "Say volatile-"),
        ("persistence", "rdb", "one of none, aof, snapshot", "Say snapshot"),
        ("persistence", True, "one of none, aof, snapshot", "Say snapshot"),
        ("max_loss", 1.5, "whole number of seconds", "in that range"),
        ("bind", "localhost", "an IP address", "127.0.0.1"),
        ("bind", "127.0.0.1 10.0.0.5", "an IP address", "Give one address"),
        ("address", "a b", "a host name or an IP address", "10.0.0.5"),
        ("threads", 0, "from 1 to 128", "in that range"),
        ("databases", 0, "from 1 to 1024", "in that range"),
        ("max_clients", "many", "from 1 to 1000000", "in that range"),
        ("keepalive", 0, "seconds from 1 to 7200", "in that range"),
        ("idle_timeout", -1, "seconds from 0", "in that range"),
        ("backlog", 70000, "from 1 to 65535", "in that range"),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_reason_and_remedy(key, value, reason, remedy):
    (problem,) = problems({**CACHE, key: value})
    assert (problem.key, problem.value) == (f"shop.{key}", value)
    assert reason in problem.reason
    assert remedy in problem.remedy


@pytest.mark.parametrize("password", ["two words", 'quo"te', "quo'te", "back\\slash", "umläut", "line\nbreak"])
def test_a_password_that_not_every_file_can_hold_is_refused_and_not_shown(password):
    (problem,) = problems({**CACHE, "password": password})
    assert problem.key == "shop.password"
    assert password not in str(problem)


def test_a_password_is_not_in_the_repr():
    assert "s3cret" not in repr(parse("shop", {**CACHE, "password": "s3cret"}))


@pytest.mark.parametrize(
    ("given", "key", "remedy"),
    [
        ({**QUEUE, "eviction": "lru"}, "eviction", "none"),
        ({**CACHE, "eviction": "none"}, "eviction", "lru"),
        ({**CACHE, "max_loss": 60}, "max_loss", "Leave it out"),
        ({**CACHE, "bind": "0.0.0.0"}, "bind", "password"),
        ({**CACHE, "bind": "::"}, "bind", "password"),
        ({**CACHE, "bind": "10.0.0.5"}, "bind", "password"),
    ],
)
def test_what_contradicts_itself_is_refused(given, key, remedy):
    (problem,) = problems(given)
    assert problem.key == f"shop.{key}"
    assert remedy in problem.remedy


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
    with pytest.raises(SpecError) as error:
        parse_all(
            {"one": {**CACHE, "port": 0, "memory": "x"}, "two": {**QUEUE, "eviction": "lru"}, "three": "no mapping"}
        )
    assert [problem.key for problem in error.value.problems] == ["one.port", "one.memory", "two.eviction", "three"]
    assert len(str(error.value).splitlines()) == 4


def test_a_problem_reads_as_a_sentence():
    assert str(Problem("a.port", 0, "is not a port", "Give one")) == "a.port: 0 is not a port. Give one."
