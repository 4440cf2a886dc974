"""Needs of the server itself, whatever it is used for: it is reached, keeps or evicts as it must, and has the room."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import same_store
from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Need, UnmetError, When, need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import TTL, Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NOTE, SETTING
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError, redis, server

_MIB = 1024 * 1024
_MOVED = When("benches that use another store today", lambda probe: bool(probe.former) and not _same(probe))


def _same(probe: Probe) -> bool:
    return same_store(probe.former, probe.url)


def _today(probe: Probe) -> Any:
    """A client of the store that the bench uses today."""
    try:
        return probe.another(probe.former)
    except StoreError as error:
        raise UnmetError(str(error), verdict=NOTE, remedy="see whether that is as it should be") from error


@need(
    "The store answers under its URL",
    "every connection",
    remedy="see that the store runs, that its port is open to this host, and that password and database are right",
)
def answers(probe: Probe) -> str:
    """It lets the bench's own redis-py in, to the database that the URL names."""
    parts = urlsplit(probe.url)
    try:
        probe.server = server(probe.client)
    except StoreError as error:
        if "%" in (parts.password or "") and redis.__version__ < "4":
            remedy = (
                f"redis-py {redis.__version__} takes a password in an URL as it stands: use one of letters and digits"
            )
            raise UnmetError(str(error), remedy=remedy) from error
        raise
    said = ["{engine} {version}".format(**probe.server), f"{parts.scheme}://"]
    said += ["with a user"] if parts.username else []
    said += ["with a password"] if parts.password else []
    said += [f"database {parts.path[1:]}"] if parts.path[1:] and parts.scheme != "unix" else []
    return ", ".join(said)


@need(
    "Every client of the bench understands the URL",
    "redis-py, Frappe's ClientCache and socketio's node client",
    remedy="give the store an address of the form redis://[:password@]host:port[/database]",
)
def url_suits(probe: Probe) -> str:
    """The forms of an URL that were seen to fail with one of the clients."""
    parts = urlsplit(probe.url)
    if probe.purpose == "cache" and probe.frappe >= 16 and parts.scheme != "redis":
        raise UnmetError(
            f"{parts.scheme}://: ClientCache of Frappe 16 and later makes a plain TCP connection of any URL"
        )
    if parts.scheme == "unix" and parts.query:
        raise UnmetError("unix:// with a query: socketio takes the query for a part of the file's name")
    return f"{parts.scheme}:// works with all of them"


@need(
    "The memory policy fits the purpose",
    "writes when the store is full",
    otherwise=SETTING,
    remedy="set eviction none on a queue store, a memory limit and eviction lru on a cache store",
)
def eviction(probe: Probe) -> str:
    """Words only: a store in use is never filled up."""
    info = probe.client.info("memory")
    policy, limit = str(info.get("maxmemory_policy", "")), int(info.get("maxmemory", 0))
    said = f"maxmemory {limit // _MIB} MiB, {policy or 'no policy'}"
    if probe.purpose == "queue":
        if policy not in ("", "noeviction"):
            raise UnmetError(said, remedy="an evicted job is a lost job: set eviction none on the queue store")
        return said
    if policy.startswith("volatile-"):
        remedy = "most of Frappe's keys never expire, so a full cache would refuse writes: set eviction lru"
        raise UnmetError(said, remedy=remedy)
    if policy in ("", "noeviction") or not limit:
        remedy = "a full cache that refuses writes gives 500 on every page: set a memory limit and eviction lru"
        raise UnmetError(said, remedy=remedy)
    return said


@need(
    "What the bench holds today has room",
    "the move itself",
    when=_MOVED,
    otherwise=SETTING,
    remedy="raise memory of the store",
)
def room(probe: Probe) -> str:
    """Used memory of today's store against what is free in this one. A cache starts cold, so it only gets a note."""
    holds = int(_today(probe).info("memory")["used_memory"])
    info = probe.client.info("memory")
    limit, used = int(info.get("maxmemory", 0)), int(info["used_memory"])
    said = f"today's store uses {holds // _MIB} MiB"
    if not limit:
        return f"{said}, this one has no limit"
    said += f", {max(0, limit - used) // _MIB} of {limit // _MIB} MiB are free here"
    if holds > limit - used:
        raise UnmetError(said, verdict=NOTE if probe.purpose == "cache" else "")
    return said


@need(
    "It has the modules that today's store has",
    "apps that search with frappe.cache.ft(), such as Helpdesk",
    when=_MOVED,
    otherwise=NOTE,
    remedy="see whether an app of this bench uses them; where one does, keep it on a store that has them",
)
def modules(probe: Probe) -> str:
    """Frappe itself needs none, but whoever loaded one had a reason."""
    had, has = (_modules(client) for client in (_today(probe), probe.client))
    missing = sorted(had - has)
    if missing:
        raise UnmetError(f"lacks {', '.join(missing)}")
    return f"has {', '.join(sorted(had))}" if had else "today's store has none"


def _modules(client: Any) -> set[str]:
    listed = client.info("modules").get("modules", [])
    # redis-py before 4.2 gives the line of the last module only.
    names = [listed.get("name", "")] if isinstance(listed, dict) else [module.get("name", "") for module in listed]
    return {name.lower() for name in names if name}


@need(
    "DUMP and RESTORE cross to today's store and back",
    "nothing of benchfly, which copies by type; copies by other tools",
    when=_MOVED,
    otherwise=NOTE,
    remedy="move data with benchfly only",
)
def crosses(probe: Probe) -> str:
    """One key of each type, in both directions, and the version of the format."""
    today = _today(probe)
    ways = {"to it": (today, probe.client), "back": (probe.client, today)}
    said, refused = [], False
    for way, (source, target) in ways.items():
        version, failed = _crossing(probe, source, target, way.replace(" ", "-"))
        said.append(f"{way} (format {version}) {'all types' if not failed else 'not ' + ', '.join(failed)}")
        refused = refused or bool(failed)
    if refused:
        raise UnmetError("; ".join(said))
    return "; ".join(said)


def _crossing(probe: Probe, source: Any, target: Any, way: str) -> tuple[int, list[str]]:
    """Format version that the source writes, and the types that the target does not take."""
    failed, version = [], 0
    for kind, command in _ONE_OF_EACH.items():
        name, copy = probe.name(f"{way}:{kind}"), probe.name(f"{way}:{kind}:copy")
        try:
            source.execute_command(command[0], name, *command[1:])
            source.expire(name, TTL)
            content = source.dump(name)
            version = int.from_bytes(content[-10:-8], "little")
            target.restore(copy, TTL * 1000, content)
        except redis.exceptions.ResponseError:
            failed.append(kind)
        finally:
            source.delete(name)
            target.delete(copy)
    return version, failed


_ONE_OF_EACH = {
    "string": ("SET", "value"),
    "list": ("RPUSH", "one", "two"),
    "hash": ("HSET", "field", "value"),
    "set": ("SADD", "one", "two"),
    "sorted set": ("ZADD", 1.5, "one"),
    "stream": ("XADD", "*", "field", "value"),
}

NEEDS: tuple[Need, ...] = (answers, url_suits, eviction, room, modules, crosses)
