"""Users of a bench with two hosts: jobs, pages and cleared caches at a fixed rate, each request to one host's web.

It runs in a thread, in the controller's network. A request that is not answered in time counts as failed, and whatever
it may have enqueued as unacknowledged.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.fleet.hosts import Fleet

# Jobs a second in all. A machine that has other things to do cannot carry so many: name fewer, and the page says so.
JOBS_PER_SECOND = int(os.environ.get("FAULTS_RATE") or 200)
JOBS = 11  # of one request, for the queue whose worker does not fork
SINGLE = 1  # requests a second to each host, of one job each for the queues whose workers do
BULK = (JOBS_PER_SECOND / 2 - SINGLE) / JOBS
PAGES, CLEARS = 2, 1 / 20
PATIENCE = 15.0  # seconds
QUEUES = ("short", "default", "long")
RATES = {"bulk": BULK, "single": SINGLE, "page": PAGES, "clear": CLEARS}  # requests a second to each host


@dataclass(frozen=True)
class Answer:
    """One request: to which host, what it asked for, when it was due (unix seconds) and when its answer came."""

    host: str
    kind: str
    due: float
    came: float
    error: str
    job_ids: tuple[str, ...]


class Load:
    """Runs from start() to stop(); `answers` is in the order in which they came."""

    def __init__(self, fleet: Fleet, hosts: dict[str, str], port: int, rates: dict[str, float] = RATES) -> None:
        """`hosts` is name -> address of those with a web."""
        self.fleet, self.hosts, self.port, self.rates = fleet, hosts, port, rates
        self.answers: list[Answer] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[Answer]:
        """Send nothing more, and wait for what is out."""
        self._stopped.set()
        self._thread.join(PATIENCE + 10)
        return self.answers

    def write(self, file: Path) -> None:
        file.write_text("".join(json.dumps(asdict(answer)) + "\n" for answer in self.answers))

    def _run(self) -> None:
        with self.fleet.inside():
            asyncio.run(self._drive())

    async def _drive(self) -> None:
        sent: set[asyncio.Task[None]] = set()
        timetable: list[list[Any]] = [[time.time() + at, 1 / rate, kind, host] for kind, rate in self.rates.items()
                     for at, host in enumerate(self.hosts)]  # fmt: skip
        number = 0
        while not self._stopped.is_set():
            now = time.time()
            for row in timetable:
                if row[0] <= now:
                    number += 1
                    task = asyncio.create_task(self._send(row[3], row[2], number, row[0]))
                    sent.add(task)
                    task.add_done_callback(sent.discard)
                    row[0] += row[1]
            await asyncio.sleep(0.01)
        if sent:
            await asyncio.wait(sent)

    async def _send(self, host: str, kind: str, number: int, due: float) -> None:
        error, jobs = "", ()
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._exchange(host, kind, number)
            if status != 200:
                error = f"{status} {body[:200]}"
            elif kind in ("bulk", "single"):
                jobs = tuple(json.loads(body)["message"]["job_ids"])
        except (OSError, EOFError, ValueError, IndexError) as failure:  # TimeoutError is an OSError
            error = f"{type(failure).__name__}: {failure}"
        self.answers.append(Answer(host, kind, due, time.time(), error, jobs))

    async def _exchange(self, host: str, kind: str, number: int) -> tuple[int, str]:
        line = {
            "bulk": f"POST /api/method/enqueue?n={number}&queue=bulk&jobs={JOBS}",
            "single": f"POST /api/method/enqueue?n={number}&queue={QUEUES[number % 3]}&sleep=0.02",
            "page": f"GET /app?n={number}",
            "clear": "POST /api/method/clear_cache",
        }[kind]
        reader, writer = await asyncio.open_connection(self.hosts[host], self.port)
        try:
            headers = f"Host: {host}\r\nCookie: sid=user{number % 20}\r\nConnection: close\r\nContent-Length: 0"
            writer.write(f"{line} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head.startswith(b"HTTP/1."):
            raise EOFError("the connection was closed without an answer")
        return int(head.split(maxsplit=2)[1]), body.decode()


def longest_gaps(answers: list[Answer]) -> dict[str, float]:
    """Seconds between two answers that were good: of jobs at any host, and of pages or jobs at each."""
    good = [answer for answer in answers if not answer.error]
    rows = {"enqueue": [answer.came for answer in good if answer.job_ids]}
    for host in sorted({answer.host for answer in answers}):
        rows[f"web of {host}"] = [answer.came for answer in good if answer.host == host]
    return {
        name: round(max((after - before for before, after in pairwise(times)), default=0.0), 2)
        for name, times in rows.items()
    }
