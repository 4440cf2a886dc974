"""Jobs as RQ's keys have them, where a test wants to say itself where they stand."""

from __future__ import annotations

import random

import redis

BENCH = "home-frappe-frappe-bench"
SHORT, LONG = f"rq:queue:{BENCH}:short", f"rq:queue:{BENCH}:long"


def add_job(client: redis.Redis, job: str, queue: str = "short", status: str = "queued", **fields: str) -> None:
    """A job hash as RQ writes it; where its id stands is up to the test."""
    created = fields.pop("enqueued_at", "2026-11-22T10:00:00.000000Z")
    client.hset(
        f"rq:job:{job}",
        mapping={
            "origin": f"{BENCH}:{queue}",
            "status": status,
            "created_at": created,
            "enqueued_at": created,
            "data": bytes(random.Random(job).randbytes(300)),
            **fields,
        },
    )


def enqueue(client: redis.Redis, *jobs: str, queue: str = "short") -> None:
    for job in jobs:
        add_job(client, job, queue)
        client.rpush(f"rq:queue:{BENCH}:{queue}", job)
    client.sadd("rq:queues", f"rq:queue:{BENCH}:{queue}")


def listed(client: redis.Redis, key: str) -> list[str]:
    return [job.decode() for job in client.lrange(key, 0, -1)]
