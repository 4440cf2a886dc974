"""A bench's processes, by what they do with the stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process, ProcessManager

# bench's own names (config/templates): groups or targets <bench>-web, -workers, -redis, and programs or units in them.
GROUPS = ("web", "workers", "redis")
ROLES = {"-frappe-web": "web", "-socketio": "socketio", "-redis-cache": "redis", "-redis-queue": "redis"}
ENDED = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}  # states of a process that is not there


@dataclass(frozen=True)
class BenchProcess:
    """One process and its role: web, socketio, redis, or consumer (workers and the scheduler)."""

    name: str  # group:process, as its manager names it
    role: str
    state: str
    pid: int


def groups(bench_path: Path) -> dict[str, str]:
    """Full name of each group of the bench in that folder -> its kind."""
    return {f"{bench_path.name}-{group}": group for group in GROUPS}


def bench_processes(bench_path: Path, manager: ProcessManager) -> list[BenchProcess]:
    """The processes of the bench in that folder. Raises BenchError when its manager knows none of its groups."""
    kinds = groups(bench_path)
    found = [
        BenchProcess(process.name, _role(process, kinds[process.group]), process.state, process.pid)
        for process in manager.processes()
        if process.group in kinds
    ]
    if not found:
        raise BenchError(
            f"{type(manager).__name__.lower()} knows none of {', '.join(kinds)}. Link config/supervisor.conf or "
            "config/systemd into its configuration (bench setup production or bench setup systemd does), or correct "
            "frappe_bench_process_manager and frappe_bench_supervisor_socket"
        )
    return found


def _role(process: Process, group: str) -> str:
    if group == "workers":
        return "consumer"
    program = process.program
    return next((role for suffix, role in ROLES.items() if program.endswith(suffix)), group)


def children(pid: int) -> set[int]:
    """Process ids of the direct children of a process."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue  # it ended while we looked
        if int(parent) == pid:
            found.add(int(stat.parent.name))
    return found


def environment_of(pid: int) -> list[str]:
    """Names of the variables in a process's environment; none when it ended or belongs to somebody else."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return []
    return [entry.partition(b"=")[0].decode(errors="replace") for entry in content.split(b"\0") if entry]
