"""Who may move a bench: this machine can see whether a process of its own has ended; of others it knows nothing."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import held_by, this_controller

_SAY = "import json, sys; from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import *; "


def leased(controller: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**controller, "run": "20261124-migrate", "since": 1_764_000_000.0, "seen": 1_764_000_004.0, **changes}


def test_nobody_holds_it() -> None:
    assert held_by({}, this_controller()) == ""


def test_the_same_run_holds_it_in_all_its_processes() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(this_controller) == this_controller()


def test_another_process_holds_it_until_it_has_ended() -> None:
    say = _SAY + "print(json.dumps(this_controller()), flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", say], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    lease = leased(json.loads(process.stdout.readline()))
    said = held_by(lease, this_controller())
    assert f"(process {process.pid}, 20261124-migrate) since 2025-11-24 16:00:00 UTC, last seen 16:00:04 UTC" in said
    process.communicate()
    assert held_by(lease, this_controller()) == ""


@pytest.mark.parametrize("machine", ["another boot/pid:[1]", ""])
def test_whether_a_process_of_another_machine_has_ended_is_not_known(machine: str) -> None:
    lease = leased(this_controller(), machine=machine, token="t", pid=2**22)
    assert held_by(lease, this_controller())


def test_a_pid_that_was_used_again_is_somebody_else() -> None:
    mine = this_controller()
    lease = leased(mine, token=f"{mine['machine']}:{mine['pid']}:1")
    assert held_by(lease, mine) == ""
