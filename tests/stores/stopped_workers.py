"""Stops real RQ workers between popping a job and beginning it, sweeps, and counts what became of every job.

    python tests/stores/stopped_workers.py SOURCE TARGET FOLDER ROUNDS

Runs under a bench's own Python, whatever its RQ. Prints an Outcome as JSON for each way to stop, and for single- and
multi-queue workers. In a round some jobs are enqueued, a worker is started and stopped in that way, the sweep moves
what is left, and a worker on the target runs it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import rq
from ansible_collections.benchfly.stores.plugins.module_utils.queue_sweep import QueueSweep
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import connect, redis, wait_until_quiet
from rq import Queue, Worker

BENCH = "home-frappe-frappe-bench"
QUEUES = {"single": ["short"], "multi": ["short", "default"]}
JOBS = 6
# What every job writes a line to when it begins.
LOG = "begun.log"


@dataclass
class Outcome:
    """Of all rounds with one way to stop one kind of worker, in jobs."""

    workers: str
    way: str
    rounds: int = 0
    put_back: int = 0  # by the sweep: popped, and in no queue any more
    running: int = 0  # begun, and killed with their worker; they are handed over as started, and not run again
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # keys of jobs that the source still has


def note(folder: str, job: str, seconds: float) -> None:
    """The job itself."""
    with (Path(folder) / LOG).open("a") as log:
        log.write(job + "\n")
    time.sleep(seconds)


def term() -> None:
    """A warm stop, as supervisord's."""
    os.kill(os.getpid(), signal.SIGTERM)


def armed(way: str, countdown: int) -> type[Worker]:
    """A worker that stops itself at that moment of the job whose turn it is when the countdown ends."""
    turns = [countdown]

    def due() -> bool:
        turns[0] -= 1
        return turns[0] == 0

    class Popping(Queue):
        """Stops its worker as soon as the server has given it a job, with whatever command."""

    for name in ("lpop", "lmove"):
        if hasattr(Queue, name):
            former = getattr(Queue, name).__func__

            def popped(cls, *arguments, former=former, **options):  # type: ignore[no-untyped-def]
                result = former(cls, *arguments, **options)
                if way == "popped" and result is not None and due():
                    term()
                return result

            setattr(Popping, name, classmethod(popped))

    class Armed(Worker):
        queue_class = Popping

        def execute_job(self, job, queue):  # type: ignore[no-untyped-def]
            if way == "fetched" and due():
                term()
            super().execute_job(job, queue)

        def fork_work_horse(self, job, queue):  # type: ignore[no-untyped-def]
            now = way.startswith(("before fork", "after fork")) and due()
            if now and way.startswith("before"):
                self._end()  # RQ 2 has entered the job among the started ones by now
            super().fork_work_horse(job, queue)
            if now and way.startswith("after"):
                time.sleep(random.random() * 0.02)
                self._end()

        def _end(self) -> None:
            term()
            if way.endswith("cold"):
                # RQ passes over a second TERM within a second; this one comes two seconds later.
                if getattr(self, "_shutdown_requested_date", None):
                    self._shutdown_requested_date -= timedelta(seconds=2)
                term()

    return Armed


WAYS = (
    "popped",
    "fetched",
    "before fork, cold",
    "after fork, cold",
    "after fork",
    "any time",
    "any time, killed",
    "killed while it waits",
)


