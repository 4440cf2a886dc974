"""One trial of a sweep there and back, under the bench's own Python: sweep_trial.py SOURCE TARGET queue|cache SIZE

Prints seconds as JSON. The floor of each is the same keys read and written by bare pipelines, with no rule kept:
nothing is looked for, compared, renamed into place or removed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import redis
from ansible_collections.benchfly.stores.plugins.module_utils.cache_sweep import CacheSweep
from ansible_collections.benchfly.stores.plugins.module_utils.queue_sweep import QueueSweep

BENCH, SITE = "home-frappe-frappe-bench", "_5e5899d8398b5f7b"
QUEUE = f"rq:queue:{BENCH}:short"
CHUNK = 500
ITEMS, SETTINGS = 10_000, 2_000
# What Frappe v15 leaves in the hash of a job with few arguments.
JOB = {
    "created_at": "2026-11-22T10:00:00.000000Z",
    "data": bytes(range(256)) * 3,
    "origin": f"{BENCH}:short",
    "description": "frappe.utils.background_jobs.execute_job(method='frappe.numbered.run', site='site1.localhost')",
    "timeout": 300,
    "result_ttl": 600,
    "failure_ttl": 604800,
    "status": "queued",
    "enqueued_at": "2026-11-22T10:00:00.000000Z",
    "started_at": "",
    "ended_at": "",
    "last_heartbeat": "",
    "worker_name": "",
    "success_callback_name": "",
    "failure_callback_name": "",
}


def fill_queue(client: redis.Redis, jobs: int) -> None:
    for start in range(0, jobs, CHUNK):
        pipeline = client.pipeline(transaction=False)
        names = [f"site1.localhost::{number:036}" for number in range(start, min(start + CHUNK, jobs))]
        for name in names:
            pipeline.hset(f"rq:job:{name}", mapping=JOB)
        pipeline.rpush(QUEUE, *names)
        pipeline.sadd("rq:queues", QUEUE)
        pipeline.execute()


def copy_queue(source: redis.Redis, target: redis.Redis) -> None:
    names = source.lrange(QUEUE, 0, -1)
    for start in range(0, len(names), CHUNK):
        chunk = names[start : start + CHUNK]
        reader, writer = source.pipeline(transaction=False), target.pipeline(transaction=False)
        for name in chunk:
            reader.hgetall(b"rq:job:" + name)
        for name, job in zip(chunk, reader.execute(), strict=True):
            writer.hset(b"rq:job:" + name, mapping=job)
        writer.rpush(QUEUE, *chunk)
        writer.execute()


def fill_cache(client: redis.Redis, megabytes: int) -> None:
    """Values of 4 KiB, as a Frappe cache has them, and what is durable, which is the same for every size."""
    client.execute_command("DEBUG", "POPULATE", megabytes * 256, f"{SITE}|document_cache", 4096)
    for _start in range(0, ITEMS, CHUNK):
        client.rpush(f"{SITE}|insert_queue_for_Route History", *["x" * 300] * CHUNK)
    client.hset(f"{SITE}|_user_settings", mapping={f"ToDo::{number}": "y" * 150 for number in range(SETTINGS)})


def copy_cache(source: redis.Redis, target: redis.Redis) -> None:
    key = f"{SITE}|insert_queue_for_Route History"
    items = source.lrange(key, 0, -1)
    for start in range(0, len(items), CHUNK):
        target.rpush(key, *items[start : start + CHUNK])
    target.hset(f"{SITE}|_user_settings", mapping=source.hgetall(f"{SITE}|_user_settings"))


def timed(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return round(time.monotonic() - started, 4)


def queue(old: redis.Redis, new: redis.Redis, jobs: int) -> dict[str, float]:
    fill_queue(old, jobs)
    seconds = {}
    for way, source, target in (("there", old, new), ("back", new, old)):
        seconds[f"{way} floor"] = timed(lambda: copy_queue(source, target))  # noqa: B023 (called at once)
        target.flushall()
        seconds[way] = timed(lambda: QueueSweep(source, target, BENCH).live())  # noqa: B023
        if target.llen(QUEUE) != jobs or source.exists(QUEUE):
            raise SystemExit(f"{way}: {target.llen(QUEUE)} of {jobs} jobs arrived")
    return seconds


def cache(old: redis.Redis, new: redis.Redis, megabytes: int) -> dict[str, float]:
    fill_cache(old, megabytes)
    seconds = {}
    for way, source, target in (("there", old, new), ("back", new, old)):
        seconds[f"{way} prepare"] = timed(lambda: CacheSweep(None, target, [SITE]).start_cold())  # noqa: B023
        seconds[f"{way} floor"] = timed(lambda: copy_cache(source, target))  # noqa: B023
        target.flushall()
        seconds[way] = timed(lambda: CacheSweep(source, target, [SITE]).run())  # noqa: B023
        if target.llen(f"{SITE}|insert_queue_for_Route History") != ITEMS:
            raise SystemExit(f"{way}: not every item arrived")
    return seconds


if __name__ == "__main__":
    first, second, purpose, size = sys.argv[1:]
    stores = redis.Redis.from_url(first), redis.Redis.from_url(second)
    sys.stdout.write(json.dumps({"queue": queue, "cache": cache}[purpose](*stores, int(size))) + "\n")
