"""Connections that a store believes in after their host has lost its power are closed, and no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils import store_client
from ansible_collections.benchfly.stores.plugins.module_utils.bench_census import staying
from ansible_collections.benchfly.stores.plugins.module_utils.bench_stores import both_sides, close_connections
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    clients,
    close_ghosts,
    connect,
    writers,
)
from tests.stores.binaries import dragonfly
from tests.stores.servers import Server, server

pytestmark = pytest.mark.stores


@pytest.fixture(params=["redis", "dragonfly"])
def binary(request: pytest.FixtureRequest) -> Path | None:
    return Path(dragonfly()[0]) if request.param == "dragonfly" else None


@pytest.fixture
def listening(tmp_path: Path, binary: Path | None) -> Iterator[str]:
    with server(tmp_path / "store", binary) as store:
        yield store.url


def port_of(client: redis.Redis) -> str:
    connection = client.connection or client.connection_pool._available_connections[0]
    return str(connection._sock.getsockname()[1])


def test_only_what_this_host_does_not_have_is_closed(listening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, ghost = (redis.Redis.from_url(listening, single_connection_client=True) for _ in range(2))
    for client in (alive, ghost):
        client.set("key", "value")
    ours = connect(listening)
    assert close_ghosts(ours) == [], "both are sockets of this host"
    ports = store_client._open_ports()
    assert {port_of(alive), port_of(ghost), port_of(ours)} <= ports

    gone = port_of(ghost)
    monkeypatch.setattr(store_client, "_open_ports", lambda: ports - {gone})
    assert [address.rpartition(":")[2] for address in close_ghosts(ours)] == [gone]
    assert [entry["addr"].rpartition(":")[2] for entry in writers(ours)] == [port_of(alive)]
    for client in (alive, ghost, ours):
        client.close()


def test_a_connection_without_its_name_yet_is_no_client_that_stays(
    listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, ours, other = (redis.Redis.from_url(listening, single_connection_client=True) for _ in range(3))
    for client in (stays, other):
        client.set("key", "value")
    ours.client_setname(store_client.CLIENT_NAME)
    assert len(writers(ours)) == 2
    # Between the two looks the other host says who it is.
    monkeypatch.setattr(time, "sleep", lambda _: other.client_setname(store_client.CLIENT_NAME))
    assert [entry["addr"].rpartition(":")[2] for entry in staying(ours)] == [port_of(stays)]
    for client in (stays, ours, other):
        client.close()


def test_nothing_is_closed_where_addresses_are_translated(listening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = redis.Redis.from_url(listening, single_connection_client=True)
    other.ping()
    monkeypatch.setattr(store_client, "_open_ports", lambda: {"1"})
    ours = connect(listening)
    assert close_ghosts(ours) == []
    assert other.ping()
    for client in (other, ours):
        client.close()


def test_who_only_listens_is_no_writer_where_the_server_says_so(listening: str) -> None:
    writer = redis.Redis.from_url(listening, single_connection_client=True)
    channel = redis.Redis.from_url(listening).pubsub()
    channel.subscribe("events")
    writer.set("key", "value")
    ours = connect(listening)
    said = all("cmd" in entry for entry in clients(ours))
    expected = {port_of(writer)} if said else {port_of(writer), port_of(channel)}
    assert {entry["addr"].rpartition(":")[2] for entry in writers(ours)} == expected
    for client in (channel, writer, ours):
        client.close()


def test_a_dead_worker_on_the_store_that_is_moved_to_takes_no_job(
    tmp_path: Path, binary: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(tmp_path / "former") as former, server(tmp_path / "new", binary) as new:
        worker = redis.Redis.from_url(new.url, single_connection_client=True)
        gone = port_of(worker)
        worker.connection.send_command("BLPOP", "queue", 60)
        ports = store_client._open_ports
        monkeypatch.setattr(store_client, "_open_ports", lambda: ports() - {gone})
        move = {"from": {"redis_queue": former.url}, "to": {"redis_queue": new.url}}
        assert [address.rpartition(":")[2] for address in close_connections(both_sides(move))] == [gone]
        sweep = connect(new.url)
        sweep.rpush("queue", "job")
        assert sweep.llen("queue") == 1
        for client in (worker, sweep):
            client.close()
