"""Jobs of every kind and durable items of the cache, planted once: they go along with every move, and none may change.

They are made by the bench's own RQ on its first host, in a queue of their own that no worker serves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.scene import APPS, BENCH, SITE, STORES, Scene

QUEUE = f"{BENCH}:planted"
KINDS = {"queued": 5, "deferred": 3, "scheduled": 3, "finished": 4, "failed": 3, "canceled": 2}
ITEMS = 40
DAY = 86400
# RQ 2, of v16, takes no colon in an id.
SEPARATOR = {"14": "::", "15": "::", "16": "||"}
PLANT = f"""
import json, sys
from datetime import datetime, timedelta, timezone
from redis import Redis
from rq import Queue, SimpleWorker
kinds = {KINDS}
connection = Redis.from_url(json.load(open("sites/common_site_config.json"))["redis_queue"])
queue = Queue("{QUEUE}", connection=connection)
def enqueue(kind, number, argument=1, **more):
    id = f"{SITE}{{separator}}planted-{{kind}}-{{number}}"
    more |= dict(job_id=id, result_ttl={DAY}, failure_ttl={DAY})
    return queue.enqueue_call("operator.index", args=(argument,), **more)
for number in range(kinds["finished"]):
    enqueue("finished", number)
for number in range(kinds["failed"]):
    enqueue("failed", number, argument="no number")
SimpleWorker([queue], connection=connection).work(burst=True, logging_level="ERROR")
for number in range(kinds["canceled"]):
    enqueue("canceled", number).cancel()
queued = [enqueue("queued", number) for number in range(kinds["queued"])]
for number in range(kinds["deferred"]):
    enqueue("deferred", number, depends_on=queued[0])
for number in range(kinds["scheduled"]):
    at = datetime.now(timezone.utc) + timedelta(days=1)
    queue.enqueue_at(at, "operator.index", number, job_id=f"{SITE}{{separator}}planted-scheduled-{{number}}")
"""
LISTS = ("monitor-transactions", "global_search_queue")  # to which the load adds
REGISTRIES = ("deferred", "scheduled", "finished", "failed", "canceled", "wip")
LEEWAY = 5  # seconds by which a time to live may differ: it is copied in whole milliseconds, and hosts are busy


@dataclass
class Planted:
    """What was planted, as it was read back: key -> its value, and the moment when it expires (None: never)."""

    scene: Scene
    before: dict[str, tuple[str, float | None]] = field(default_factory=dict)

    def plant(self) -> None:
        python = f"cd {self.scene.bench.path} && env/bin/python -W ignore - "
        host = self.scene.host(APPS[0])
        separator = f"separator = '{SEPARATOR[self.scene.frappe]}'"
        host.exec(["sh", "-c", f"{python} <<'END'\n{separator}\n{PLANT}\nEND"])
        cache = self.scene.store("old1", "cache")
        for name in ("insert_queue_for_Planted", "monitor-transactions"):
            cache.rpush(self._key(name), *self._items())
        cache.lpush(self._key("global_search_queue"), *self._items())
        cache.set(self._key("changelog-planted"), "kept")
        self.before = self._look("old1")
        jobs = sum(key.startswith("rq:job:") and key[-1].isdigit() for key in self.before)
        if jobs != sum(KINDS.values()):
            raise RuntimeError(f"{jobs} jobs were planted, not {sum(KINDS.values())}")

    def differences(self, at: str) -> list[str]:
        """What is not as it was planted: in the stores of `old` or `new`, and whether any of it is elsewhere too."""
        here = f"{at}1"
        elsewhere = next(host for host in STORES if host != here)
        now = self._look(here)
        found = [f"{key} is gone from {here}" for key in self.before if key not in now]
        found += [f"{key} is in {elsewhere}" for key in self._look(elsewhere)]
        for key, (value, expires) in now.items():
            then, expired = self.before.get(key, (None, None))
            if value != then:
                found.append(f"{key} was {then}, is {value}")
            elif (expires is None) != (expired is None) or abs((expires or 0) - (expired or 0)) > LEEWAY:
                found.append(f"{key} was to expire at {expired}, is to expire at {expires}")
        return found + self._twice(here)

    def trim(self, at: str) -> None:
        """Leave of the lists that the load adds to what was planted."""
        cache = self.scene.store(f"{at}1", "cache")
        for name in LISTS:
            planted = self._planted(cache, name)
            cache.delete(self._key(name))
            cache.rpush(self._key(name), *planted)
        cache.delete(self._key("insert_queue_for_Route History"))

    def _look(self, host: str) -> dict[str, tuple[str, float | None]]:
        return self._jobs(self.scene.store(host, "queue")) | self._durable(self.scene.store(host, "cache"))

    def _jobs(self, queue: Any) -> dict[str, tuple[str, float | None]]:
        found: dict[str, Any] = {}
        names = [key.decode() for key in queue.scan_iter(match="rq:*planted*", count=5000)]
        read: dict[str, Callable[[str], Any]] = {
            "hash": lambda name: sorted(queue.hgetall(name).items()),
            "list": lambda name: queue.lrange(name, 0, -1),
            "zset": lambda name: queue.zrange(name, 0, -1, withscores=True),
            "set": lambda name: sorted(queue.smembers(name)),
            "stream": lambda name: queue.xrange(name),
            "none": lambda name: None,
        }
        for name in sorted(names):
            if name.startswith(("rq:clean_registries", "rq:worker")):
                continue
            value = read[queue.type(name).decode()](name)
            if value:
                life = queue.pttl(name)
                found[name] = (repr(value), None if life < 0 else round(time.time() + life / 1000, 1))
        return found

    def _durable(self, cache: Any) -> dict[str, tuple[str, float | None]]:
        parts = {name: self._planted(cache, name) for name in ("insert_queue_for_Planted", *LISTS)}
        parts["changelog-planted"] = cache.get(self._key("changelog-planted"))
        return {self._key(name): (repr(value), None) for name, value in parts.items() if value}

    def _planted(self, cache: Any, name: str) -> list[bytes]:
        """What was planted of a list, in its order. Items of the load may be before or behind."""
        return [item for item in cache.lrange(self._key(name), 0, -1) if b'"planted"' in item]

    def _twice(self, host: str) -> list[str]:
        """Items that stand in a durable list more than once; each request of the load makes a different one."""
        cache, found = self.scene.store(host, "cache"), []
        for name in ("global_search_queue", "insert_queue_for_Planted"):
            items = cache.lrange(self._key(name), 0, -1)
            if len(items) != len(set(items)):
                found.append(f"{name} on {host} has {len(items) - len(set(items))} items twice")
        return found

    def _items(self) -> list[str]:
        return [json.dumps({"planted": number}) for number in range(ITEMS)]

    def _key(self, name: str) -> str:
        site = json.loads((self.scene.bench.path / f"sites/{SITE}/site_config.json").read_text())
        return f"{site['db_name']}|{name}"
