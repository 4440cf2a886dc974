"""Has RQ's workers end after the job in hand, and keeps those that are started in their place from taking any."""

from __future__ import annotations

import time
from typing import Any

# How much longer than asked workers stay suspended when the controller dies: enough for their pods to end.
MARGIN = 300


def pause(client: Any, bench_id: str, timeout: int) -> list[str]:
    """Suspend, and wait until each worker of now has ended; those that a job holds after `timeout` seconds.

    A worker reads the suspension before it waits for a job, not while it waits: one that waits would take another.
    Told to end it takes none, and one that runs a job ends after that.
    """
    from rq.command import send_shutdown_command
    from rq.suspension import suspend

    suspend(client, timeout + MARGIN)
    deadline = time.monotonic() + timeout
    former = {name for name in _workers(client, bench_id) if _takes_jobs(client, name)}
    for name in former:
        # A second command would end the job in the midst.
        if not client.hget(f"rq:worker:{name}", "shutdown_requested_date"):
            send_shutdown_command(client, name)
    while True:
        left = former & _workers(client, bench_id)
        if not left:
            return []
        if time.monotonic() > deadline:
            return [f"worker {name} (job {_job_of(client, name)})" for name in sorted(left)]
        time.sleep(0.2)


def resume(client: Any) -> bool:
    """Let workers take jobs again; whether they were suspended."""
    from rq.suspension import resume as end_suspension

    return bool(end_suspension(client))


def _workers(client: Any, bench_id: str) -> set[str]:
    """Names of RQ's workers on any queue of the bench."""
    from rq import Worker

    every = Worker.all(connection=client)
    return {one.name for one in every if any(name.startswith(f"{bench_id}:") for name in one.queue_names())}


def _takes_jobs(client: Any, name: str) -> bool:
    """Whether it lives, which its subscription to commands tells, and is not suspended already."""
    from rq.command import PUBSUB_CHANNEL_TEMPLATE

    lives = client.pubsub_numsub(PUBSUB_CHANNEL_TEMPLATE % name)[0][1]
    return bool(lives) and client.hget(f"rq:worker:{name}", "state") != b"suspended"


def _job_of(client: Any, name: str) -> str:
    job = client.hget(f"rq:worker:{name}", "current_job")
    return job.decode(errors="replace") if job else "none"
