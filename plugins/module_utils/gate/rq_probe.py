"""RQ's own classes, kept apart from every other bench's queues and workers on the same store."""

from __future__ import annotations

import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import UnmetError
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import TTL, Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import SETTING

SCRAPED = "start the server with --primary_port_http_enabled=false (role dragonfly does) and scrape over RESP"

# The sets in which RQ lists all queues and workers, one of the probe's own, which ACL rules for RQ's keys allow too.
_LISTS = "rq:benchfly-probe:{}:{}"
_OF_A_QUEUE = (
    "rq:queue:{}", "rq:queue:{}:intermediate", "rq:wip:{}", "rq:finished:{}", "rq:failed:{}", "rq:deferred:{}",
    "rq:scheduled:{}", "rq:canceled:{}", "rq:clean_registries:{}", "rq:workers:{}", "rq:workers:rq:queue:{}",
)  # fmt: skip
_OF_A_JOB = ("rq:job:{}", "rq:job:{}:dependents", "rq:job::{}:dependencies", "rq:results:{}", "rq:executions:{}")


class RqProbe:
    """Queues, jobs and a worker on one connection; what they write is the probe's to remove."""

    def __init__(self, probe: Probe, connection: Any) -> None:
        from rq import Queue, SimpleWorker  # the bench's own

        self.probe, self.connection = probe, connection
        queues, workers = (probe.own(_LISTS.format(probe.id, name)) for name in ("queues", "workers"))

        class ProbeQueue(Queue):  # type: ignore[misc]
            redis_queues_keys = queues

        class ProbeWorker(SimpleWorker):  # type: ignore[misc]
            redis_workers_keys = workers
            queue_class = ProbeQueue

            def _install_signal_handlers(self) -> None:
                """The module's own stay."""

            def handle_payload(self, message: Any) -> None:
                """Hear commands without obeying: the job to be stopped runs in this very process."""
                self.heard.append(message["data"])

        self._queue_class, self._worker_class = ProbeQueue, ProbeWorker

    def queue(self, prefix: str = "") -> Any:
        """A new queue; `prefix` such as `<bench_id>:`, where rules for keys ask for it."""
        name = f"{prefix}benchfly-probe-{uuid.uuid4().hex}"
        for template in _OF_A_QUEUE:
            self.probe.own(template.format(name))
        return self._queue_class(name, connection=self.connection)

    def enqueue(self, queue: Any, function: str, *arguments: Any, **options: Any) -> Any:
        """A job as Frappe enqueues one, with an id of its own."""
        job_id = f"benchfly-probe-{uuid.uuid4().hex}"
        for template in _OF_A_JOB:
            self.probe.own(template.format(job_id))
        options = {"ttl": TTL, "result_ttl": TTL, "failure_ttl": TTL, "timeout": 30, **options}
        job = queue.enqueue_call(function, args=arguments, job_id=job_id, **options)
        self.probe.expire()
        return job

    def worker(self, queue: Any) -> Any:
        """A worker that runs jobs in this process. At its birth it asks CLIENT SETNAME and CLIENT LIST.

        Raises UnmetError where RQ before 2.0 ends at a line without a name, which any scraper's connection may have.
        """
        name = f"benchfly-probe-{uuid.uuid4().hex}"
        self.probe.own(f"rq:worker:{name}")
        try:
            worker = self._worker_class([queue], name=name, connection=self.connection)
        except KeyError as error:
            raise UnmetError(f"a worker ends at its birth: KeyError: {error}", SETTING, SCRAPED) from error
        worker.heard = []
        return worker

    def run(self, queue: Any, worker: Any = None) -> str:
        """Work until the queue is empty; the error that ended the worker, if any."""
        with _kept_log() as errors:
            (worker or self.worker(queue)).work(burst=True)
        self.probe.expire()
        return "; ".join(errors)

    def dequeue(self, queues: list[Any], timeout: int | None) -> str:
        """Id of the next job, taken as this RQ's workers do; empty when there is none. Blocks for `timeout` seconds."""
        from rq.exceptions import DequeueTimeout

        try:
            taken = self._queue_class.dequeue_any(queues, timeout, connection=self.connection)
        except DequeueTimeout:
            return ""
        return str(taken[0].id) if taken else ""


@contextmanager
def _kept_log() -> Iterator[list[str]]:
    """Collect the errors that end RQ's worker (a job's own are none), which it logs and swallows."""
    errors: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "quitting" in record.getMessage() and record.exc_info:
                errors.append(f"{sys.exc_info()[0].__name__}: {record.exc_info[1]}")  # type: ignore[union-attr]

    logger, keep = logging.getLogger("rq.worker"), Keep()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(keep)  # with a handler there, RQ adds none that writes to standard output
    try:
        yield errors
    finally:
        logger.removeHandler(keep)
        logger.propagate = propagates


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Do something in a thread while the block runs; what went wrong there is in the list afterwards."""
    wrong: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:  # told to whoever started it
            wrong.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield wrong
    finally:
        thread.join()


RELEASED = threading.Event()
HELD = f"{__name__}.held"


def held() -> None:
    """A job that runs until it is released, at most ten seconds."""
    RELEASED.wait(10)


def until(seen: Callable[[], Any], seconds: float = 5) -> bool:
    """Whether something comes to be seen in that time; hosts may be busy."""
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
