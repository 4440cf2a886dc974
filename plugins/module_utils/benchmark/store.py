"""The store's side of a benchmark: whose keys are in it, the dataset put there and taken away, and its counters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Generator, Target, value
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import PREFIX, Family, Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection

_CHUNK = 100  # items of one command, and keys of one UNLINK


@dataclass(frozen=True)
class Counters:
    """What the server has counted since it started. Dragonfly has no total of error replies: None."""

    evictions: int
    misses: int
    errors: int | None


def connect(target: Target) -> Connection:
    """A connection that is logged in. Raises OSError or ReplyError."""
    connection = Connection(target.host, target.port)
    if target.password:
        connection.call("AUTH", *([target.user] if target.user else []), target.password)
    if target.database:
        connection.call("SELECT", str(target.database))
    return connection


def own_keys(connection: Connection) -> Iterator[list[str]]:
    """Keys a benchmark made in the selected database, some at a time."""
    cursor = "0"
    while True:
        cursor, keys = connection.call("SCAN", cursor, "MATCH", PREFIX + "*", "COUNT", "1000")
        for start in range(0, len(keys), _CHUNK):
            yield keys[start : start + _CHUNK]
        if cursor == "0":
            return


def remove(connection: Connection) -> int:
    """Remove what a benchmark made, and nothing else; return the number of keys."""
    return sum(connection.call("UNLINK", *keys) for keys in own_keys(connection))


def foreign_keys(connection: Connection) -> int:
    """Keys of all databases that no benchmark made."""
    found = re.findall(r"^db\d+:keys=(\d+)", connection.call("INFO", "keyspace"), re.MULTILINE)
    own = {key for keys in own_keys(connection) for key in keys}
    return sum(map(int, found)) - len(own)


def room(connection: Connection) -> int | None:
    """Bytes that the store may still take before it evicts or refuses; None without a limit."""
    info = connection.info()
    limit = int(info.get("maxmemory", "0"))
    return limit - int(info["used_memory"]) if limit else None


def used_memory(connection: Connection) -> int:
    """Bytes that the store has in use."""
    return int(connection.info()["used_memory"])


def fill(connection: Connection, workload: Workload, generator: Generator) -> None:
    """Write every item that the generator will read."""
    numbers = range(generator.first_item, generator.first_item + workload.items)
    items = [generator.item_format % number for number in numbers]
    for family in workload.families:
        for start in range(0, workload.items, _CHUNK):
            _write(connection, family, items[start : start + _CHUNK])


def _write(connection: Connection, family: Family, items: list[str]) -> None:
    payload, words = value(family.bytes), ["HSET", family.key] if family.type == "hash" else ["MSET"]
    before = "" if family.type == "hash" else family.key
    connection.call(*words, *(word for item in items for word in (before + item, payload)))


def counters(target: Target) -> Counters:
    """The counters now, over a connection of its own: one that idles through a trial may be put out."""
    with connect(target) as connection:
        info = connection.info()
    errors = info.get("total_error_replies")
    return Counters(int(info["evicted_keys"]), int(info["keyspace_misses"]), None if errors is None else int(errors))


def objections(before: Counters, after: Counters, errors: int, shared: bool) -> list[str]:
    """Why a trial between the two readings does not count; empty when it does.

    In a `shared` store misses and errors may be those of other clients, so only the generator's own count.
    """
    found = {"error replies or lost connections": errors, "keys evicted": after.evictions - before.evictions}
    if not shared:
        found["reads of keys that were gone"] = after.misses - before.misses
        if before.errors is not None and after.errors is not None:
            found["error replies, by the server's count"] = after.errors - before.errors
    return [f"{count} {what}" for what, count in found.items() if count > 0]


def describe(info: Mapping[str, str]) -> dict[str, str]:
    """Which engine it is, and its version."""
    for field, engine in (("dragonfly_version", "dragonfly"), ("valkey_version", "valkey")):
        if field in info:
            return {"engine": engine, "version": info[field].replace("df-v", "")}
    return {"engine": "redis", "version": info.get("redis_version", "unknown")}
