"""Needs of RQ: the life of a job, with the bench's own version of it."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Need, UnmetError, expect, need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import TTL, Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.rq_probe import (
    HELD,
    RELEASED,
    SCRAPED,
    RqProbe,
    meanwhile,
    until,
)
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NOTE, SETTING

_QUEUE = ("queue",)
_SUSPENDED = "rq:suspended"


def _rq(probe: Probe) -> RqProbe:
    # A connection of its own, because a worker gives its connection a name.
    return RqProbe(probe, probe.another())


@need("A job is enqueued and read back", "frappe.enqueue", purposes=_QUEUE)
def enqueue(probe: Probe) -> str:
    """MULTI with HSET and RPUSH, and HGETALL."""
    from rq.job import Job

    rq = _rq(probe)
    job = rq.enqueue(rq.queue(), "operator.index", 1)
    again = Job.fetch(job.id, connection=rq.connection)
    expect("the job", (again.func_name, again.args, again.get_status()), ("operator.index", (1,), "queued"))
    return "it came back the same"


@need("A worker takes the next job, and waits for one", "workers of one queue and of several", purposes=_QUEUE)
def take(probe: Probe) -> str:
    """LMOVE and BLMOVE or LPOP and BLPOP, as this RQ does, at once and woken from waiting."""
    rq = _rq(probe)
    for queues in ([rq.queue()], [rq.queue(), rq.queue()]):
        job = rq.enqueue(queues[-1], "operator.index", 1)
        expect(f"taking from {len(queues)} queues", rq.dequeue(queues, None), job.id)
        late: list[str] = []

        def push(queue: Any = queues[-1], late: list[str] = late) -> None:
            time.sleep(0.2)
            late.append(rq.enqueue(queue, "operator.index", 1).id)

        with meanwhile(push):
            woken = rq.dequeue(queues, 5)
        expect(f"waiting at {len(queues)} queues", [woken], late)
    return "at once and after waiting, from one queue and from two"


@need("A worker runs jobs to their end", "bench worker, the pages RQ Job and RQ Worker", purposes=_QUEUE)
def run(probe: Probe) -> str:
    """A real worker: started, finished and failed registries, results, and jobs that wait for others."""
    from rq.registry import DeferredJobRegistry, FailedJobRegistry, FinishedJobRegistry

    rq = _rq(probe)
    queue = rq.queue()
    good = rq.enqueue(queue, "operator.index", 7)
    bad = rq.enqueue(queue, "operator.truediv", 1, 0)
    after = rq.enqueue(queue, "operator.index", 8, depends_on=good)
    expect("the deferred registry", DeferredJobRegistry(queue=queue).get_job_ids(), [after.id])
    error = rq.run(queue)
    if error:
        raise UnmetError(f"the worker ended: {error}")
    expect("the finished registry", set(FinishedJobRegistry(queue=queue).get_job_ids()), {good.id, after.id})
    expect("the failed registry", FailedJobRegistry(queue=queue).get_job_ids(), [bad.id])
    expect("the result", _result(good), 7)
    streams = rq.connection.exists(f"rq:results:{good.id}")
    return f"finished, failed and deferred jobs, results in {'streams' if streams else 'hashes'}"


def _result(job: Any) -> Any:
    """What a job returned: an attribute that became a method."""
    job.refresh()
    value = job.return_value
    return value() if callable(value) else value


@need("A running job is seen, and its worker hears commands", "stopping a job on the page RQ Job", purposes=_QUEUE)
def stop(probe: Probe) -> str:
    """The started registry and the worker's channel, while a worker runs a job."""
    from rq.command import send_stop_job_command
    from rq.registry import StartedJobRegistry

    rq = _rq(probe)
    queue = rq.queue()
    job, worker = rq.enqueue(queue, HELD), rq.worker(queue)
    started = StartedJobRegistry(queue=queue).key
    missing: list[str] = []

    def look() -> None:
        try:
            missing.extend([] if until(lambda: rq.connection.zcard(started)) else ["the started registry stayed empty"])
            send_stop_job_command(rq.connection, job.id)
            missing.extend([] if until(lambda: worker.heard) else ["the worker did not hear the command"])
        finally:
            RELEASED.set()

    RELEASED.clear()
    with meanwhile(look) as wrong:
        error = rq.run(queue, worker)
    missing += [f"the worker ended: {error}"] if error else []
    missing += [f"{type(one).__name__}: {one}" for one in wrong]
    if missing:
        raise UnmetError("; ".join(missing))
    return "in the started registry; its worker heard the command"


@need("Workers can be suspended", "rq suspend and rq resume", purposes=_QUEUE)
def suspend(probe: Probe) -> str:
    """With a key of the probe's own, since RQ's suspends every bench on the store."""
    from rq import suspension

    rq, key = _rq(probe), suspension.WORKERS_SUSPENDED
    queue = rq.queue()
    rq.enqueue(queue, "operator.index", 1)
    suspension.WORKERS_SUSPENDED = probe.name("suspended")
    try:
        suspension.suspend(rq.connection, ttl=TTL)
        rq.run(queue)
        expect("jobs left by a suspended worker", queue.count, 1)
        suspension.resume(rq.connection)
        rq.run(queue)
        expect("jobs left by a resumed worker", queue.count, 0)
    finally:
        suspension.WORKERS_SUSPENDED = key
    return "a suspended worker left the job, a resumed one ran it"


@need(
    "Workers are not suspended",
    "every bench on the store",
    purposes=_QUEUE,
    otherwise=SETTING,
    remedy="find out who suspended them, and run `rq resume` or delete the key",
)
def not_suspended(probe: Probe) -> str:
    """RQ's key that stops every worker is not set."""
    if probe.client.exists(_SUSPENDED):
        raise UnmetError(f"{_SUSPENDED} is set: no worker on this store takes a job")
    return f"{_SUSPENDED} is not set"


@need(
    "RQ's script that empties a queue may touch the jobs",
    "bench purge-jobs",
    purposes=_QUEUE,
    otherwise=SETTING,
    remedy="allow RQ's script by its SHA with --lua_undeclared_keys_shas (role dragonfly does)",
)
def empty(probe: Probe) -> str:
    """Queue.empty() deletes keys that it did not declare."""
    rq = _rq(probe)
    queue = rq.queue()
    job = rq.enqueue(queue, "operator.index", 1)
    expect("emptying a queue of one", queue.empty(), 1)
    expect("jobs left", rq.connection.exists(job.key), 0)
    return "1 job removed"


@need(
    "A worker is born while /metrics is read",
    "RQ when a worker starts; before 2.0 it wants a name on each line of CLIENT LIST",
    purposes=_QUEUE,
    otherwise=SETTING,
    remedy=SCRAPED,
)
def birth(probe: Probe) -> str:
    """CLIENT SETNAME and CLIENT LIST under a scraper's open connection, as this RQ reads them."""
    rq = _rq(probe)
    with probe.bare(http=True):
        worker = rq.worker(rq.queue())
    if worker.ip_address == "unknown":
        raise UnmetError("the worker does not find itself in CLIENT LIST", verdict=NOTE)
    return "it found itself in CLIENT LIST"


NEEDS: tuple[Need, ...] = (enqueue, take, run, stop, suspend, not_suspended, empty, birth)
