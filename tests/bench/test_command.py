"""The command `benchfly` on a real bench: the same as the playbooks, killed or interrupted at any time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.bench.conftest import BIN, ROOT, Moving
from tests.bench.test_move import held
from tests.orphans import descendants

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def command(moving: Moving, verb: str, *options: str) -> subprocess.Popen[str]:
    """The command as an operator starts it in a script."""
    variables = json.dumps(moving.variables)
    home = moving.bench.root / "ansible"
    environment = {
        "BENCHFLY_HOME": str(moving.bench.root / "home"),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_ASYNC_DIR": str(home / "async"),
        "ANSIBLE_REMOTE_TEMP": str(home / "tmp"),
    }
    return subprocess.Popen(
        [str(BIN / "benchfly"), verb, "-i", str(moving.inventory), "-e", variables, "--yes", *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(moving: Moving, verb: str, *options: str) -> str:
    process = command(moving, verb, *options)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def wait_for_phase(moving: Moving, phase: str) -> None:
    """Until the journal on the host says that the phase has begun."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if any(entry["phase"] == phase for move in moving.moves[-1:] for entry in move["phases"]):
            return
        time.sleep(0.02)
    pytest.fail(f"{phase} never began")


def test_the_command_and_the_playbooks_do_the_same(moving: Moving) -> None:
    config = moving.bench.path / "sites/common_site_config.json"
    before = config.read_bytes()

    told: dict[str, Any] = json.loads(run(moving, "migrate", "--json"))
    assert (told["status"], told["exit_code"]) == ("ok", 0)
    assert told["data"]["migrate"]["standin"]["move"]["state"] == "done"
    by_command = config.read_bytes()
    moving.run("rollback")
    assert config.read_bytes() == before

    moving.run("migrate")
    assert config.read_bytes() == by_command
    run(moving, "rollback")
    assert config.read_bytes() == before

    log = Path(told["log"])
    assert "Sweep" in log.read_text() and "p@ss" not in log.read_text()


@pytest.mark.parametrize("phase", ["Stop consumers", "Switch producers", "Sweep"])
def test_a_killed_command_is_resumed(moving: Moving, phase: str) -> None:
    load = moving.load(enqueues=30)
    time.sleep(1)
    process = command(moving, "migrate")
    wait_for_phase(moving, phase)
    moving.orphans += descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    said = run(moving, "migrate")
    assert moving.move["state"] == "done", said
    run(moving, "verify")
    assert held(moving.account(load)) == (0, 0)


def test_interrupted_it_says_how_to_go_on_and_can_be_taken_back(moving: Moving) -> None:
    load = moving.load(enqueues=30)
    time.sleep(1)
    process = command(moving, "migrate")
    wait_for_phase(moving, "Switch producers")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    if process.returncode == 0:  # Ansible sometimes takes the signal only when it has nothing left to do
        assert moving.move["state"] == "done", output
    else:
        assert process.returncode == 130, output
        assert "benchfly migrate" in output and "benchfly rollback" in output
    run(moving, "rollback")
    run(moving, "verify")
    assert held(moving.account(load)) == (0, 0)


def test_a_move_with_a_canary_leaves_its_report(moving: Moving) -> None:
    moving.variables["frappe_bench_canary"] = True
    said = run(moving, "migrate")
    path = Path(re.findall(r"^Report: (\S+)$", said, re.MULTILINE)[0])
    assert path.parent.parent == moving.bench.root / "home/runs"
    page = path.read_text()
    assert re.search(r"0 of \d+ acknowledged jobs lost, 0\s+run twice", page)
    assert "Published messages arrive" in page and "<svg" in page and "p@ss" not in page
    assert "before not measured" not in page


def test_a_second_move_at_once_is_refused(moving: Moving) -> None:
    process = command(moving, "migrate")
    wait_for_phase(moving, "Stop consumers")
    second = command(moving, "migrate")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 3, output
    assert "standin" in output
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
