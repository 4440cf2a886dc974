"""Moves what a bench has in its queue store to another one, so that each job exists once at every moment.

Rules come from RQ's source (1.11 to 2.6) and from drills on a live bench:
- Only a quiet source is swept: no consumer, and no client that could still write.
- A worker that was stopped between popping a job and beginning it leaves its id in no list (multi-queue workers), in
  `<queue>:intermediate` (single-queue workers), or with RQ 2 already among the started ones; its status still says
  queued. Such jobs go back to the head of their queue first.
- Live jobs (queued, deferred, scheduled, started) move before the consumers start; history (finished, failed,
  canceled) moves while they work.
- Handing over ids is one transaction on the target: the list or registry, and a marker set with the same ids. Ids in
  the marker belong to the target, whatever a killed sweep left behind in the source, so no job is queued twice.
- A job that neither store's lists name and that both stores have is a copy that a killed sweep left in one of them.
- Keys of workers, locks and suspension are not data and stay behind.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import chunks, copy_keys
from ansible_collections.benchfly.stores.plugins.module_utils.queue_keys import (
    EXECUTION,
    EXECUTIONS,
    HISTORY,
    HISTORY_REGISTRIES,
    JOB,
    LIVE_REGISTRIES,
    QUEUE,
    QUEUES,
    STARTED,
    QueueKeys,
    job_of,
)


@dataclass
class Swept:
    """What a sweep did, in numbers of jobs."""

    queued: int = 0
    deferred: int = 0
    scheduled: int = 0
    started: int = 0  # were running when their worker died; RQ on the target will fail them as abandoned
    put_back: int = 0  # popped by a worker that stopped before it began
    merged: int = 0  # the same job id was enqueued again on the target meanwhile; it stays once
    strays: int = (
        0  # neither queued nor history, and in no registry: RQ had lost sight of them, and they move as they are
    )
    history: int = 0
    foreign: int = 0  # jobs of other benches in the same store, left where they are
    queues: dict[str, int] = field(default_factory=dict)


class Loose(NamedTuple):
    """A job that waits in no list, as its hash has it."""

    queue: bytes
    status: bytes
    enqueued_at: bytes


class QueueSweep:
    """One bench's share of a queue store, on its way from `source` to `target` (redis-py clients, bytes)."""

    def __init__(self, source: Any, target: Any, bench_id: str) -> None:
        self.source, self.target = source, target
        self.prefix = bench_id.encode() + b":"
        self.marker = b"benchfly:moved:" + bench_id.encode()
        self.swept = Swept()

    def live(self, again: bool = False) -> Swept:
        """Move every live job. The source must be quiet and neither side may have a consumer.

        `again` says that workers were at work on the target: this sweep was begun before, or takes back a move that was
        cut short. Having been stopped since, they may have left popped jobs there.
        """
        self._settle(self.source, self.target)  # a reversed sweep had handed these to what is now the source
        self._settle(self.target, self.source)  # a killed sweep had handed these over already
        if again:
            self._put_back(self.target, self.source, in_use=True)
        strays = self._put_back(self.source, self.target)
        keys = QueueKeys(self.source, self.prefix)
        waiting = self._waiting(keys)
        for kind, name in LIVE_REGISTRIES.items():
            for key in keys.registries(kind):
                self._move_registry(key, name, keys, waiting)
        self._move_strays(strays, keys)
        for queue in keys.queues:
            self._move_queue(queue, keys, waiting)
        self._settle(self.target, self.source, keys)
        return self.swept

    def only_put_back(self, apart: float = 1) -> Swept:
        """Put back what stopped workers had popped from the target, and move nothing: for a move that comes to nothing.

        Workers may be at work there; a job is looked at twice, `apart` seconds, in which a living worker begins it.
        """
        self._put_back(self.target, None, in_use=True, apart=apart)
        return self.swept

    def history(self) -> Swept:
        """Move finished, failed and canceled jobs with their results and time to live. Consumers may work."""
        keys = QueueKeys(self.source, self.prefix)
        for kind in HISTORY_REGISTRIES:
            for key in keys.registries(kind):
                while entries := self.source.zrange(key, 0, 499, withscores=True):
                    jobs = [job for job, _score in entries]
                    self._hand_history(jobs, keys)
                    self.target.zadd(key, dict(entries), nx=True)
                    self.source.zrem(key, *jobs)
        # In no registry any more, and kept by RQ until their time to live is over.
        self._hand_history([job for job, it in self._loose(self.source, keys).items() if it.status in HISTORY], keys)
        return self.swept

    # -- jobs in no list -----------------------------------------------------------------------------------------

    def _put_back(self, client: Any, other: Any, in_use: bool = False, apart: float = 1) -> list[bytes]:
        """Put jobs that a stopped worker had popped back to the head of their queue, oldest first.

        The store must have no consumer. Where it is `in_use` by producers a job is looked at twice, `apart` seconds,
        in case somebody enqueues in two steps. Returns the jobs that RQ lost sight of in another state than queued.
        """
        keys = QueueKeys(client, self.prefix)
        loose = self._loose(client, keys)
        if in_use and loose:
            time.sleep(apart)
            loose = {job: it for job, it in self._loose(client, QueueKeys(client, self.prefix)).items() if job in loose}
        started = {
            member: (job_of(member, keys.jobs), key)
            for key in keys.registries(STARTED)
            for member in client.zrange(key, 0, -1)
        }
        begun = {job for job, _key in started.values() if job in loose and loose[job].status != b"queued"}
        lost = [job for job, it in loose.items() if it.status not in HISTORY and job not in begun]
        there = self._statuses(other, lost) if other is not None else {}
        copies = {job for job, status in there.items() if status and status not in HISTORY}
        stranded = {job for job in lost if loose[job].status == b"queued" and job not in copies}
        order = {job: place for key in keys.intermediate for place, job in enumerate(client.lrange(key, 0, -1))}
        pipeline = client.pipeline(transaction=True)
        for job in sorted(stranded, key=lambda job: (loose[job].enqueued_at, order.get(job, 0)), reverse=True):
            pipeline.lpush(QUEUE + loose[job].queue, job)
        for member, (job, key) in started.items():
            if job in stranded:
                pipeline.zrem(key, member)
        gone = [EXECUTIONS + job for job in stranded]
        if other is not None:
            gone += [*keys.intermediate, *keys.first_seen, *keys.parts]
        else:  # workers may be at work: the rest of those lists is theirs
            for key in keys.intermediate:
                for job in stranded:
                    pipeline.lrem(key, 0, job)
        for names in chunks(gone):
            pipeline.unlink(*names)
        pipeline.execute()
        self.swept.put_back += len(stranded)
        if client is self.source:
            self._remove_jobs(client, copies, keys)
        return [job for job in lost if job not in copies and job not in stranded]

    def _loose(self, client: Any, keys: QueueKeys) -> dict[bytes, Loose]:
        """The bench's jobs that neither wait in a list nor are deferred or scheduled.

        The lists are read after the names of the jobs: RQ enqueues in one transaction, so what is enqueued meanwhile is
        in a list. A registry of history is no place: a job may be enqueued again under an id that failed before.
        """
        placed: set[bytes] = set()
        for queue in keys.queues:
            placed.update(client.lrange(queue, 0, -1))
        for kind in LIVE_REGISTRIES:
            if kind != STARTED:
                for key in keys.registries(kind):
                    placed.update(client.zrange(key, 0, -1))
        loose: dict[bytes, Loose] = {}
        self.swept.foreign = 0
        for chunk in chunks(keys.jobs - placed):
            pipeline = client.pipeline(transaction=False)
            for job in chunk:
                pipeline.hmget(JOB + job, "origin", "status", "created_at", "enqueued_at")
            for job, (origin, status, created, enqueued) in zip(chunk, pipeline.execute()):
                if origin is None or created is None:
                    continue  # what a late heartbeat leaves of a deleted job
                if origin.startswith(self.prefix):
                    loose[job] = Loose(origin, status or b"", enqueued or b"")
                else:
                    self.swept.foreign += 1
        return loose

    @staticmethod
    def _statuses(client: Any, jobs: Iterable[bytes]) -> dict[bytes, bytes]:
        statuses: dict[bytes, bytes] = {}
        for chunk in chunks(jobs):
            pipeline = client.pipeline(transaction=False)
            for job in chunk:
                pipeline.hget(JOB + job, "status")
            statuses.update(zip(chunk, pipeline.execute()))
        return statuses

    # -- live jobs -----------------------------------------------------------------------------------------------

    def _waiting(self, keys: QueueKeys) -> set[bytes]:
        """Jobs that were enqueued on the target already, in any of the bench's queues."""
        known = {queue for queue in self.target.smembers(QUEUES) if queue.startswith(QUEUE + self.prefix)}
        return {job for queue in known.union(keys.queues) for job in self.target.lrange(queue, 0, -1)}

    def _move_queue(self, queue: bytes, keys: QueueKeys, waiting: set[bytes]) -> None:
        ids = list(dict.fromkeys(self.source.lrange(queue, 0, -1)))
        todo = [job for job in ids if job not in waiting]
        self._copy_jobs(todo, keys)
        # From the tail on, each chunk to the head: the order is kept and old jobs stay ahead of new ones.
        for chunk in reversed(list(chunks(todo))):
            pipeline = self.target.pipeline(transaction=True)
            pipeline.sadd(self.marker, *chunk)
            pipeline.lpush(queue, *reversed(chunk))
            pipeline.sadd(QUEUES, queue)
            pipeline.execute()
        self._mark_merged([job for job in ids if job in waiting])
        self.swept.queued += len(todo)
        self.swept.queues[queue[len(QUEUE) + len(self.prefix) :].decode()] = len(todo)

    def _move_registry(self, key: bytes, name: str, keys: QueueKeys, waiting: set[bytes]) -> None:
        scores = self.source.zrange(key, 0, -1, withscores=True)
        entries = [(job_of(member, keys.jobs), member, score) for member, score in scores]
        todo = [entry for entry in entries if entry[0] not in waiting]
        self._copy_jobs([job for job, _member, _score in todo], keys, executions=name == "started")
        for chunk in chunks(todo):
            pipeline = self.target.pipeline(transaction=True)
            pipeline.sadd(self.marker, *[job for job, _member, _score in chunk])
            pipeline.zadd(key, {member: score for _job, member, score in chunk}, nx=True)
            pipeline.execute()
        self._mark_merged([job for job, _member, _score in entries if job in waiting])
        setattr(self.swept, name, getattr(self.swept, name) + len(todo))

    def _move_strays(self, jobs: list[bytes], keys: QueueKeys) -> None:
        self._copy_jobs(jobs, keys)
        for chunk in chunks(jobs):
            self.target.sadd(self.marker, *chunk)
        self.swept.strays += len(jobs)

    def _mark_merged(self, jobs: list[bytes]) -> None:
        for chunk in chunks(jobs):
            self.target.sadd(self.marker, *chunk)
        self.swept.merged += len(jobs)

    # -- keys ----------------------------------------------------------------------------------------------------

    def _copy_jobs(self, jobs: list[bytes], keys: QueueKeys, executions: bool = False) -> None:
        """Copy live jobs with what they have beside their hash, unless the target has a live job of that id."""
        for chunk in chunks(jobs):
            kinds: dict[bytes, str] = {}
            for job in chunk:
                kinds.update(keys.of_job(job))
            if executions:
                kinds.update(self._executions([job for job in chunk if EXECUTIONS + job in keys.beside]))
            written = copy_keys(self.source, self.target, kinds)
            kept = self._statuses(self.target, [job for job in chunk if JOB + job not in written])
            older = {JOB + job: "hash" for job, status in kept.items() if status in HISTORY}
            if older:  # history that an earlier move left there, of the same ids
                self.target.unlink(*older)
                copy_keys(self.source, self.target, older)

    def _hand_history(self, jobs: list[bytes], keys: QueueKeys) -> None:
        """Move finished jobs; one that the target has under the same id is newer, and whoever changes it is right."""
        for chunk in chunks(jobs):
            kinds: dict[bytes, str] = {}
            for job in chunk:
                kinds.update(keys.of_job(job))
            copy_keys(self.source, self.target, kinds, verify=False)
            self._remove_jobs(self.source, chunk, keys)
            self.swept.history += len(chunk)

    def _executions(self, jobs: list[bytes]) -> dict[bytes, str]:
        """Keys of RQ 2's executions of these jobs."""
        pipeline = self.source.pipeline(transaction=False)
        for job in jobs:
            pipeline.zrange(EXECUTIONS + job, 0, -1)
        kinds = {EXECUTIONS + job: "zset" for job in jobs}
        for job, members in zip(jobs, pipeline.execute()):
            kinds.update({EXECUTION + job + b":" + member: "hash" for member in members})
        return kinds

    def _settle(self, marked: Any, other: Any, keys: QueueKeys | None = None) -> None:
        """Remove from `other`, which holds `keys`, every job that was handed over to `marked`, and then the marker."""
        handed = marked.smembers(self.marker)
        if not handed:
            return
        keys = keys or QueueKeys(other, self.prefix)
        for queue in keys.queues:
            ids = other.lrange(queue, 0, -1)
            kept = [job for job in ids if job not in handed]
            if len(kept) == len(ids):
                continue
            pipeline = other.pipeline(transaction=True)
            pipeline.delete(queue)
            for chunk in chunks(kept):
                pipeline.rpush(queue, *chunk)
            pipeline.execute()
        for kind in LIVE_REGISTRIES:
            for key in keys.registries(kind):
                gone = [member for member in other.zrange(key, 0, -1) if job_of(member, handed) in handed]
                for chunk in chunks(gone):
                    other.zrem(key, *chunk)
        self._remove_jobs(other, handed, keys)
        marked.delete(self.marker)

    @staticmethod
    def _remove_jobs(client: Any, jobs: Collection[bytes], keys: QueueKeys) -> None:
        for chunk in chunks(jobs):
            names = [name for job in chunk for name in (*keys.of_job(job), EXECUTIONS + job)]
            client.unlink(*names)
