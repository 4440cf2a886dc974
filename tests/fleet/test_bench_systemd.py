"""A bench that systemd runs moves from its own redis to other stores and back under load, with a reboot in between:
what tests/faults has of a bench under supervisord. Each test leaves the bench where it found it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.breaking import Run
from tests.faults.ledger import Ledger
from tests.faults.load import Answer, Load
from tests.faults.scene import BENCH, LATEST
from tests.fleet import standin
from tests.fleet.hosts import reason_not_possible
from tests.fleet.hosts.processes import wait_until
from tests.fleet.systemd_bench import APP, OWN, SystemdScene

pytestmark = pytest.mark.fleet

RATES = {"single": 15, "page": 2, "clear": 1 / 20}  # requests a second
HELD = 16.0  # seconds of the job that runs while the workers are told to stop, longer than systemd would wait


@pytest.fixture(scope="module")
def scene(fleet_folder: Path) -> Iterator[SystemdScene]:
    release = standin.release()
    reason = reason_not_possible(release) if release else "no release of the hosts has this Python"
    if reason:
        pytest.skip(reason)
    scene = SystemdScene("test-bench-systemd")
    try:
        scene.set_up()
        yield scene
    finally:
        scene.fleet.down(fast=True)


@contextmanager
def load(scene: SystemdScene) -> Iterator[list[str]]:
    """Load inside the block; then no job may be lost, or have run twice, nor any of those put into the list."""
    ledger, others = Ledger(scene), list[str]()
    load = Load(scene.fleet, {APP: scene.host(APP).address}, scene.port, RATES)
    load.start()
    try:
        yield others
    finally:
        answers = load.stop()
    answers.append(Answer(APP, "held", 0, 0, "", tuple(others)))
    account = ledger.account(answers, scene.at(), {}, untouched=False)
    assert (account.lost, account.waiting, account.twice, account.failed) == ((), (), (), ())
    assert account.acknowledged > 150


def run_while_held(scene: SystemdScene, verb: str, log: Path, **variables: Any) -> tuple[int | None, str, str]:
    """The verb's exit code and output, and the job that held a worker when the workers were told to stop."""
    run = Run(scene, verb, log, **variables)
    assert run.wait_for(re.compile(r"TASK \[.*Stop consumers \|").search, LATEST), run.finish()
    job = scene.enqueue(HELD)
    return run.wait(LATEST), run.finish(), job


def succeed(scene: SystemdScene, verb: str) -> str:
    """Run a verb; its output with each blank made one."""
    done = scene.play(verb)
    assert done.returncode == 0, done.stdout
    return " ".join(done.stdout.split())


def move(scene: SystemdScene, verb: str, folder: Path) -> dict[str, Any]:
    """Run it under load and verify; the workers have let the job end that one of them ran. The journal's last move."""
    with load(scene) as jobs:
        code, output, job = run_while_held(scene, verb, folder / f"{verb}.log")
        jobs.append(job)
        assert code == 0, output
        succeed(scene, "verify")
    moved = scene.journal(APP)[-1]
    stop = next(phase for phase in moved["phases"] if phase["phase"] == "Stop consumers")
    started, executed = scene.moment(job, "started"), scene.moment(job, "executed")
    assert started < stop["started"] < started + HELD <= executed < stop["started"] + stop["seconds"]
    return moved


def test_there_and_back_with_a_reboot(scene: SystemdScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scene.state()
    moved = move(scene, "migrate", tmp_path)
    assert scene.at() == "new"
    assert set(moved["retired"]["programs"]) == set(OWN)
    assert_retired(scene)

    # What would bring them back is noticed, and put right by the same verb.
    scene.bench_setup("--delete-symlinks")
    scene.bench_setup("--create-symlinks")
    with monkeypatch.context() as patch:
        patch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "1")
        said = succeed(scene, "status")
    assert all(f"{unit}.service is not masked" in said for unit in OWN), said
    succeed(scene, "migrate")
    assert_retired(scene)

    scene.host(APP).reboot()
    scene.start_scheduler()
    scene.wait_until_it_works()
    succeed(scene, "verify")
    assert scene.at() == "new"
    assert_retired(scene)

    move(scene, "rollback", tmp_path)
    assert scene.at() == "old"
    assert_as(scene, before)


def test_a_job_that_does_not_end_puts_everything_back(scene: SystemdScene, tmp_path: Path) -> None:
    before = scene.state()
    with load(scene) as jobs:
        code, output, job = run_while_held(scene, "migrate", tmp_path / "log", frappe_bench_stop_timeout=3)
        jobs.append(job)
        assert code, output
        assert re.search(rf"{BENCH}-frappe-long-worker@\d \(pid \d+\) did not end within 3 s", " ".join(output.split()))
        assert wait_until(scene.works, 60), scene.processes(APP)
    # Although its template's other worker was started again meanwhile.
    assert scene.moment(job, "executed") - scene.moment(job, "started") >= HELD
    assert scene.at() == "old"
    assert_as(scene, before)


def assert_retired(scene: SystemdScene) -> None:
    """The bench's own redis does not run and cannot; nothing of a stop is left; everything else runs."""
    for unit in OWN:
        shown = scene.systemctl("show", "--property=LoadState,ActiveState", unit).split()
        assert sorted(shown) == ["ActiveState=inactive", "LoadState=masked"]
    assert scene.drop_ins() == ""
    assert wait_until(scene.works, 30), scene.processes(APP)


def assert_as(scene: SystemdScene, before: list[str]) -> None:
    """Files, links and units are as they were; the last of them may just be starting."""
    assert wait_until(lambda: scene.state() == before, 20), "\n".join(sorted(set(scene.state()) ^ set(before)))
