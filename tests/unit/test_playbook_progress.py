"""What a run shows while it runs."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from benchfly.playbook.outcome import Tally
from benchfly.playbook.progress import progress

START = datetime.now(UTC) - timedelta(seconds=60)


def event(kind: str, second: float, **details: Any) -> dict[str, Any]:
    created = (START + timedelta(seconds=second)).isoformat()
    return {"event": kind, "created": created, "stdout": f"[{kind}]", "event_data": details}


EVENTS = [
    event("playbook_on_task_start", 0, task="Stop | a"),
    event("runner_on_start", 0, host="one"),
    event("runner_on_start", 0, host="two"),
    event("runner_on_ok", 10, host="one", res={}),
    event("runner_on_failed", 10, host="two", task="Stop | a", res={"msg": "no"}),
    event("playbook_on_task_start", 60, task="Sweep | b"),
    event("runner_on_start", 60, host="one"),
]
END = [event("runner_on_ok", 60, host="one", res={}), event("playbook_on_stats", 60, failures={"two": 1})]


def shown(console: Console, events: list[dict[str, Any]], verbosity: int = 0) -> str:
    tally = Tally()
    with progress(console, verbosity) as observe:
        for one in events:
            tally.feed(one)
            observe(one, tally)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_than_on_a_terminal_each_phase_has_two_lines() -> None:
    assert shown(Console(file=io.StringIO(), width=100), EVENTS + END).splitlines() == [
        "Stop ...",
        "Stop: failed, 1/2 hosts, 1 failed, 60.0 s",
        "Sweep ...",
        "Sweep: done, 1/1 host, 0.0 s",
    ]


def test_a_phase_that_comes_again_has_the_time_of_each_coming() -> None:
    events = [
        event("playbook_on_task_start", 0, task="Move | a"),
        event("playbook_on_task_start", 50, task="Stop | b"),
        event("playbook_on_task_start", 55, task="Move | c"),
        event("playbook_on_stats", 60),
    ]
    lines = shown(Console(file=io.StringIO(), width=100), events).splitlines()
    assert [line.rpartition(", ")[2] for line in lines if "done" in line] == ["50.0 s", "5.0 s", "5.0 s"]


def test_a_phase_in_which_the_run_ended_was_stopped() -> None:
    lines = shown(Console(file=io.StringIO(), width=100), EVENTS).splitlines()
    assert lines[-1].startswith("Sweep: stopped, 0/1 host, 1 running")


def test_a_terminal_has_a_row_for_each_phase() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown(console, EVENTS + END))
    rows = [line.split() for line in text.splitlines()]
    assert [row for row in rows if row[:1] in (["✓"], ["✗"])][-2:] == [
        ["✗", "Stop", "1/2", "hosts,", "1", "failed", "60.0", "s"],
        ["✓", "Sweep", "1/1", "host", "0.0", "s"],
    ]


def test_verbose_is_the_output_of_ansible_as_it_is() -> None:
    lines = shown(Console(file=io.StringIO(), width=10), EVENTS, verbosity=1).splitlines()
    assert lines == [f"[{one['event']}]" for one in EVENTS]


def test_a_quiet_console_shows_nothing() -> None:
    assert shown(Console(file=io.StringIO(), quiet=True), EVENTS + END) == ""


def test_time_goes_on_in_an_open_phase() -> None:
    tally = Tally()
    tally.feed(event("playbook_on_task_start", 0, task="Stop | a"))
    assert tally.phase is not None
    assert tally.phase.elapsed(time.time()) >= 60
