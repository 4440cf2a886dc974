"""The store's side of a benchmark: whose keys are in it, the dataset put there and taken away, and its counters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import (
    FIELD,
    HASH,
    LIST,
    PREFIX,
    STRING,
    Family,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Generator, Target, value
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import RULES, Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_CHUNK = 100  # items of one command, and keys of one UNLINK
# Names of RQ's keys have this in them where they are a benchmark's; RQ 2 allows no colon in them.
RQ_NAME = "benchfly-bench-"
_SETTINGS = (
    "maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "save", "io-threads", "hz", "lazyfree-lazy-eviction",
    "activedefrag", "tcp-keepalive", "proactor_threads", "cache_mode", "dbnum",
    "hash-max-listpack-entries", "hash-max-listpack-value", "maxmemory-samples",
)  # fmt: skip
# Says which run of `tune` has the store; it stays when a benchmark's keys are removed.
HOLDER = PREFIX + "tuning"
_RQ_SETS = ("rq:queues", "rq:workers")


@dataclass(frozen=True)
class Counters:
    """What the server has counted since it started. Dragonfly has no total of error replies: None.

    cpu: seconds of processor time that it took itself, without its children.
    """

    evictions: int
    misses: int
    errors: int | None
    cpu: float | None = None


def connect(target: Target) -> Connection:
    """A connection that is logged in. Raises OSError or ReplyError."""
    connection = Connection(target.host, target.port)
    if target.password:
        connection.call("AUTH", *([target.user] if target.user else []), target.password)
    if target.database:
        connection.call("SELECT", str(target.database))
    return connection


def own_keys(connection: Connection) -> Iterator[list[str]]:
    """Keys a benchmark made in the selected database, some at a time; RQ's have names of their own."""
    for pattern in (PREFIX + "*", f"rq:*{RQ_NAME}*"):
        cursor = "0"
        while True:
            cursor, keys = connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
            for start in range(0, len(keys), _CHUNK):
                yield keys[start : start + _CHUNK]
            if cursor == "0":
                break


def remove(connection: Connection) -> int:
    """Remove what a benchmark made, and nothing else; return the number of keys."""
    mine = ([key for key in keys if key != HOLDER] for keys in own_keys(connection))
    removed = sum(connection.call("UNLINK", *keys) for keys in mine if keys)
    for key in _RQ_SETS:
        mine = [member for member in _members(connection, key) if RQ_NAME in member]
        removed += bool(mine and connection.call("SREM", key, *mine) and not connection.call("EXISTS", key))
    return removed


def foreign_keys(connection: Connection) -> int:
    """Keys of all databases that no benchmark made."""
    found = re.findall(r"^db\d+:keys=(\d+)", connection.call("INFO", "keyspace"), re.MULTILINE)
    own = {key for keys in own_keys(connection) for key in keys}
    for key in _RQ_SETS:
        members = _members(connection, key)
        own |= {key} if members and all(RQ_NAME in member for member in members) else set()
    return sum(map(int, found)) - len(own)


def _members(connection: Connection, key: str) -> list[str]:
    return connection.call("SMEMBERS", key) if connection.call("TYPE", key) == "set" else []


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
    for family in workload.families:
        numbers = range(generator.first_item, generator.first_item + family.items)
        for start in range(0, len(numbers), _CHUNK):
            commands = list(_commands(family, numbers[start : start + _CHUNK], generator.item_format))
            connection.send(*commands)
            for _ in commands:
                connection.reply()


def _commands(family: Family, numbers: Sequence[int], item_format: str) -> Iterator[list[str]]:
    """What writes those items."""
    items = [(item_format % number, value(family.size(number))) for number in numbers]
    if family.shape == HASH:
        yield ["HSET", family.key, *(word for pair in items for word in pair)]
    elif family.shape == STRING:
        yield ["MSET", *(word for item, payload in items for word in (family.key + item, payload))]
    else:
        for item, payload in items:
            yield (
                ["LPUSH", family.key + item, payload]
                if family.shape == LIST
                else ["HSET", family.key + item, FIELD, payload]
            )
    if family.ttl:
        yield from (["EXPIRE", family.key + item_format % number, str(family.seconds(number))] for number in numbers)


def counters(target: Target) -> Counters:
    """The counters now, over a connection of its own: one that idles through a trial may be put out."""
    with connect(target) as connection:
        info = connection.info()
    errors = info.get("total_error_replies")
    used = [float(info[name]) for name in ("used_cpu_user", "used_cpu_sys") if name in info]
    return Counters(
        int(info["evicted_keys"]),
        int(info["keyspace_misses"]),
        None if errors is None else int(errors),
        sum(used) if len(used) == 2 else None,
    )


def objections(before: Counters, after: Counters, errors: int, shared: bool, rules: Sequence[str] = RULES) -> list[str]:
    """Why a trial between the two readings does not count, by those rules of its workload; empty when it does.

    In a `shared` store misses and errors may be those of other clients, so only the generator's own count.
    """
    found = [("errors", errors, "error replies or lost connections")]
    found += [("evictions", after.evictions - before.evictions, "keys evicted")]
    if not shared:
        found += [("misses", after.misses - before.misses, "reads of keys that were gone")]
        if before.errors is not None and after.errors is not None:
            found += [("errors", after.errors - before.errors, "error replies, by the server's count")]
    return [f"{count} {what}" for rule, count, what in found if rule in rules and count > 0]


def settings(connection: Connection) -> dict[str, str]:
    """What the server says of settings that change its speed; empty where it may not be asked."""
    try:
        found = {name: connection.config(name) for name in _SETTINGS}
    except ReplyError:
        return {}
    return {name: value for name, value in found.items() if value is not None}


def describe(info: Mapping[str, str]) -> dict[str, str]:
    """Which engine it is, and its version."""
    for field, engine in (("dragonfly_version", "dragonfly"), ("valkey_version", "valkey")):
        if field in info:
            return {"engine": engine, "version": info[field].replace("df-v", "")}
    return {"engine": "redis", "version": info.get("redis_version", "unknown")}
