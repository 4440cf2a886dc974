"""Consumers of a move that comes to nothing are started again: at once, but for those that a job still holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import ENDED, bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from ansible_collections.benchfly.stores.plugins.modules.bench_processes import put_back, start
from tests.stores.supervised import supervisord

pytestmark = pytest.mark.stores

IDLE, HELD = "shop-workers:idle", "shop-workers:held"
GROUP = """
[program:idle]
command = /bin/sleep 1000
startsecs = 0
[program:held]
command = /bin/sh -c "trap 'until test -e {folder}/done; do sleep 0.1; done; exit' TERM; while :; do sleep 0.1; done"
startsecs = 0
[group:shop-workers]
programs = idle,held
"""


@pytest.fixture
def supervisor() -> Iterator[tuple[Supervisor, Path]]:
    with supervisord() as folder:
        (folder / "supervisor.d/shop.conf").write_text(GROUP.format(folder=folder))
        manager = Supervisor(str(folder / "supervisor.sock"))
        manager.update()
        assert not manager.wait({IDLE, HELD}, {"RUNNING"}, 20)
        time.sleep(0.5)  # until the shell has its trap
        for name in (IDLE, HELD):
            manager.stop(name)
        assert not manager.wait({IDLE}, ENDED, 20)
        try:
            yield manager, folder
        finally:
            (folder / "done").touch()
            manager.wait({HELD}, {*ENDED, "RUNNING"}, 20)


def states(manager: Supervisor) -> dict[str, str]:
    return {process.name: process.state for process in manager.processes()}


def test_a_worker_that_a_job_holds_does_not_keep_the_others_waiting(supervisor: tuple[Supervisor, Path]) -> None:
    manager, folder = supervisor
    with pytest.raises(BenchError, match=r"held \(STOPPING\) did not start"):
        put_back(bench_processes(Path("shop"), manager), Journal(folder / "state"), manager, 2)
    assert states(manager) == {IDLE: "RUNNING", HELD: "STOPPING"}
    (folder / "done").touch()
    put_back(bench_processes(Path("shop"), manager), Journal(folder / "state"), manager, 20)
    assert states(manager) == {IDLE: "RUNNING", HELD: "RUNNING"}


def test_one_that_ends_when_another_run_moves_the_bench_is_left_to_that(supervisor: tuple[Supervisor, Path]) -> None:
    manager, folder = supervisor
    Journal(folder / "state").take({"name": "ops@other", "token": "theirs"}, "m2", "")
    threading.Timer(1, (folder / "done").touch).start()
    put_back(bench_processes(Path("shop"), manager), Journal(folder / "state"), manager, 20)
    assert not manager.wait({HELD}, ENDED, 20)
    assert states(manager)[IDLE] == "RUNNING"


def test_consumers_start_one_after_the_other(
    supervisor: tuple[Supervisor, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, folder = supervisor
    (folder / "done").touch()
    assert not manager.wait({HELD}, ENDED, 20)
    monkeypatch.setattr(manager, "apart", 2.0)
    start(bench_processes(Path("shop"), manager), manager, 20)
    started = {process.name: process.started for process in manager.processes()}
    assert started[IDLE] - started[HELD] >= 2
