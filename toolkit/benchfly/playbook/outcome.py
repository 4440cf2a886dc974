"""What came of a playbook: a pure fold over the events that ansible-runner emits, without I/O.

A task named `Phase | what is done` opens the phase `Phase`; a task without a bar belongs to the phase before it, or
to the phase `Prepare` when it is the first (such as the gathering of facts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Event = Mapping[str, Any]
Status = Literal["ok", "failed", "unreachable", "interrupted"]
HostState = Literal["running", "done", "failed"]

FIRST_PHASE = "Prepare"
CONTROLLER = "controller"  # stands for the host where Ansible itself failed, e.g. on a syntax error

# Ansible puts it before the first task of a role.
_ARGUMENT_CHECK = "Validating arguments against arg spec"
_COUNTS = ("ok", "changed", "failed", "unreachable", "skipped", "rescued")
_STATS_KEYS = {"failed": "failures", "unreachable": "dark"}
_ITEM_FAILED = "runner_item_on_failed"
_TASK_FAILED = ("runner_on_failed", "runner_on_unreachable")
_TASK_DONE = ("runner_on_ok", "runner_on_skipped")
# Ansible 2.19 puts its own account of the failure before the module's message.
_MESSAGE_PREFIXES = ("Task failed: ", "Module failed: ", "Action failed: ")


@dataclass(frozen=True)
class HostCounts:
    """How many tasks of one host ended in which way, as in Ansible's recap."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0


@dataclass(frozen=True)
class Failure:
    """One failed task (or loop item) of one host, in one line."""

    host: str
    task: str
    message: str

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: {self.message}" if self.task else f"{self.host}: {self.message}"


@dataclass(frozen=True)
class PhaseTime:
    """Wall-clock seconds spent in a phase, over all plays that name it."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of a run; `data` is what the playbook handed over with set_stats."""

    status: Status
    hosts: Mapping[str, HostCounts]
    failures: tuple[Failure, ...]
    phases: tuple[PhaseTime, ...]
    data: Mapping[str, Any]
    seconds: float
    log: Path

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data for JSON."""
        return {**asdict(self), "log": str(self.log)}


@dataclass
class Phase:
    """A phase while it runs: seconds of its closed spells, when the open one began, and where each host stands."""

    name: str
    seconds: float = 0.0
    since: float | None = None  # Unix time; None while another phase runs
    hosts: dict[str, HostState] = field(default_factory=dict)

    def elapsed(self, now: float) -> float:
        """Seconds up to now."""
        return self.seconds + (now - self.since if self.since is not None else 0.0)

    def count(self, state: HostState) -> int:
        """Hosts in that state."""
        return sum(1 for host_state in list(self.hosts.values()) if host_state == state)


class Tally:
    """Folds events, in their order, into phases, failures and counts."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self.phase: Phase | None = None
        self.hosts: dict[str, HostCounts] = {}
        self.data: Mapping[str, Any] = {}
        self.finished = False  # Ansible printed its recap
        self._first = self._last = 0.0
        self._failures: list[Failure] = []
        self._errors: list[str] = []  # what Ansible said outside any task
        self._failed_items: dict[tuple[str, str], list[str]] = {}

    def feed(self, event: Event) -> None:
        """Take one event into account."""
        kind, details = event["event"], event.get("event_data") or {}
        if created := event.get("created"):
            self._last = datetime.fromisoformat(created).timestamp()
            self._first = self._first or self._last
        host = details.get("host")
        if kind == "playbook_on_task_start":
            self._enter(details["task"])
        elif kind == "playbook_on_stats":
            self._finish(details)
        elif kind in ("error", "verbose"):
            self._note_error(event.get("stdout", ""))
        elif host is None:
            return
        elif kind == "runner_on_start":
            self._stand(host, "running")
        elif kind in _TASK_DONE:
            self._stand(host, "done")
        elif kind == _ITEM_FAILED:
            key = (host, details.get("task_uuid", ""))
            self._failed_items.setdefault(key, []).append(_message(details))
        elif kind in _TASK_FAILED:
            self._fail(host, details)

    def outcome(self, status: Status, log: Path) -> Outcome:
        """The outcome of the events so far."""
        return Outcome(
            status=status,
            hosts=dict(self.hosts),
            failures=self._kept_failures(status),
            phases=tuple(PhaseTime(phase.name, round(phase.elapsed(self._last), 3)) for phase in self.phases.values()),
            data=self.data,
            seconds=round(self._last - self._first, 3),
            log=log,
        )

    def _kept_failures(self, status: Status) -> tuple[Failure, ...]:
        """Failures that were not rescued; when no task failed, the errors that Ansible itself ended with."""
        down = {host for host, counts in self.hosts.items() if counts.failed or counts.unreachable}
        kept = tuple(failure for failure in self._failures if not self.finished or failure.host in down)
        if kept or status in ("ok", "interrupted"):
            return kept
        return tuple(Failure(CONTROLLER, "", error) for error in self._errors)

    def _enter(self, task: str) -> None:
        name, bar, _ = task.partition(" | ")
        if task.startswith(_ARGUMENT_CHECK):
            return
        if not bar:
            name = self.phase.name if self.phase else FIRST_PHASE
        if self.phase and self.phase.name == name:
            return
        self._close_phase()
        self.phase = self.phases.setdefault(name, Phase(name))
        self.phase.since = self._last

    def _close_phase(self) -> None:
        if self.phase:
            self.phase.seconds = self.phase.elapsed(self._last)
            self.phase.since = None

    def _stand(self, host: str, state: HostState) -> None:
        if self.phase and self.phase.hosts.get(host) != "failed":
            self.phase.hosts[host] = state

    def _fail(self, host: str, details: Mapping[str, Any]) -> None:
        items = self._failed_items.pop((host, details.get("task_uuid", "")), None)
        if details.get("ignore_errors"):
            self._stand(host, "done")
            return
        self._stand(host, "failed")
        messages = items or [_message(details)]
        self._failures += [Failure(host, details.get("task") or "", message) for message in messages]

    def _note_error(self, text: str) -> None:
        for line in text.splitlines():
            if line.startswith("[ERROR]: "):
                self._errors.append(line.removeprefix("[ERROR]: ").strip())
            elif line.startswith("Origin: ") and self._errors:
                self._errors[-1] += f" ({line.removeprefix('Origin: ').strip()})"

    def _finish(self, stats: Mapping[str, Any]) -> None:
        self._close_phase()
        self.finished = True
        self.data = stats.get("artifact_data") or {}
        self.hosts = {
            host: HostCounts(**{name: stats.get(_STATS_KEYS.get(name, name), {}).get(host, 0) for name in _COUNTS})
            for host in sorted(stats.get("processed", {}))
        }


def _message(details: Mapping[str, Any]) -> str:
    """The module's own message, in one line."""
    result = details.get("res") or {}
    if "censored" in result:
        return "the message is hidden because the task handles a secret (no_log)"
    text = result.get("msg") or result.get("stderr") or result.get("module_stderr") or "no message"
    line = " ".join(str(text).split())
    for prefix in _MESSAGE_PREFIXES:
        line = line.removeprefix(prefix)
    return line
