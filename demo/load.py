"""HTTP load on a bench at a fixed rate, as users make it: a request is sent when its time has come, however slow the
last ones were, and never again. Runs as a process of its own; the standard library is all it needs.

    python demo/load.py http://127.0.0.1:8000 --out requests.jsonl --enqueues 50 --pages 5 --clears 1.5 --seconds 60

Every request becomes one line of the file, a Request as JSON, when its answer has come.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from demo.standin import Execution

# Longer than gunicorn's own limit (120 s), so that the server decides.
_ANSWER_SECONDS = 130.0
_USERS = 20
# In the id of every job that the scheduler enqueues, in Frappe as in the stand-in.
_SCHEDULED = "scheduled_job"


@dataclass(frozen=True)
class Request:
    """One request and what came of it. `error` is set when there was no answer, or one other than 200."""

    kind: str  # enqueue, page or clear
    n: int  # number of the request, unique within one run of the driver
    sent: float  # when it was due, unix seconds
    latency_ms: float  # from the moment it was due to its last byte
    status: int | None
    error: str | None
    job_id: str | None  # of an acknowledged enqueue

    @property
    def ok(self) -> bool:
        return self.status == HTTPStatus.OK


@dataclass(frozen=True)
class Jobs:
    """What became of the jobs of one producer. Tuples hold job ids."""

    acknowledged: int
    refused: int
    executed: int  # different jobs, however often each
    lost: tuple[str, ...]  # acknowledged, but not executed
    duplicated: tuple[str, ...]  # executed more than once
    unacknowledged: tuple[str, ...]  # executed, although the producer was not told that it was enqueued


@dataclass(frozen=True)
class Account:
    """The jobs that requests enqueued, and those that the scheduler did."""

    web: Jobs
    scheduler: Jobs


def account(
    requests: Iterable[Request], executions: Iterable[Execution], scheduled: Iterable[Execution] = ()
) -> Account:
    """Hold what was acknowledged against what was executed; only after the queue is empty is `lost` what it says.

    A job is the scheduler's by its id, also when the scheduler was stopped before it could note it as enqueued.
    """
    enqueues = [request for request in requests if request.kind == "enqueue"]
    acknowledged = {request.job_id for request in enqueues if request.ok and request.job_id}
    runs = Counter(execution.job_id for execution in executions)
    of_scheduler = {job: count for job, count in runs.items() if _SCHEDULED in job}
    return Account(
        web=_jobs(
            acknowledged,
            sum(not request.ok for request in enqueues),
            {job: count for job, count in runs.items() if job not in of_scheduler},
        ),
        scheduler=_jobs({entry.job_id for entry in scheduled}, 0, of_scheduler),
    )


def _jobs(acknowledged: set[str], refused: int, runs: Mapping[str, int]) -> Jobs:
    return Jobs(
        acknowledged=len(acknowledged),
        refused=refused,
        executed=len(runs),
        lost=tuple(sorted(acknowledged - runs.keys())),
        duplicated=tuple(sorted(job for job, count in runs.items() if count > 1)),
        unacknowledged=tuple(sorted(runs.keys() - acknowledged)),
    )


def read_requests(path: Path) -> list[Request]:
    """The requests of a file, in the order of their answers; a line still being written is left out."""
    if not path.exists():
        return []
    return [Request(**json.loads(line)) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


class Load:
    """The driver as a child process. It ends with `stop`, after `seconds`, or when this process is gone."""

    def __init__(
        self,
        url: str,
        out: Path,
        *,
        enqueues: float = 50,
        pages: float = 5,
        clears: float = 1.5,
        seconds: float | None = None,
    ) -> None:
        """`enqueues` and `pages` are per second, `clears` (of the whole cache) per minute; 0 leaves a kind out."""
        self.out = out
        self._command = [sys.executable, __file__, url, "--out", str(out), "--while-stdin-is-open"]
        for name, value in {"enqueues": enqueues, "pages": pages, "clears": clears, "seconds": seconds}.items():
            if value is not None:
                self._command += [f"--{name}", str(value)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C is for whoever started it, who then calls stop().
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)

    def stop(self) -> list[Request]:
        """Send nothing more, wait for the answers that are still out, and return every request of the file.

        Raises subprocess.CalledProcessError when the driver itself has failed; it has said why on standard error.
        """
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            if code := process.wait(_ANSWER_SECONDS + 10):
                raise subprocess.CalledProcessError(code, self._command)
        return read_requests(self.out)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Driver:
    """Sends; one instance per process, in one event loop."""

    def __init__(self, url: str, file: IO[str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._file = file
        self._sent = 0
        self._outstanding: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    async def run(self, kinds: Mapping[str, float], seconds: float | None) -> None:
        """Send each kind at its rate, per second, until stopped or `seconds` are over; then wait for what is out."""
        timetables = [asyncio.create_task(self._send_at(kind, rate)) for kind, rate in kinds.items() if rate]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        for timetable in timetables:
            timetable.cancel()
        while self._outstanding:
            await asyncio.wait(self._outstanding)

    def stop(self) -> None:
        self._stopped.set()

    async def _send_at(self, kind: str, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + 1 / rate
        while True:
            await asyncio.sleep(due - loop.time())
            self._sent += 1
            request = asyncio.create_task(self._send(kind, self._sent, due))
            self._outstanding.add(request)
            request.add_done_callback(self._outstanding.discard)
            due += 1 / rate

    async def _send(self, kind: str, n: int, due: float) -> None:
        """`due` is a time of the event loop's clock."""
        clock = asyncio.get_running_loop().time
        sent = time.time() - (clock() - due)
        status, error, job_id = None, None, None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                status, body = await self._exchange(kind, n)
            if status != HTTPStatus.OK:
                error = body[:300]
            elif kind == "enqueue":
                job_id = json.loads(body)["message"]["job_id"]
        except (OSError, EOFError, ValueError, KeyError) as failure:  # TimeoutError is an OSError
            error = f"{type(failure).__name__}: {failure}"
        request = Request(kind, n, round(sent, 4), round((clock() - due) * 1000, 2), status, error, job_id)
        self._file.write(json.dumps(asdict(request)) + "\n")

    async def _exchange(self, kind: str, n: int) -> tuple[int, str]:
        """One request on a connection of its own, as gunicorn's sync workers want it. Returns status and body."""
        line = {
            "enqueue": f"POST /api/method/enqueue?n={n}",
            "page": f"GET /app?n={n}",
            "clear": "POST /api/method/clear_cache",
        }[kind]
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            headers = f"Host: {self._host}:{self._port}\r\nCookie: sid=user{n % _USERS}\r\nConnection: close"
            writer.write(f"{line} HTTP/1.1\r\n{headers}\r\nContent-Length: 0\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head.startswith(b"HTTP/1."):
            raise EOFError("the connection was closed without an answer")
        return int(head.split(maxsplit=2)[1]), body.decode()


async def _drive(arguments: argparse.Namespace) -> None:
    # Line buffering: a line is whole in the file as soon as its answer is in.
    with arguments.out.open("a", buffering=1) as file:
        driver = _Driver(arguments.url, file)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, driver.stop)
        if arguments.while_stdin_is_open:
            loop.add_reader(sys.stdin, driver.stop)  # readable means closed: nothing is ever written to it
        kinds = {"enqueue": arguments.enqueues, "page": arguments.pages, "clear": arguments.clears / 60}
        await driver.run(kinds, arguments.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="HTTP load on a stand-in bench at a fixed rate.")
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, required=True, help="file that the requests are appended to, as JSON lines")
    parser.add_argument("--enqueues", type=float, default=50, help="jobs per second")
    parser.add_argument("--pages", type=float, default=5, help="desk pages per second")
    parser.add_argument("--clears", type=float, default=1.5, help="clear-caches per minute")
    parser.add_argument("--seconds", type=float, help="end after so long; without it, at Ctrl-C")
    parser.add_argument("--while-stdin-is-open", action="store_true", help="end also when standard input is closed")
    # A server that hangs for a while holds one connection per request.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_drive(parser.parse_args()))


if __name__ == "__main__":
    main()
