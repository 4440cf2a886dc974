"""A real RQ worker whose TERM meets the flush of RQ's own log, and what ends it after all.

    python tests/stores/deaf_worker.py URL FOLDER JOBS

Runs under a bench's own Python, whatever its RQ. Prints as JSON what was seen.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from collections import Counter
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.store_client import connect
from ansible_collections.benchfly.stores.plugins.module_utils.worker_end import tell_again
from rq import Queue, SimpleWorker
from stopped_workers import BENCH, LOG, term

TAKEN = f"{BENCH}:short: "  # how the line of a job begins that was popped
SECONDS = 0.05  # of a job


class Flushed(logging.StreamHandler):  # type: ignore[type-arg]
    """Tells its own process to end as the line of the third job is written out."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.taken = TAKEN in record.getMessage()
        super().emit(record)

    def flush(self) -> None:
        super().flush()
        if self.taken:
            self.taken = False
            Flushed.lines += 1
            if Flushed.lines == 3:
                term()


def run_worker(url: str) -> None:
    logging.raiseExceptions = False  # what it swallows it says nothing of, then
    logger = logging.getLogger("rq.worker")
    logger.addHandler(Flushed(io.StringIO()))
    logger.setLevel(logging.INFO)
    connection = connect(url)
    SimpleWorker([Queue(f"{BENCH}:short", connection=connection)], connection=connection).work(logging_level="INFO")


def main() -> None:
    url, folder, number = sys.argv[1:]
    client = connect(url)
    queue = Queue(f"{BENCH}:short", connection=client)
    jobs = [f"job-{n}" for n in range(int(number))]
    for job in jobs:
        queue.enqueue_call("stopped_workers.note", args=(folder, job, SECONDS), job_id=job)
    pid = os.fork()
    if not pid:
        run_worker(url)
        os._exit(0)
    log, deadline = Path(folder) / LOG, time.monotonic() + 60
    while not log.exists() or len(log.read_text().split()) < 8:  # long after it was told
        assert time.monotonic() < deadline
        time.sleep(0.05)
    alive, told = os.waitpid(pid, os.WNOHANG) == (0, 0), 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline
        told += tell_again(client, pid)
        time.sleep(0.02)
    begun = log.read_text().split()
    statuses = Counter(client.hget(f"rq:job:{job}", "status").decode() for job in jobs)
    waiting = client.llen(f"rq:queue:{BENCH}:short")
    seen = {"alive": alive, "told": told, "begun": len(begun), "twice": len(begun) - len(set(begun))}
    print(json.dumps({**seen, "statuses": statuses, "waiting": waiting}))  # noqa: T201


if __name__ == "__main__":
    main()
