"""Live progress of a run: phases and hosts on a terminal, one line per phase elsewhere, or Ansible's own output."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from benchfly.playbook.outcome import Event, HostState, Phase, Tally

_REFRESHES_PER_SECOND = 8
_SHOWN_STATES: tuple[HostState, ...] = ("running", "failed")


class Progress:
    """What a run is watched with: a context manager that is called with every event. This one shows nothing."""

    def __call__(self, event: Event, tally: Tally) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def progress(console: Console, verbosity: int = 0) -> Progress:
    """The display that suits the console: none when it is quiet, Ansible's own output, live, or plain lines."""
    if console.quiet:
        return Progress()
    if verbosity:
        return _AnsibleOutput(console)
    return _Live(console) if console.is_terminal else _Lines(console)


class _AnsibleOutput(Progress):
    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event, tally: Tally) -> None:
        if text := event.get("stdout"):
            self._console.out(text.replace("\r\n", "\n"), highlight=False)


class _Lines(Progress):
    """A line when a phase begins and one when it ends: what a log file can hold."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: Phase | None = None
        self._before = 0.0  # seconds of the phase in earlier spells

    def __call__(self, event: Event, tally: Tally) -> None:
        current = None if tally.finished else tally.phase
        if current is not self._open:
            self._close("done")
            if current:
                self._console.print(f"{current.name} ...", highlight=False)
                self._before = current.seconds
            self._open = current

    def __exit__(self, *exception: object) -> None:
        self._close("stopped")

    def _close(self, state: str) -> None:
        if self._open:
            state = "failed" if self._open.count("failed") else state
            seconds = self._open.elapsed(time.time()) - self._before
            self._console.print(f"{self._open.name}: {state}, {_hosts(self._open)}, {seconds:.1f} s", highlight=False)


class _Live(Progress):
    """One row per phase, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._running: Spinner | Text = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=_REFRESHES_PER_SECOND)

    def __call__(self, event: Event, tally: Tally) -> None:
        self._tally = tally
        if not self._live.is_started:
            self._live.start()

    def __exit__(self, *exception: object) -> None:
        self._running = Text("!", style="yellow")  # the run ended in the middle of this phase
        self._live.stop()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for phase in list(self._tally.phases.values()):  # another thread adds to it
            table.add_row(self._mark(phase), phase.name, _hosts(phase), f"{phase.elapsed(time.time()):.1f} s")
        return table

    def _mark(self, phase: Phase) -> Spinner | Text:
        if phase.count("failed"):
            return Text("✗", style="red")
        if phase is self._tally.phase and not self._tally.finished:
            return self._running
        return Text("✓", style="green")


def _hosts(phase: Phase) -> str:
    """Hosts done of hosts seen, and how many are running or failed, leaving out what is nought."""
    total = len(phase.hosts)
    parts = [f"{phase.count('done')}/{total} host{'' if total == 1 else 's'}"]
    parts += [f"{count} {state}" for state in _SHOWN_STATES if (count := phase.count(state))]
    return ", ".join(parts)
