"""Counts what a bench has in its stores, and says whether a move is complete."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    CACHE_KEY,
    QUEUE_KEY,
    SOCKETIO_KEY,
    Bench,
    redact,
    same_store,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import BenchProcess
from ansible_collections.benchfly.stores.plugins.module_utils.cache_sweep import durable_keys, is_pending_work
from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import escaped
from ansible_collections.benchfly.stores.plugins.module_utils.queue_keys import QueueKeys
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    StoreError,
    connect,
    server,
    writers,
)

REGISTRIES = ("wip", "deferred", "scheduled", "finished", "failed", "canceled")

DEAF = (
    ". If it runs, it waits on a connection that is dead, as after a power cut of the store's host, and so do workers: "
    "restart them"
)


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and what was seen."""

    check: str
    ok: bool
    detail: str


def census(client: Any, bench_id: str) -> dict[str, int]:
    """Jobs of a bench in a queue store, by where they stand: queued, and each of RQ's registries."""
    keys = QueueKeys(client, bench_id.encode() + b":")
    counts = {"queued": sum(client.llen(key) for key in keys.queues)}
    for registry in REGISTRIES:
        counts[registry] = sum(client.zcard(key) for key in keys.registries(f"rq:{registry}:".encode()))
    return counts


def realtime_key(bench: Bench) -> str:
    """The key whose store carries realtime events: redis_socketio in Frappe v14, redis_queue from v15 on."""
    return SOCKETIO_KEY if bench.version_of("frappe").partition(".")[0] in ("13", "14") else QUEUE_KEY


def durable_items(client: Any, bench: Bench) -> int:
    """Entries of the cache's durable lists, which SQL does not have yet."""
    found = durable_keys(client, bench.databases())
    return sum(client.llen(key) for key, plain in found.items() if key == plain and is_pending_work(key))


def workers(client: Any, bench_id: str) -> int:
    """Workers that are registered for any queue of the bench."""
    names: set[bytes] = set()
    for key in client.scan_iter(match=b"rq:workers:" + escaped(bench_id.encode() + b":") + b"*", count=1000):
        names.update(name for name in client.smembers(key) if client.exists(name))
    return len(names)


def staying(client: Any, apart: float = 1) -> list[dict[str, str]]:
    """The store's writers in both of two looks, `apart` seconds: a host that verifies, too, has no name at first."""
    first = {entry.get("addr") for entry in writers(client)}
    if not first:
        return []
    time.sleep(apart)
    return [entry for entry in writers(client) if entry.get("addr") in first]


class Verification:
    """Checks that a bench works on the stores that `urls` names and has left those that `former` names."""

    def __init__(self, bench: Bench, processes: list[BenchProcess], urls: dict[str, str], former: dict[str, str]):
        self.bench, self.processes, self.urls = bench, processes, urls
        self.former = {key: url for key, url in former.items() if key in urls and not same_store(url, urls[key])}

    def checks(self, patience: float) -> list[Check]:
        """Every check; what takes processes some seconds to reach is waited for, `patience` seconds at most."""
        found = [self._configuration(), self._running()]
        found += [self._answers(key) for key in (CACHE_KEY, QUEUE_KEY) if key in self.urls]
        if QUEUE_KEY in self.urls:
            client = connect(self.urls[QUEUE_KEY])
            found.append(self._workers(client, patience))
        realtime = realtime_key(self.bench)
        if realtime in self.urls:
            found.append(self._realtime(realtime, patience))
        found += [self._left(key) for key in (QUEUE_KEY, CACHE_KEY) if key in self.former]
        return found

    def _configuration(self) -> Check:
        config = self.bench.config()
        wrong = [
            f"{key} names {redact(config.get(key, ''))}" for key, url in self.urls.items() if config.get(key) != url
        ]
        where = ", ".join(f"{key} {redact(url)}" for key, url in sorted(self.urls.items()))
        return Check("configuration names the stores", not wrong, "; ".join(wrong) or where)

    def _running(self) -> Check:
        down = [f"{process.name} is {process.state}" for process in self.processes if process.state != "RUNNING"]
        return Check("processes run", not down, "; ".join(down) or f"{len(self.processes)} processes")

    def _answers(self, key: str) -> Check:
        found = server(connect(self.urls[key]))
        return Check(f"{key} answers", True, f"{found['engine']} {found['version']} at {redact(self.urls[key])}")

    def _workers(self, client: Any, patience: float) -> Check:
        wanted = len(
            [
                process
                for process in self.processes
                if "-worker" in process.name.partition(":")[2] and process.state == "RUNNING"
            ]
        )
        found = _wait_for(lambda: workers(client, self.bench.bench_id()), wanted, patience)
        return Check("workers are registered in the queue store", found >= wanted, f"{found} of {wanted}")

    def _realtime(self, key: str, patience: float) -> Check:
        client = connect(self.urls[key])
        wanted = len([process for process in self.processes if process.role == "socketio"])
        found = _wait_for(lambda: dict(client.pubsub_numsub("events")).get(b"events", 0), wanted, patience)
        advice = "" if found >= wanted else DEAF
        return Check(f"socketio listens on {key}", found >= wanted, f"{found} of {wanted}{advice}")

    def _left(self, key: str) -> Check:
        """Nothing of the bench is left in a former store, and nobody of it is connected there."""
        where = redact(self.former[key])
        try:
            client = connect(self.former[key])
        except StoreError:
            return Check(f"former {key} at {where} is left", True, "it does not run any more")
        if key == QUEUE_KEY:
            counts = census(client, self.bench.bench_id())
            left = {name: count for name, count in counts.items() if count}
        else:
            items = durable_items(client, self.bench)
            left = {"durable items": items} if items else {}
        connected = staying(client)
        seen = [f"{count} {name}" for name, count in left.items()]
        seen += [f"client {entry.get('addr')} connected" for entry in connected[:3]]
        return Check(f"former {key} at {where} is left", not seen, ", ".join(seen) or "empty, nobody connected")


def _wait_for(look: Any, wanted: int, patience: float) -> int:
    deadline = time.monotonic() + patience
    while (found := int(look())) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
