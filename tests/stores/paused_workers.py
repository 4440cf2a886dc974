"""Pauses real RQ workers, whatever the RQ: one runs a job, one waits for one, and one is started afterwards.

    python tests/stores/paused_workers.py URL FOLDER

Runs under a bench's own Python. Prints as JSON what was seen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.store_client import connect, redis
from ansible_collections.benchfly.stores.plugins.module_utils.worker_pause import pause, resume
from rq import Queue, Worker
from stopped_workers import BENCH, LOG, work


def states(client: redis.Redis) -> list[str]:
    return sorted(str(worker.get_state()) for worker in Worker.all(connection=client))


def wait_for(client: redis.Redis, wanted: list[str]) -> None:
    deadline = time.monotonic() + 60
    while states(client) != wanted:
        assert time.monotonic() < deadline, (states(client), wanted)
        time.sleep(0.05)


def main() -> None:
    url, folder = sys.argv[1:]
    client = connect(url)
    queue = Queue(f"{BENCH}:short", connection=client)

    def enqueue(name: str, seconds: float) -> None:
        queue.enqueue_call("stopped_workers.note", args=(folder, name, seconds), job_id=name)

    def begun() -> list[str]:
        return (Path(folder) / LOG).read_text().split()

    enqueue("running", 8)
    pids = [work(url, ["short"], Worker) for _ in range(2)]
    wait_for(client, ["busy", "idle"])
    late = pause(client, BENCH, 1)
    enqueue("meanwhile", 0)
    again = pause(client, BENCH, 60)  # as a run that resumes: nobody is told twice, which would end the job
    pids.append(work(url, ["short"], Worker))
    wait_for(client, ["suspended"])
    status = client.hget("rq:job:running", "status")
    seen = {"late": late, "again": again, "asleep": begun(), "job": status.decode()}
    resume(client)
    deadline = time.monotonic() + 60
    while len(begun()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    seen |= {"awake": begun(), "ended": pause(client, BENCH, 60), "suspended": resume(client)}
    for pid in pids:
        os.waitpid(pid, 0)
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    main()
