"""Needs of frappe.cache and, from Frappe 16 on, of its ClientCache."""

from __future__ import annotations

from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Need, UnmetError, expect, frappe, need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import TTL, Probe, batches
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import SETTING
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import redis

# What Frappe's clear_cache does on a site with many keys; Dragonfly's defaults stop at 8192 and 65536.
MANY_KEYS, MANY_ARGUMENTS = 9_000, 100_000
_INVALIDATE = "__redis__:invalidate"
_CACHE = ("cache",)


@need("The cache's commands", "frappe.cache, rate limits, deferred inserts, locks", purposes=_CACHE)
def commands(probe: Probe) -> str:
    """Each command of Frappe's wrapper, in its own shape, read back."""
    client, name = probe.client, probe.name
    value = bytes(range(256))
    client.set(name("value"), value, ex=TTL)
    expect("GET of a pickle", client.get(name("value")), value)
    client.setex(name("value"), TTL, value)
    expect("EXISTS", client.exists(name("value")), 1)

    pipeline = client.pipeline()
    pipeline.hset(name("hash"), "Administrator", value)
    pipeline.hset(name("hash"), "Guest", value)
    pipeline.hdel(name("hash"), "Guest")
    pipeline.hgetall(name("hash"))
    expect("HGETALL in MULTI", pipeline.execute()[-1], {b"Administrator": value})
    expect("HEXISTS", client.hexists(name("hash"), "Guest"), False)

    client.lpush(name("list"), "two", "one")
    client.rpush(name("list"), "three")
    client.ltrim(name("list"), 0, 1)
    expect("LRANGE", client.lrange(name("list"), 0, -1), [b"one", b"two"])
    expect("BLPOP", client.blpop([name("list")], timeout=1), (name("list").encode(), b"one"))
    expect("RPOP", client.rpop(name("list")), b"two")

    client.sadd(name("set"), "one")
    expect("SMEMBERS", client.smembers(name("set")), {b"one"})
    pipeline = client.pipeline(transaction=False)
    pipeline.incrby(name("count"), 2)
    pipeline.expire(name("count"), TTL)
    expect("INCRBY", pipeline.execute(), [2, True])
    probe.expire()
    return "strings, hashes, lists, sets, counters, MULTI and a blocking pop"


@need(
    "KEYS returns every key",
    "frappe.clear_cache; what KEYS leaves out stays stale",
    purposes=_CACHE,
    otherwise=SETTING,
    remedy="start the server with --keys_output_limit=1000000 (role dragonfly does)",
)
def keys_beyond_default(probe: Probe) -> str:
    """Dragonfly silently stops soon after 8192."""
    names = [probe.name(f"key:{number}") for number in range(MANY_KEYS)]
    for some in batches(names, 1000):
        pipeline = probe.client.pipeline(transaction=False)
        for name in some:
            pipeline.set(name, 1, ex=TTL)
        pipeline.execute()
    found = len(probe.client.keys(f"{probe.name('key')}:*"))
    # A full cache may have evicted some meanwhile; those are no fault of KEYS.
    left = sum(probe.client.exists(*some) for some in batches(names, 1000))
    if found < left:
        raise UnmetError(f"{found} of {left}")
    return f"{found} of {left}"


@need(
    "All keys of a site are deleted by one command",
    "frappe.clear_cache",
    purposes=_CACHE,
    otherwise=SETTING,
    remedy="start the server with --max_multi_bulk_len=1000001 (role dragonfly does)",
)
def delete_many(probe: Probe) -> str:
    """UNLINK, and DEL before Frappe 15, with every key as an argument."""
    command = "UNLINK" if probe.frappe >= 15 else "DEL"
    absent = [f"{probe.name('none')}:{number}" for number in range(MANY_ARGUMENTS)]
    # On a connection of its own: a server that refuses it may close it.
    try:
        expect(command, probe.another().execute_command(command, *absent), 0)
    except redis.exceptions.ConnectionError as error:
        raise UnmetError(f"it closed the connection on a {command} of {MANY_ARGUMENTS:,} keys") from error
    return f"{command} took {MANY_ARGUMENTS:,} keys"


@need(
    "CLIENT TRACKING with REDIRECT on RESP2",
    "ClientCache",
    purposes=_CACHE,
    when=frappe(since=16),
    remedy="declare a cache store with engine valkey (or redis) and name it in frappe_bench_cache_store; the queue may "
    "go to this engine",
)
def tracking(probe: Probe) -> str:
    """As Frappe 16 sends it, with an invalidation read back."""
    listener, tracked = (probe.client.connection_pool.make_connection() for _side in range(2))
    name = probe.name("tracked")
    try:
        listener_id = _call(listener, "CLIENT", "ID")
        _call(listener, "SUBSCRIBE", _INVALIDATE)
        _call(tracked, "CLIENT", "TRACKING", "ON", "redirect", listener_id, "NOLOOP")
        _call(tracked, "GET", name)
        probe.client.set(name, 1, ex=TTL)
        if not listener.can_read(timeout=5):
            raise UnmetError("accepted, but no invalidation arrived within 5 s")
        expect("the invalidation", listener.read_response(), [b"message", _INVALIDATE.encode(), [name.encode()]])
    finally:
        tracked.disconnect()
        listener.disconnect()
    return "an invalidation arrived"


def _call(connection: Any, *command: Any) -> Any:
    connection.send_command(*command)
    return connection.read_response()


NEEDS: tuple[Need, ...] = (commands, keys_beyond_default, delete_many, tracking)
