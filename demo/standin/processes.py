"""Finds and ends the processes of one stand-in, also those that a killed run left behind. Linux only (/proc)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from benchfly.errors import RefusedError


@dataclass(frozen=True)
class Started:
    """A process that we started: its pid, and when it started (clock ticks since boot), as pids are used again."""

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Started:
        """Raises ProcessLookupError when there is no such process."""
        return cls(pid, int(_stat(pid)[19]))

    def is_alive(self) -> bool:
        try:
            return Started.of(self.pid) == self and _stat(self.pid)[0] != "Z"
        except ProcessLookupError:
            return False


def family(leader: Started | None, mark: str) -> list[int]:
    """Every process with `mark` in its environment, and every one of a session that these or `leader` began.

    Neither alone finds all: a work horse of RQ has a session of its own, and redis-server overwrites its environment
    with its title.
    """
    sessions = {pid: session for pid in _pids() if (session := _session(pid))}
    marked = {pid for pid in sessions if _is_marked(pid, mark.encode())}
    ours = {pid for pid in marked if sessions[pid] == pid}
    if leader and not _taken_by_another(leader):
        ours.add(leader.pid)
    return sorted(marked | {pid for pid, session in sessions.items() if session in ours})


def end(leader: Started | None, mark: str, patience: float) -> None:
    """Stop `leader` with TERM, wait `patience` seconds for the whole family to go, then kill what is left of it."""
    if leader and leader.is_alive():
        _signal(leader.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while leader.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    deadline = time.monotonic() + 10
    # Again and again, because a process may fork between being listed and being killed.
    while left := family(leader, mark):
        if time.monotonic() > deadline:
            raise RefusedError(f"Processes {left} of the stand-in bench do not end. End them by hand: kill -9.")
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Free TCP ports on loopback, below the range that outgoing connections take theirs from.

    A port of that range could be taken by a client at the moment when its server restarts.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(10240, max(first_ephemeral, 20480)))
    random.shuffle(candidates)
    ports: list[int] = []
    for port in candidates:
        if len(ports) == count:
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    return ports


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name: state, parent, group, session, ..., [19] start time in ticks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


def _session(pid: int) -> int | None:
    """The session of a living process; None for one that is gone."""
    try:
        state, _, _, session, *_ = _stat(pid)
    except ProcessLookupError:
        return None
    return None if state == "Z" else int(session)


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or it is another user's
        return False


def _taken_by_another(leader: Started) -> bool:
    """Whether the pid now belongs to another process; the kernel keeps it back while a session bears its number."""
    try:
        return Started.of(leader.pid) != leader
    except ProcessLookupError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
