"""Moves what a bench has in its queue store to another one, so that each job exists once at every moment.

Rules come from RQ's source (1.11 to 2.6) and from drills on a live bench:
- Only a quiet source is swept: no consumer, and no client that could still write.
- A worker that was stopped between popping a job and marking it leaves its id in no list (multi-queue workers) or in
  `<queue>:intermediate` (single-queue workers); such jobs go back to the head of their queue first.
- Live jobs (queued, deferred, scheduled, started) move before the consumers start; history (finished, failed,
  canceled) moves while they work.
- Handing over ids is one transaction on the target: the list or registry, and a marker set with the same ids. Ids in
  the marker belong to the target, whatever a killed sweep left behind in the source, so no job is queued twice.
- Keys of workers, locks and suspension are not data and stay behind.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Dict, Tuple

from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import chunks, copy_keys, escaped

QUEUES, QUEUE, JOB, RESULTS = b"rq:queues", b"rq:queue:", b"rq:job:", b"rq:results:"
LIVE_REGISTRIES = {b"rq:deferred:": "deferred", b"rq:scheduled:": "scheduled", b"rq:wip:": "started"}
HISTORY_REGISTRIES = (b"rq:finished:", b"rq:failed:", b"rq:canceled:")
HISTORY = (b"finished", b"failed", b"canceled", b"stopped")
INTERMEDIATE, DEPENDENTS = b":intermediate", b":dependents"

# Job id -> (queue name, status, time of enqueueing), as RQ's hash has them.
Jobs = Dict[bytes, Tuple[bytes, bytes, bytes]]


@dataclass
class Swept:
    """What a sweep did, in numbers of jobs."""

    queued: int = 0
    deferred: int = 0
    scheduled: int = 0
    started: int = 0  # were running when their worker died; RQ on the target will fail them as abandoned
    put_back: int = 0  # popped by a worker that stopped before it began
    merged: int = 0  # the same job id was enqueued again on the target meanwhile; it stays once
    history: int = 0
    foreign: int = 0  # jobs of other benches in the same store, left where they are
    queues: dict[str, int] = field(default_factory=dict)


class QueueSweep:
    """One bench's share of a queue store, on its way from `source` to `target` (redis-py clients, bytes)."""

    def __init__(self, source: Any, target: Any, bench_id: str) -> None:
        self.source, self.target = source, target
        self.prefix = bench_id.encode() + b":"
        self.marker = b"benchfly:moved:" + bench_id.encode()
        self.swept = Swept()

    def live(self, reversing: bool = False) -> Swept:
        """Move every live job. The source must be quiet and neither side may have a consumer.

        `reversing` says that a move the other way was cut short, so that its stopped workers may have left popped
        jobs in what is now the target.
        """
        self._settle(self.source, self.target)  # a reversed sweep had handed these to what is now the source
        self._settle(self.target, self.source)  # a killed sweep had handed these over already
        if reversing:
            self.put_back(self.target, in_use=True)
        jobs = self.put_back(self.source)
        for registry in LIVE_REGISTRIES:
            for key in self._keys(self.source, registry):
                self._move_registry(key, LIVE_REGISTRIES[registry], jobs)
        for queue in self._queues(self.source):
            self._move_queue(queue)
        self._settle(self.target, self.source)
        self._drop_copies([job for job, (_origin, status, _at) in jobs.items() if status not in HISTORY])
        return self.swept

    def put_back(self, client: Any, in_use: bool = False) -> Jobs:
        """Put jobs that a stopped worker had popped back to the head of their queue, oldest first; return all jobs.

        The store must have no consumer. Where it is `in_use` by producers a job is looked at twice, a second apart,
        in case somebody enqueues in two steps.
        """
        for key in self._keys(client, QUEUE):
            if not key.endswith(INTERMEDIATE):
                continue
            popped = client.lrange(key, 0, -1)
            pipeline = client.pipeline(transaction=True)
            pipeline.lpush(key[: -len(INTERMEDIATE)], *reversed(popped))
            pipeline.delete(key)
            pipeline.execute()
            self.swept.put_back += len(popped)
        jobs, stranded = self._stranded(client)
        if in_use and stranded:
            time.sleep(1)
            jobs, still = self._stranded(client)
            stranded = [job for job in still if job in stranded]
        for job in sorted(stranded, key=lambda job: jobs[job][2], reverse=True):
            client.lpush(QUEUE + jobs[job][0], job)
        self.swept.put_back += len(stranded)
        return jobs

    def history(self) -> Swept:
        """Move finished, failed and canceled jobs with their results and time to live. Consumers may work."""
        for registry in HISTORY_REGISTRIES:
            for key in self._keys(self.source, registry):
                while entries := self.source.zrange(key, 0, 499, withscores=True):
                    jobs = [job for job, _score in entries]
                    self._copy_jobs(jobs, verify=False)  # whoever deletes or requeues one meanwhile is right
                    self.target.zadd(key, dict(entries), nx=True)
                    self._remove_jobs(self.source, jobs)
                    self.source.zrem(key, *jobs)
                    self.swept.history += len(jobs)
        return self.swept

    # -- what is there -------------------------------------------------------------------------------------------

    def _keys(self, client: Any, kind: bytes) -> list[bytes]:
        """Keys of one kind that belong to the bench's queues."""
        return sorted(client.scan_iter(match=escaped(kind + self.prefix) + b"*", count=1000))

    def _queues(self, client: Any) -> list[bytes]:
        return [key for key in self._keys(client, QUEUE) if INTERMEDIATE not in key]

    def _jobs(self, client: Any) -> Jobs:
        """Every job of this bench in a store."""
        jobs: Jobs = {}
        self.swept.foreign = 0
        for chunk in chunks(client.scan_iter(match=JOB + b"*", count=1000)):
            keys = [key for key in chunk if not key.endswith((DEPENDENTS, b":dependencies"))]
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, "origin", "status", "created_at", "enqueued_at")
            for key, (origin, status, created, enqueued) in zip(keys, pipeline.execute()):
                if origin is None or created is None:
                    continue  # what a late heartbeat leaves of a deleted job
                if origin.startswith(self.prefix):
                    jobs[key[len(JOB) :]] = (origin, status or b"", enqueued or b"")
                else:
                    self.swept.foreign += 1
        return jobs

    def _stranded(self, client: Any) -> tuple[Jobs, list[bytes]]:
        """All jobs, and those that are queued by their status and stand nowhere.

        Jobs are read before the lists: RQ enqueues in one transaction, so what is enqueued meanwhile is in a list.
        """
        jobs = self._jobs(client)
        placed: set[bytes] = set()
        for queue in self._queues(client):
            placed.update(client.lrange(queue, 0, -1))
        for registry in LIVE_REGISTRIES:
            for key in self._keys(client, registry):
                placed.update(_job_of(member, jobs) for member in client.zrange(key, 0, -1))
        return jobs, [job for job, (_origin, status, _at) in jobs.items() if status == b"queued" and job not in placed]

    # -- live jobs -----------------------------------------------------------------------------------------------

    def _move_queue(self, queue: bytes) -> None:
        ids = list(dict.fromkeys(self.source.lrange(queue, 0, -1)))
        waiting = set(self.target.lrange(queue, 0, -1))
        todo = [job for job in ids if job not in waiting]
        self._copy_jobs(todo)
        # From the tail on, each chunk to the head: the order is kept and old jobs stay ahead of new ones.
        for chunk in reversed(list(chunks(todo))):
            pipeline = self.target.pipeline(transaction=True)
            pipeline.sadd(self.marker, *chunk)
            pipeline.lpush(queue, *reversed(chunk))
            pipeline.sadd(QUEUES, queue)
            pipeline.execute()
        merged = [job for job in ids if job in waiting]
        for chunk in chunks(merged):
            self.target.sadd(self.marker, *chunk)
        self.swept.merged += len(merged)
        self.swept.queued += len(todo)
        self.swept.queues[queue[len(QUEUE) + len(self.prefix) :].decode()] = len(todo)

    def _move_registry(self, key: bytes, name: str, jobs: Jobs) -> None:
        entries = self.source.zrange(key, 0, -1, withscores=True)
        self._copy_jobs([_job_of(member, jobs) for member, _score in entries], executions=name == "started")
        for chunk in chunks(entries):
            pipeline = self.target.pipeline(transaction=True)
            pipeline.sadd(self.marker, *[_job_of(member, jobs) for member, _score in chunk])
            pipeline.zadd(key, dict(chunk), nx=True)
            pipeline.execute()
        setattr(self.swept, name, getattr(self.swept, name) + len(entries))

    # -- keys ----------------------------------------------------------------------------------------------------

    def _copy_jobs(self, jobs: Iterable[bytes], executions: bool = False, verify: bool = True) -> None:
        """Copy jobs with their results and the jobs that wait for them, unless the target has them."""
        for chunk in chunks(jobs):
            kinds = {JOB + job: "hash" for job in chunk}
            kinds.update({RESULTS + job: "stream" for job in chunk})
            kinds.update({JOB + job + DEPENDENTS: "set" for job in chunk})
            if executions:
                kinds.update(self._executions(chunk))
            copy_keys(self.source, self.target, kinds, verify)

    def _executions(self, jobs: list[bytes]) -> dict[bytes, str]:
        """Keys of RQ 2's executions of these jobs."""
        pipeline = self.source.pipeline(transaction=False)
        for job in jobs:
            pipeline.zrange(b"rq:executions:" + job, 0, -1)
        kinds = {b"rq:executions:" + job: "zset" for job in jobs}
        for job, members in zip(jobs, pipeline.execute()):
            kinds.update({b"rq:execution:" + job + b":" + member: "hash" for member in members})
        return kinds

    def _settle(self, marked: Any, other: Any) -> None:
        """Remove from `other` every job that was handed over to `marked`, and then the marker."""
        handed = marked.smembers(self.marker)
        if not handed:
            return
        for queue in self._queues(other):
            ids = other.lrange(queue, 0, -1)
            kept = [job for job in ids if job not in handed]
            if len(kept) == len(ids):
                continue
            pipeline = other.pipeline(transaction=True)
            pipeline.delete(queue)
            for chunk in chunks(kept):
                pipeline.rpush(queue, *chunk)
            pipeline.execute()
        for registry in LIVE_REGISTRIES:
            for key in self._keys(other, registry):
                gone = [member for member in other.zrange(key, 0, -1) if _job_of(member, handed) in handed]
                for chunk in chunks(gone):
                    other.zrem(key, *chunk)
        self._remove_jobs(other, handed)
        marked.delete(self.marker)

    def _drop_copies(self, jobs: Iterable[bytes]) -> None:
        """Remove what a killed sweep the other way had copied here and not handed over: the target has the original."""
        for chunk in chunks(jobs):
            pipeline = self.target.pipeline(transaction=False)
            for job in chunk:
                pipeline.exists(JOB + job)
            self._remove_jobs(self.source, [job for job, there in zip(chunk, pipeline.execute()) if there])

    def _remove_jobs(self, client: Any, jobs: Iterable[bytes]) -> None:
        for chunk in chunks(jobs):
            pipeline = client.pipeline(transaction=False)
            for job in chunk:
                pipeline.unlink(JOB + job, RESULTS + job, JOB + job + DEPENDENTS, b"rq:executions:" + job)
            pipeline.execute()


def _job_of(member: bytes, jobs: Container[bytes]) -> bytes:
    """The job id of a registry's member: RQ 2 writes `<job>:<execution>`, and an older id may itself have `:`."""
    return member if member in jobs else member.rpartition(b":")[0] or member
