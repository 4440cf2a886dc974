"""RQ's keys (1.11 to 2.6), and which of them a queue store holds, by one SCAN whatever their number."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import BESIDE

QUEUES, QUEUE, JOB = b"rq:queues", b"rq:queue:", b"rq:job:"
STARTED = b"rq:wip:"
LIVE_REGISTRIES = {b"rq:deferred:": "deferred", b"rq:scheduled:": "scheduled", STARTED: "started"}
HISTORY_REGISTRIES = (b"rq:finished:", b"rq:failed:", b"rq:canceled:")
HISTORY = (b"finished", b"failed", b"canceled", b"stopped")
RESULTS, EXECUTIONS, EXECUTION = b"rq:results:", b"rq:executions:", b"rq:execution:"
# Who waits for a job, and what it waits for.
DEPENDENTS, DEPENDENCIES = b":dependents", b":dependencies"
# A single-queue worker's jobs between the queue and the started ones, and when RQ 2 first saw one there.
INTERMEDIATE, FIRST_SEEN = b":intermediate", b":intermediate:first_seen:"
_COUNT = 5000  # keys that one SCAN looks at: a millisecond or two of the server's time


class QueueKeys:
    """Names of a queue store's keys: queues and registries of one bench, and what there is of anybody's jobs."""

    def __init__(self, client: Any, prefix: bytes) -> None:
        """`prefix` is what the names of the bench's queues begin with."""
        self.jobs: set[bytes] = set()  # ids
        self.beside: dict[bytes, str] = {}  # keys that jobs have beside their hash -> type
        self.parts: list[bytes] = []  # that a killed copy left
        self._own: dict[bytes, list[bytes]] = {}
        for key in client.scan_iter(match=b"*rq:*", count=_COUNT):
            if key.startswith(BESIDE + b"rq:"):
                self.parts.append(key)
            elif key.startswith(JOB):
                if key.endswith((DEPENDENTS, DEPENDENCIES)):
                    self.beside[key] = "set"
                else:
                    self.jobs.add(key[len(JOB) :])
            elif key.startswith(RESULTS):
                self.beside[key] = "stream"
            elif key.startswith(EXECUTIONS):
                self.beside[key] = "zset"
            elif key.startswith(b"rq:"):
                kind = key[: key.find(b":", len(b"rq:")) + 1]
                if key.startswith(prefix, len(kind)):
                    self._own.setdefault(kind, []).append(key)

    def registries(self, kind: bytes) -> list[bytes]:
        """Keys of the bench's registries of one kind."""
        return sorted(self._own.get(kind, []))

    @property
    def queues(self) -> list[bytes]:
        """Lists of waiting jobs."""
        return [key for key in self.registries(QUEUE) if not key.endswith(INTERMEDIATE) and FIRST_SEEN not in key]

    @property
    def intermediate(self) -> list[bytes]:
        """Lists of jobs that a worker had popped and not begun."""
        return [key for key in self.registries(QUEUE) if key.endswith(INTERMEDIATE)]

    @property
    def first_seen(self) -> list[bytes]:
        return [key for key in self.registries(QUEUE) if FIRST_SEEN in key]

    def of_job(self, job: bytes) -> dict[bytes, str]:
        """A job's hash, and its other keys that are there, but for its executions: key -> type."""
        # RQ itself writes a colon too many before the id in the last one.
        names = (RESULTS + job, JOB + job + DEPENDENTS, JOB + b":" + job + DEPENDENCIES)
        return {JOB + job: "hash", **{name: self.beside[name] for name in names if name in self.beside}}


def job_of(member: bytes, jobs: Container[bytes]) -> bytes:
    """The job id of a registry's member: RQ 2 writes `<job>:<execution>`, and an older id may itself have `:`."""
    return member if member in jobs else member.rpartition(b":")[0] or member