def work(url: str, queues: list[str], kind: type[Worker], burst: bool = False) -> int:
    """Start a worker as a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    # As supervisord starts one: RQ kills a job that began only now by the group of its worker.
    os.setsid()
    try:
        connection = redis.Redis.from_url(url)
        names = [f"{BENCH}:{queue}" for queue in queues]
        kind([kind.queue_class(name, connection=connection) for name in names], connection=connection).work(
            burst=burst, logging_level="CRITICAL"
        )
    except BaseException as error:
        sys.stderr.write(f"worker: {error!r}\n" if not isinstance(error, SystemExit) else "")
    finally:
        os._exit(0)


def enqueue(url: str, names: list[str], queues: list[str], folder: str) -> None:
    with redis.Redis.from_url(url) as client:
        for number, name in enumerate(names):
            queue = Queue(f"{BENCH}:{queues[number % len(queues)]}", connection=client)
            queue.enqueue_call("stopped_workers.note", args=(folder, name, 0.005), job_id=name)
        client.connection_pool.disconnect()


def stop(url: str, way: str, names: list[str], queues: list[str], folder: str) -> None:
    """Have a worker work on the jobs, and end it in that way."""
    if way == "killed while it waits":  # with the server about to hand it a job
        pid = work(url, queues, Worker)
        time.sleep(0.1 + random.random() * 0.1)
        os.kill(pid, signal.SIGKILL)
        enqueue(url, names, queues, folder)
    else:
        enqueue(url, names, queues, folder)
        pid = work(url, queues, armed(way, random.randint(1, len(names))))
        if way.startswith("any time"):
            time.sleep(0.03 + random.random() * 0.25)
            # supervisord kills when stopwaitsecs are over, and RQ's horses have a group of their own and go on.
            os.kill(pid, signal.SIGKILL if way.endswith("killed") else signal.SIGTERM)
    os.waitpid(pid, 0)


def play(urls: tuple[str, str], queues: list[str], way: str, folder: str, outcome: Outcome) -> None:
    source, target = (connect(url) for url in urls)
    source.flushall()
    target.flushall()
    log = Path(folder) / LOG
    log.write_text("")
    # As Frappe v14 and v15 name them, or v16, whose RQ takes no colon in an id.
    separator = "::" if rq.VERSION.startswith("1.") else "||"
    names = [f"site1.localhost{separator}{outcome.rounds}-{number}" for number in range(JOBS)]
    stop(urls[0], way, names, queues, folder)
    wait_until_quiet(source, urls[0], 30)
    swept = QueueSweep(source, target, BENCH).live()
    running = {name for name in names if target.hget(f"rq:job:{name}", "status") == b"started"}
    os.waitpid(work(urls[1], queues, Worker, burst=True), 0)
    begun = Counter(log.read_text().split())
    outcome.rounds += 1
    outcome.put_back += swept.put_back
    outcome.running += len(running)
    outcome.lost += [name for name in names if not begun[name] and name not in running]
    outcome.twice += [name for name in names if begun[name] > 1]
    QueueSweep(source, target, BENCH).history()
    outcome.left += [key.decode() for key in (*source.keys("rq:job:*"), *source.keys("rq:queue:*"))]
    for client in (source, target):
        client.connection_pool.disconnect()


def wait_for_two(urls: tuple[str, str], folder: str) -> Outcome:
    """A job that waits for two others moves with them, and runs when both have run and not before."""
    source, target = (connect(url) for url in urls)
    source.flushall()
    target.flushall()
    log = Path(folder) / LOG
    log.write_text("")
    with redis.Redis.from_url(urls[0]) as client:
        queues = {name: Queue(f"{BENCH}:{name}", connection=client) for name in ("short", "default")}
        for name in queues:
            queues[name].enqueue_call("stopped_workers.note", args=(folder, name, 0), job_id=name)
        queues["short"].enqueue_call(
            "stopped_workers.note", args=(folder, "then", 0), job_id="then", depends_on=["short", "default"]
        )
        client.connection_pool.disconnect()
    QueueSweep(source, target, BENCH).live()
    os.waitpid(work(urls[1], ["short"], Worker, burst=True), 0)
    early = log.read_text().split()
    os.waitpid(work(urls[1], ["default", "short"], Worker, burst=True), 0)
    late = log.read_text().split()
    outcome = Outcome("single", "not at all; a job waits for two others", rounds=1)
    outcome.lost = [name for name in ("short", "default", "then") if name not in late]
    outcome.twice = ["then, too early"] if "then" in early else [name for name in late if late.count(name) > 1]
    outcome.left = [key.decode() for key in source.keys("rq:job:*")]
    return outcome


def main() -> None:
    source, target, folder, rounds = sys.argv[1:]
    sys.stdout.write(json.dumps(asdict(wait_for_two((source, target), folder))) + "\n")
    for workers, queues in QUEUES.items():
        for way in WAYS:
            outcome = Outcome(workers, way)
            for _ in range(int(rounds)):
                play((source, target), queues, way, folder, outcome)
            sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
