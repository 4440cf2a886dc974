"""Moves a bench's producers on one host: its configuration, and right after it the web and socketio."""

from __future__ import annotations

import time

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    Bench,
    BenchError,
    replace_file,
    with_stores,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import ENDED, BenchProcess, children
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager

PHASE = "Switch producers"


def configuration(bench: Bench, journal: Journal) -> tuple[bytes, bool]:
    """The bytes that the configuration must have in the open move, and whether they are the former file itself."""
    path = bench.common_site_config
    former = journal.former(path) if journal.open["verb"] == "rollback" else None
    if former is not None:
        return former, True
    target, today = journal.open["to"], bench.config()
    if all(today.get(key) == url for key, url in target.items()):
        return path.read_bytes(), False
    return with_stores(path.read_bytes(), target), False


def write_configuration(bench: Bench, journal: Journal) -> tuple[bool, bool]:
    """Point the configuration at the stores of the open move, atomically; whether it changed, and was restored."""
    path = bench.common_site_config
    with journal.phase(PHASE, "configuration"):
        content, restored = configuration(bench, journal)
        changed = content != path.read_bytes()
        if changed:
            journal.backup(path)
            replace_file(path, content)
        journal.wrote(path)
    return changed, restored


def move_web(web: list[BenchProcess], journal: Journal, manager: ProcessManager, timeout: float) -> None:
    """Have every gunicorn of the bench read the configuration; BenchError when a request holds a former worker."""
    if web:
        with journal.phase(PHASE, "web", [process.name for process in web]):
            for process in web:
                reload_web(process, manager, timeout)


def move_socketio(
    everything: list[BenchProcess], journal: Journal, manager: ProcessManager, timeout: float
) -> list[str]:
    """Restart socketio where it runs, or where a restart was cut short in the middle; the names."""
    cut_short = journal.unfinished(PHASE, "socketio")
    mine = [process for process in everything if process.role == "socketio"]
    names = [process.name for process in mine if process.state not in ENDED or process.name in cut_short]
    if names:
        with journal.phase(PHASE, "socketio", names):
            for name in names:
                restart(name, manager, timeout)
    return names


def reload_web(process: BenchProcess, manager: ProcessManager, timeout: float) -> float:
    """Have a gunicorn master re-fork its workers, and wait until the former ones are gone; seconds it took.

    HUP refuses no request: the master keeps the listening socket and old workers finish what they have.
    Raises BenchError when old workers stay longer than `timeout` seconds. A manager that rolls does that instead.
    """
    started = time.monotonic()
    if manager.rolls:
        manager.roll(process.name, timeout)
        return time.monotonic() - started
    former = children(process.pid)
    manager.signal(process.name, "HUP")
    while True:
        left = former & children(process.pid)
        if not left and children(process.pid):
            return time.monotonic() - started
        if time.monotonic() - started > timeout:
            raise BenchError(
                f"gunicorn workers {', '.join(map(str, sorted(left)))} of {process.name} (pid {process.pid}) still "
                f"serve the former configuration after {timeout:g} s. A request holds them; run the same verb again "
                "when it has ended, it resumes"
            )
        time.sleep(0.05)


def restart(name: str, manager: ProcessManager, timeout: float) -> None:
    """Stop one process, wait for its end at most `timeout` seconds, and start it; whether it runs is verified later."""
    if manager.rolls:
        manager.roll(name, timeout)
        return
    manager.stop(name)
    manager.wait({name}, ENDED, timeout)
    manager.start(name)
