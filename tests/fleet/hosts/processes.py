"""Processes that outlive the command that started them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_spawned: set[int] = set()


@dataclass(frozen=True)
class Process:
    """A process by pid and start time, so that another one with a recycled pid is never taken for it."""

    pid: int
    born: int  # clock ticks since the machine started

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this pid now; None if there is none, or a zombie."""
        try:
            # Fields are counted from behind the command, which may hold blanks and brackets.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def load(cls, file: Path) -> Process | None:
        """The process that was saved in the file, if it is still running."""
        try:
            process = cls(**json.loads(file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return process if process.running() else None

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    def running(self) -> bool:
        _reap()
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)  # holds on to the process: its pid cannot be recycled from here on
            try:
                if self.running():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        wait_until(lambda: not self.running(), 10)

    def children(self) -> list[int]:
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []


def spawn_module(module: str, *arguments: str, log: Path, within: list[str] | None = None) -> Process:
    """Run a module of this package detached, in a session of its own; `within` is a command that takes a command."""
    argv = [*(within or []), sys.executable, "-m", f"tests.fleet.hosts.{module}", *arguments]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    pid = os.posix_spawnp(argv[0], argv, env, file_actions=actions, setsid=True)
    _spawned.add(pid)
    return Process.of(pid) or Process(pid, 0)


def _reap() -> None:
    """Let those go that have ended of the processes spawned here: until then they count as being in their cgroup."""
    for pid in list(_spawned):
        with contextlib.suppress(ChildProcessError):  # another thread was faster
            if os.waitpid(pid, os.WNOHANG)[0]:
                _spawned.discard(pid)


def wait_until(true: Callable[[], object], seconds: float) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        _reap()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
