"""What runs a bench's processes, supervisord or systemd: the interface that both have."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """One process: `name` is `group:program`, `state` in supervisor's words: RUNNING, STOPPED, STOPPING, FATAL, ..."""

    name: str
    state: str
    pid: int
    started: int  # unix time, seconds; 0 when it never ran or is not known

    @property
    def group(self) -> str:
        return self.name.partition(":")[0]

    @property
    def program(self) -> str:
        return self.name.partition(":")[2]


class ProcessManager:
    """Every method may raise OSError when the manager does not answer, or refuses."""

    rolls = False  # whether it has `roll`
    interval = 0.1  # seconds between two looks while it is waited for
    # Seconds between two starts: on two CPUs one worker at a time loads its code, and the web has the other CPU.
    apart = 1 / (os.cpu_count() or 1)

    def processes(self) -> list[Process]:
        """Every process it knows, in its own order."""
        raise NotImplementedError

    def stop(self, name: str) -> None:
        """Ask for a warm stop and return at once: the process gets TERM, and what it has started does not."""
        raise NotImplementedError

    def start(self, name: str) -> None:
        """Start and return at once."""
        raise NotImplementedError

    def start_in_turn(self, names: Iterable[str]) -> None:
        """Start each some time after the one before, so that the web keeps its share of the host."""
        for place, name in enumerate(sorted(names)):
            if place:
                time.sleep(self.apart)
            self.start(name)

    def signal(self, name: str, signal: str) -> None:
        """Send a signal by name, e.g. HUP, to a running process."""
        raise NotImplementedError

    def roll(self, name: str, timeout: float) -> None:
        """Replace what runs under that name, piece by piece and without a gap, in `timeout` seconds at most."""
        raise NotImplementedError

    def wait(self, names: set[str], states: set[str], timeout: float) -> list[Process]:
        """Wait until every named process is in one of `states`; return those that are not when time is up."""
        deadline = time.monotonic() + timeout
        while True:
            late = [process for process in self.processes() if process.name in names and process.state not in states]
            if not late or time.monotonic() >= deadline:
                return late
            time.sleep(self.interval)
