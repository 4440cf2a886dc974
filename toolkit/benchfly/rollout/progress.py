"""Live progress of a rollout: a row for each bench that is under way or failed, or a line for each that starts or ends.

Redrawn by its caller, without a thread: processes are forked meanwhile.
"""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchfly.rollout.state import GOOD, Rollout, State

_MARKS = {
    State.MOVING: Text("…"),
    State.REFUSED: Text("✗", style="red"),
    State.ROLLED_BACK: Text("✗", style="red"),
    State.FAILED: Text("✗", style="red"),
    State.INTERRUPTED: Text("!", style="yellow"),
}


class Progress:
    """What a rollout is watched with: a context manager that is called with it. This one shows nothing."""

    def __call__(self, rollout: Rollout) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def progress(console: Console) -> Progress:
    """The display that suits the console."""
    if console.quiet:
        return Progress()
    return _Live(console) if console.is_terminal else _Lines(console)


class _Lines(Progress):
    """A line when a bench starts and one when it ends: what a log file can hold."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, State] = {}
        self._told = False

    def __call__(self, rollout: Rollout) -> None:
        for step in rollout.steps:
            for bench in step.benches:
                self._show(rollout, step.name, bench)
        if rollout.interrupted and not self._told:
            self._told = True
            self._console.print(_interrupted(rollout), highlight=False)

    def _show(self, rollout: Rollout, step: str, bench: str) -> None:
        state = rollout.state(bench)
        if state is self._shown.get(bench, State.UNTOUCHED):
            return
        self._shown[bench] = state
        ended = rollout.ended(bench)
        took = f", {ended.seconds:.1f} s" if ended else ""
        self._console.print(f"{step}: {bench}: {state}{took}", highlight=False)


class _Live(Progress):
    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._since: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, rollout: Rollout) -> None:
        self._live.update(self._table(rollout), refresh=True)

    def _table(self, rollout: Rollout) -> Table:
        table = Table.grid(padding=(0, 2))
        total = sum(len(step.benches) for step in rollout.steps)
        done = len(rollout.of(*GOOD))
        step = f"{rollout.step.name}, " if rollout.step else ""
        table.add_row(Text(""), Text(f"{step}{done} of {total} benches done", style="bold"))
        for bench in rollout.of(*_MARKS):
            since = self._since.setdefault(bench, time.monotonic())
            ended = rollout.ended(bench)
            seconds = ended.seconds if ended else time.monotonic() - since
            what = rollout.phase(bench) if rollout.state(bench) is State.MOVING else rollout.state(bench)
            table.add_row(_MARKS[rollout.state(bench)], Text(bench), Text(what), Text(f"{seconds:.1f} s"))
        if rollout.interrupted:
            table.add_row(Text("!", style="yellow"), Text(_interrupted(rollout)))
        return table


def _interrupted(rollout: Rollout) -> str:
    count = len(rollout.of(State.MOVING))
    return f"No further bench starts. {count} under way end first; Ctrl-C again interrupts them."
