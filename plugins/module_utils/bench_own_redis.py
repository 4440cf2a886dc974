"""A bench's own redis servers: where bench has written what of them, and whether anybody still needs one."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_census import census, durable_items
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    CACHE_KEY,
    QUEUE_KEY,
    Bench,
    redact,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import CLIENT_NAME, clients

# Key of the configuration -> bench's name of the program, after the bench's own.
PROGRAMS = {CACHE_KEY: "redis-cache", QUEUE_KEY: "redis-queue"}
# Keys of RQ that name a queue, and so a bench.
_OF_A_QUEUE = re.compile(rb"rq:(?:queue|wip|finished|failed|deferred|scheduled|canceled):(.*)", re.DOTALL)


@dataclass(frozen=True)
class OwnStore:
    """A redis program of the bench that a move has left."""

    key: str  # redis_cache or redis_queue
    program: str  # as its manager names it, without the group
    url: str
    data: str  # where its RDB is, if it has one

    @property
    def described(self) -> str:
        return f"{self.program} at {redact(self.url)}"


def redis_settings(bench: Bench, key: str) -> dict[str, str]:
    """Directives of bench's own configuration file of that redis; none where there is no file."""
    path = bench.path / "config" / f"{key}.conf"
    if not path.is_file():
        return {}
    pairs = (line.partition(" ")[::2] for line in path.read_text(encoding="utf-8").splitlines())
    return {name: value.strip() for name, value in pairs if name}


def is_local(host: str) -> bool:
    """Whether an address of that name is this host's."""
    try:
        addresses = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, protocol, _name, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            try:
                probe.bind(address)
                return True
            except OSError:
                continue
    return False


def names_program(content: bytes, bench: Bench, key: str) -> bool:
    """Whether a supervisor.conf or a Procfile names the program of that redis."""
    section = f"[program:{bench.path.name}-{PROGRAMS[key]}]".encode()
    return any(line.strip() == section or line.startswith(f"{key}:".encode()) for line in content.splitlines())


def without_sections(content: bytes, sections: set[str]) -> bytes:
    """An INI file without some of its sections, and nothing else changed."""
    kept, keep = [], True
    for line in content.splitlines(keepends=True):
        if line.startswith(b"["):
            keep = line.strip().strip(b"[]").decode() not in sections
        if keep:
            kept.append(line)
    return b"".join(kept)


def without_lines(content: bytes, keys: set[str]) -> bytes:
    """A Procfile without the processes of these names, and nothing else changed."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if line.partition(b":")[0].decode(errors="replace") not in keys)


def foreign_keys(client: Any, bench: Bench, key: str) -> Iterator[bytes]:
    """Keys of a former store that are not this bench's: of another bench, or of something else."""
    mine = bench.bench_id().encode() + b":"
    sites = tuple(config.get("db_name", "").encode() + b"|" for config in bench.site_configs().values())
    if key == QUEUE_KEY:
        yield from (queue for queue in client.smembers("rq:queues") if not queue.startswith(b"rq:queue:" + mine))
    for name in client.scan_iter(count=1000):
        if name.startswith(b"benchfly:"):
            continue
        if key == CACHE_KEY:
            # Without a `|` it is the bench's as a whole, such as assets_json.
            foreign = name.startswith(b"rq:") or (b"|" in name and not name.startswith(sites))
        else:
            queue = _OF_A_QUEUE.match(name)
            foreign = not name.startswith(b"rq:") or bool(queue and not queue.group(1).startswith(mine))
            if name.startswith(b"rq:job:") and client.type(name) == b"hash":
                foreign = not (client.hget(name, "origin") or mine).startswith(mine)
        if foreign:
            yield name


def in_use(client: Any, bench: Bench, key: str) -> str:
    """Why a former store must not be stopped; empty when nobody is connected and it has nothing that is needed."""
    others = [one for one in clients(client) if one.get("name") != CLIENT_NAME and one.get("http") != "true"]
    if others:
        return f"client {others[0].get('addr')} is connected to it"
    number = client.connection_pool.connection_kwargs.get("db", 0)
    if set(client.info("keyspace")) - {f"db{number}"}:
        return f"it holds keys in another database than {number}"
    found = next(foreign_keys(client, bench, key), None)
    if found is not None:
        return f"it holds {found.decode(errors='replace')}, which is not this bench's"
    left = _live(client, bench, key)
    return f"{left} jobs or entries of this bench are still in it" if left else ""


def _live(client: Any, bench: Bench, key: str) -> int:
    if key == CACHE_KEY:
        return durable_items(client, bench)
    counts = census(client, bench.bench_id())
    return sum(counts[registry] for registry in ("queued", "wip", "deferred", "scheduled"))
