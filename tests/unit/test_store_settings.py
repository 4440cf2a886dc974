"""Settings three ways, what a change of one takes, and what a server's answers mean."""

from __future__ import annotations

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.store_settings import (
    FILE,
    LIVE,
    RESTART,
    Setting,
    asked,
    compare,
    read,
    running,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_state import observed

REDIS_INFO = {
    "process_id": "42",
    "connected_clients": "3",
    "maxmemory": "1073741824",
    "used_memory": "900000",
    "redis_version": "7.0.15",
    "db0": "keys=5,expires=0,avg_ttl=0",
    "db1": "keys=2,expires=0,avg_ttl=0",
}
# Fields of a recorded Dragonfly, which knows neither save nor appendonly.
DRAGONFLY_INFO = {
    "process_id": "43",
    "connected_clients": "1",
    "tcp_port": "7379",
    "maxmemory": "1073741824",
    "maxmemory_policy": "eviction",
    "used_memory": "1",
    "thread_count": "2",
    "db0": "keys=21,expires=0,hits=20,misses=0",
    "redis_version": "7.4.0",
    "dragonfly_version": "df-v1.40.0-87-gf8eca6d0b",
}


def test_what_a_redis_says_of_itself() -> None:
    state = observed("redis", REDIS_INFO, {"save": "", "appendonly": "no", "dbfilename": "dump.rdb"})
    assert state == {
        "pid": 42,
        "keys": 7,
        "clients": 2,
        "memory": 2**30,
        "used": 900000,
        "persistence": "none",
        "version": "7.0.15",
    }


def test_what_a_dragonfly_says_of_itself() -> None:
    state = observed("dragonfly", DRAGONFLY_INFO, {"save": None, "appendonly": None, "dbfilename": ""})
    assert (state["keys"], state["persistence"], state["version"]) == (21, "none", "1.40.0-87-gf8eca6d0b")


def test_another_engine_has_no_version_of_this_one() -> None:
    assert observed("valkey", REDIS_INFO, {})["version"] is None


@pytest.mark.parametrize(
    ("config", "persistence"),
    [
        ({"appendonly": "yes", "save": "60 1"}, "aof"),
        ({"appendonly": "no", "save": "60 1"}, "snapshot"),
        ({"appendonly": "no", "save": "", "dbfilename": "dump.rdb"}, "none"),
        ({"dbfilename": "dragonfly"}, "snapshot"),
        ({"dbfilename": ""}, "none"),
    ],
)
def test_persistence_is_what_would_survive_a_stop(config: dict[str, str], persistence: str) -> None:
    assert observed("redis", REDIS_INFO, config)["persistence"] == persistence


def test_a_configuration_is_read_in_each_engine_s_syntax() -> None:
    redis = '# Store shop\nmaxmemory 64mb\nsave ""\n\ninclude "/srv/my store/auth.conf"\n'
    assert read(redis, "redis") == {"maxmemory": "64mb", "save": "", "include": "/srv/my store/auth.conf"}
    flags = "# Store fly\n--port=6380\n--snapshot_cron=*/1 * * * *\n--dbfilename=\n"
    assert read(flags, "dragonfly") == {"port": "6380", "snapshot_cron": "*/1 * * * *", "dbfilename": ""}


def test_only_what_a_server_tells_is_asked_for() -> None:
    assert asked("redis", ["maxmemory", "include", "dir"]) == {"maxmemory": "maxmemory"}
    assert asked("dragonfly", ["tcp_keepalive", "cache_mode"]) == {"tcp_keepalive": "tcp-keepalive"}


def test_what_a_dragonfly_does_not_tell_is_what_it_was_started_with() -> None:
    started = {"cache_mode": "false", "tcp_backlog": "300", "maxclients": "4000", "proactor_threads": "1"}
    assert running("dragonfly", started, {"maxclients": "5000", "timeout": None}, DRAGONFLY_INFO) == {
        "cache_mode": "true",
        "tcp_backlog": "300",
        "maxclients": "5000",
        "proactor_threads": "2",
        "port": "7379",
    }


@pytest.mark.parametrize(
    ("engine", "name", "declared", "on_disk", "runs", "change"),
    [
        ("redis", "maxmemory", "1048576", "1048576", "1048576", None),
        ("redis", "auto-aof-rewrite-min-size", "64mb", "64mb", "67108864", None),
        ("redis", "maxmemory", "2097152", "1048576", "1048576", LIVE),
        ("redis", "maxmemory", "2097152", "2097152", "1048576", LIVE),
        ("redis", "databases", "8", "16", "16", RESTART),
        ("redis", "databases", "8", "8", "16", RESTART),
        ("redis", "maxmemory", "1048576", "2097152", "1048576", FILE),
        ("redis", "io-threads-do-reads", None, "yes", "yes", RESTART),
        ("valkey", "maxclients", "4000", "4000", "5000", LIVE),
        ("dragonfly", "tcp_keepalive", "60", "300", "300", LIVE),
        ("dragonfly", "tcp_backlog", "511", "511", "256", RESTART),
        ("dragonfly", "keys_output_limit", "1000000", "1000000", None, RESTART),
    ],
)
def test_what_a_difference_takes(
    engine: str, name: str, declared: str | None, on_disk: str | None, runs: str | None, change: str | None
) -> None:
    def settings(value: str | None) -> dict[str, str]:
        return {} if value is None else {name: value}

    rows = compare(engine, settings(declared), settings(on_disk), settings(runs))
    assert rows == ([Setting(name, declared, on_disk, runs, change)] if change else [])


def test_a_store_that_does_not_run_needs_its_file_only() -> None:
    assert compare("redis", {"port": "1", "databases": "8"}, {"port": "1"}, None) == [
        Setting("databases", "8", None, None, FILE)
    ]


def test_what_only_the_server_has_is_its_own_default() -> None:
    assert compare("redis", {"port": "1"}, {"port": "1"}, {"port": "1", "user": "default on"}) == []
