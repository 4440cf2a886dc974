"""Holds what was acknowledged during a case against what was executed, by the logs of the bench's hosts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.faults.load import Answer
from tests.faults.scene import BENCH, Scene

LOGS = ("started", "executed", "scheduled")
DRAIN = 90.0  # seconds that the queues may take to run empty after a case


@dataclass(frozen=True)
class Account:
    """Jobs of one case; tuples hold job ids. A killed one was running when its host's power was cut: it had begun
    there, and nothing ended it. A failed one ran, and RQ has it as failed, with its exception."""

    acknowledged: int
    executed: int
    lost: tuple[str, ...]
    waiting: tuple[str, ...]  # still in a queue when time was up
    twice: tuple[str, ...]
    killed: tuple[str, ...]
    failed: tuple[str, ...]
    unacknowledged: int  # executed, although nobody was told that they were enqueued
    refused: int  # requests that failed


class Ledger:
    """From the moment it is made, until account()."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.offsets = {(host, log): self._size(host, log) for host in scene.apps for log in LOGS}

    def account(self, answers: list[Answer], at: str, killed: dict[str, float], untouched: bool) -> Account:
        """Once the queues have run empty, or have had time to; `killed` is host -> when its power was cut.

        Where a move was `untouched`, because nothing of it had begun or all had ended, a job that a worker of such a
        host had popped and not begun counts as killed, too: nobody but a sweep looks for those.
        """
        acknowledged = {job for answer in answers for job in answer.job_ids}
        deadline = time.monotonic() + DRAIN
        while True:
            logs = {(host, log): self._lines(host, log) for host in self.scene.apps for log in LOGS}
            executed = Counter(line[1] for host in self.scene.apps for line in logs[host, "executed"])
            started = Counter(line[1] for host in self.scene.apps for line in logs[host, "started"])
            scheduled = {line[1] for host in self.scene.apps for line in logs[host, "scheduled"]}
            held = {
                line[1]
                for host, moment in killed.items()
                for line in logs[host, "started"]
                if float(line[2]) <= moment and line[1] not in executed
            }
            lost = (acknowledged | scheduled) - executed.keys() - held
            held |= self._held_by(killed, at, lost, untouched)
            lost -= held
            failed = self._failed(at, lost)
            lost -= failed
            waiting = self._waiting(at)
            if (not lost and not waiting) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        return Account(
            acknowledged=len(acknowledged | scheduled),
            executed=len(executed),
            lost=tuple(sorted(lost - waiting)),
            waiting=tuple(sorted(lost & waiting)),
            twice=tuple(sorted(job for job, count in (executed | (started - executed)).items() if count > 1)),
            killed=tuple(sorted(held & (acknowledged | scheduled))),
            failed=tuple(sorted(failed)),
            unacknowledged=len(executed.keys() - acknowledged - scheduled),
            refused=sum(bool(answer.error) for answer in answers),
        )

    def _held_by(self, hosts: Iterable[str], at: str, jobs: set[str], untouched: bool) -> set[str]:
        """Jobs that by RQ's own record a worker on one of the hosts had begun, or popped."""
        queue: Any = self.scene.store(f"{at}1", "queue")
        held = set()
        for job in jobs if hosts else ():
            status, worker = (value or b"" for value in queue.hmget(f"rq:job:{job}", "status", "worker_name"))
            begun = status in (b"started", b"failed") and worker.decode().split(".")[1:2] in [[host] for host in hosts]
            if begun or (untouched and status == b"queued"):
                held.add(job)
        return held - self._waiting(at)

    def _failed(self, at: str, jobs: set[str]) -> set[str]:
        queue: Any = self.scene.store(f"{at}1", "queue")
        return {job for job in jobs if queue.hget(f"rq:job:{job}", "status") == b"failed"}

    def _waiting(self, at: str) -> set[str]:
        """Jobs in the queues, but those planted."""
        queue: Any = self.scene.store(f"{at}1", "queue")
        names = [f"rq:queue:{BENCH}:{name}" for name in ("short", "default", "long", "bulk")]
        return {job.decode() for name in names for job in queue.lrange(name, 0, -1)}

    def _lines(self, host: str, log: str) -> list[list[str]]:
        text = self.scene.read(host, self._path(log), self.offsets[host, log])
        return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _size(self, host: str, log: str) -> int:
        size = self.scene.host(host).exec(["stat", "-c", "%s", str(self._path(log))], check=False).stdout
        return int(size or 0)

    def _path(self, log: str) -> Any:
        return self.scene.bench.path / f"logs/{log}.log"
