"""One program of a supervisord: kept as described, and no other touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from tests.stores.supervised import supervisord

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
SLEEPS = {"command": "/bin/sleep 100", "redirect_stderr": "true", "startsecs": 0}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with supervisord() as folder:
        yield folder


def program(folder: Path, name: str, *options: str, **arguments: Any) -> dict[str, Any]:
    """Run the module; its result."""
    given = {"name": name, "socket": f"{folder}/supervisor.sock", "config_dir": f"{folder}/supervisor.d", **arguments}
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "benchfly.stores.supervisor_program"]
    env = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [*command, "-a", json.dumps(given), *options], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") : done.stdout.rindex("}") + 1])
    return result


def states(folder: Path) -> dict[str, str]:
    return {process.group: process.state for process in Supervisor(f"{folder}/supervisor.sock").processes()}


def test_a_program_from_its_first_start_to_its_removal(folder: Path) -> None:
    file = folder / "supervisor.d/one.conf"
    announced = program(folder, "one", "--check", settings=SLEEPS)
    assert (announced["changed"], file.exists(), states(folder)) == (True, False, {})

    started = program(folder, "one", settings=SLEEPS)
    assert started["actions"] == announced["actions"] == ["written", "added"]
    assert states(folder) == {"one": "RUNNING"}
    assert Path(f"/proc/{started['pid']}/cmdline").read_bytes() == b"/bin/sleep\x00100\x00"

    again = program(folder, "one", settings=SLEEPS)
    assert (again["changed"], again["pid"]) == (False, started["pid"])

    restarted = program(folder, "one", state="restarted")
    assert (restarted["actions"], file.exists()) == (["restarted"], True)
    assert restarted["pid"] not in (0, started["pid"])

    longer = {**SLEEPS, "command": "/bin/sleep 200"}
    announced = program(folder, "one", "--check", settings=longer, state="restarted")
    replaced = program(folder, "one", settings=longer, state="restarted")
    assert announced["actions"] == replaced["actions"] == ["written", "replaced"]
    assert Path(f"/proc/{replaced['pid']}/cmdline").read_bytes() == b"/bin/sleep\x00200\x00"

    assert program(folder, "one", state="stopped")["actions"] == ["stopped"]
    assert states(folder) == {"one": "STOPPED"}
    assert program(folder, "one", state="stopped")["changed"] is False
    assert program(folder, "one", state="started")["actions"] == ["started"]

    assert program(folder, "one", "--check", state="absent")["actions"] == ["removed"]
    assert states(folder) == {"one": "RUNNING"}
    assert program(folder, "one", state="absent")["actions"] == ["removed"]
    assert (file.exists(), states(folder)) == (False, {})
    assert program(folder, "one", state="absent")["changed"] is False


def test_what_an_interrupted_run_left_is_applied_and_nothing_else(folder: Path) -> None:
    program(folder, "mine", settings=SLEEPS)
    other = program(folder, "other", settings=SLEEPS)
    for name in ("mine", "other"):
        file = folder / f"supervisor.d/{name}.conf"
        file.write_text(file.read_text().replace("sleep 100", "sleep 300"))
    applied = program(folder, "mine", settings={**SLEEPS, "command": "/bin/sleep 300"})
    assert applied["actions"] == ["replaced"]
    left = {process.group: process.pid for process in Supervisor(f"{folder}/supervisor.sock").processes()}
    assert left["other"] == other["pid"]


def test_a_per_cent_sign_is_taken_as_it_is(folder: Path) -> None:
    result = program(folder, "signs", settings={**SLEEPS, "command": "/usr/bin/env SHARE=5%(x)s /bin/sleep 100"})
    assert b"SHARE=5%(x)s\0" in Path(f"/proc/{result['pid']}/environ").read_bytes()


def test_a_program_that_ends_at_once_is_a_failure_with_its_last_words(folder: Path) -> None:
    settings = {"command": "/bin/sh -c 'echo the disk is full; exit 3'", "redirect_stderr": "true", "startretries": 0}
    result = program(folder, "broken", settings=settings)
    assert "broken does not run, it is FATAL" in result["msg"]
    assert "the disk is full" in result["msg"]


def test_a_folder_that_supervisord_does_not_include_is_named(folder: Path, tmp_path: Path) -> None:
    result = program(folder, "lost", settings=SLEEPS, config_dir=str(tmp_path))
    assert result["msg"].startswith(f"supervisord does not include {tmp_path}/*.conf. Add that to [include]")


def test_a_supervisord_that_is_not_there_is_named(folder: Path) -> None:
    result = program(folder, "one", settings=SLEEPS, socket=f"{folder}/nowhere.sock")
    assert f"supervisord at {folder}/nowhere.sock, program one: " in result["msg"]
