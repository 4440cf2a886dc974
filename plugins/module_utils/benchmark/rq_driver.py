"""Enqueues jobs and runs workers with the RQ of the Python that runs it: a program of its own, in that Python.

    BENCHFLY_URL=redis://… python rq_driver.py worker NAME
    BENCHFLY_URL=redis://… python rq_driver.py drive '{"name": …, "rate": …, "seconds": …, "bytes": …, "job_ms": …}'

`NAME` is of the queue, and what job and worker ids begin with. Driving prints JSON: when each job was due and was
finished (Unix time), and how many were not within ten seconds after the last.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timezone
from typing import Any

_GRACE = 10.0


def work(payload: str, job_ms: int) -> int:
    """The job."""
    time.sleep(job_ms / 1000)
    return len(payload)


def _connection() -> Any:
    import redis

    return redis.Redis.from_url(os.environ["BENCHFLY_URL"])


def _worker(name: str) -> None:
    from rq import Queue, Worker

    connection = _connection()
    Worker([Queue(name, connection=connection)], connection=connection, name=f"{name}-{os.getpid()}").work()


def _drive(name: str, rate: float, seconds: float, bytes: int, job_ms: int) -> dict[str, Any]:  # noqa: A002
    from rq import Queue
    from rq.job import Job

    connection = _connection()
    queue, due, started = Queue(name, connection=connection), {}, time.time()
    for number in range(int(rate * seconds)):
        moment = started + number / rate
        time.sleep(max(0.0, moment - time.time()))
        identifier = f"{name}-{number}"
        queue.enqueue("rq_driver.work", "x" * bytes, job_ms, job_id=identifier, result_ttl=600)
        due[identifier] = moment
    deadline, ended = time.time() + _GRACE, {}
    while len(ended) < len(due) and time.time() < deadline:
        for job in Job.fetch_many([each for each in due if each not in ended], connection=connection):
            if job is not None and job.get_status() == "finished" and job.ended_at:
                ended[job.id] = job.ended_at.replace(tzinfo=timezone.utc).timestamp()
        time.sleep(0.2)
    return {"started": started, "jobs": [[due[each], ended[each]] for each in ended], "lost": len(due) - len(ended)}


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        _worker(sys.argv[2])
    else:
        sys.stdout.write(json.dumps(_drive(**json.loads(sys.argv[2]))))
