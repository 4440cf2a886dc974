"""What the stores that a bench uses today say of themselves and of who is there, seen from one of its hosts."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import PURPOSE_KEYS, QUEUE_KEY, Bench
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    CLIENT_NAME,
    StoreError,
    clients,
    connect,
    redis,
)

_TIMEOUT = 5.0


def identities(bench: Bench) -> dict[str, str]:
    """What tells each of today's servers from any other, however its URL is written; empty for one out of reach."""
    found = {}
    for key in PURPOSE_KEYS.values():
        url = bench.config().get(key)
        if url:
            try:
                info = connect(str(url), timeout=_TIMEOUT).info()
            except (StoreError, redis.exceptions.RedisError):
                info = {}
            # Dragonfly has no run_id.
            found[key] = str(info.get("run_id") or info.get("master_replid") or "")
    return found


def callers(bench: Bench) -> list[str]:
    """Addresses from which clients, other than benchfly's, are connected to today's queue store."""
    url = bench.config().get(QUEUE_KEY)
    try:
        listed = clients(connect(str(url), timeout=_TIMEOUT)) if url else []
    except (StoreError, redis.exceptions.RedisError):
        return []
    found = {entry.get("addr", "").rpartition(":")[0] for entry in listed if entry.get("name") != CLIENT_NAME}
    return sorted(address for address in found if address and not address.startswith("/"))


def addresses() -> list[str]:
    """Addresses of this host, as a store may see them."""
    found = {"127.0.0.1", "::1"}
    lines = Path("/proc/net/fib_trie").read_text().splitlines() if Path("/proc/net/fib_trie").exists() else []
    for above, line in zip(lines, lines[1:]):
        if "/32 host LOCAL" in line:
            found.add(above.split()[-1])
    inet6 = Path("/proc/net/if_inet6")
    for line in inet6.read_text().splitlines() if inet6.exists() else []:
        found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])))
    return sorted(found)


def look(bench: Bench) -> dict[str, Any]:
    """All of it; nothing but addresses when this Python has no redis-py."""
    return {"addresses": addresses(), "servers": identities(bench), "callers": callers(bench)}
