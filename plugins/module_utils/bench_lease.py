"""Who moves a bench: a lease in the journal of each of its hosts, so that two controllers cannot interleave two moves.

It is held by one process of one controller, named by `controller`, and does not expire: how long a step may take
nobody knows. The controller on which its holder ran can see that it is gone, and then takes it over; from another one
that is said by name (`take_over`). A step of a run that has lost its lease is refused (`Journal.phase`).
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from pathlib import Path
from typing import Any, Optional

# Environment variable with the token of the run that a step belongs to.
TOKEN = "BENCHFLY_LEASE"


def this_controller() -> dict[str, Any]:
    """The ansible-playbook that this process belongs to: `{name, machine, pid, token}`.

    `machine` tells apart machines, boots and containers; pids are compared within one only. It is empty where there is
    no /proc to say so.
    """
    pid = _outermost(os.getpid())
    machine, started = _machine(), _started(pid)
    token = f"{machine}:{pid}:{started}" if started else f"{socket.gethostname()}:{pid}:{time.time_ns()}"
    return {"name": f"{_user()}@{socket.gethostname()}", "machine": machine, "pid": pid, "token": token}


def held_by(lease: dict[str, Any], controller: dict[str, Any]) -> str:
    """Who keeps this controller from moving the bench, in words; empty when nobody does."""
    if not lease or lease["token"] == controller["token"] or _is_gone(lease, controller):
        return ""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(lease["since"]))
    seen = time.strftime("%H:%M:%S UTC", time.gmtime(lease["seen"]))
    return f"{lease['name']} (process {lease['pid']}, {lease['run'] or 'no run id'}) since {since}, last seen {seen}"


def _is_gone(lease: dict[str, Any], controller: dict[str, Any]) -> bool:
    """Whether the holder ran on this very machine and has ended; of other machines nothing is known."""
    if not lease["machine"] or lease["machine"] != controller["machine"]:
        return False
    started = _started(lease["pid"])
    return not started or lease["token"] != f"{lease['machine']}:{lease['pid']}:{started}"


def _outermost(pid: int) -> int:
    """Ansible runs tasks in forks of itself, which have its command line; the first of them is the run."""
    parent, line = _parent(pid), _command_line(pid)
    while parent and line and _command_line(parent) == line:
        pid, parent = parent, _parent(parent)
    return pid


def _machine() -> str:
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name; none when there is no such process, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _started(pid: int) -> str:
    """When a process started, in ticks since boot: a pid is used again, with this it is not."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def _command_line(pid: int) -> Optional[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return str(os.getuid())
