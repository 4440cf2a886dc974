"""Whole runs of the command, as processes, with small playbooks on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

HERE = Path(__file__).parent
PROGRAM = [sys.executable, str(HERE / "cli_with_test_playbooks.py")]
INVENTORY = str(HERE.parent / "data/playbooks/verbs/hosts.yml")
SHOP = ["-i", INVENTORY, "--bench", "shop"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def benchfly(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def stored(home: Path, verb: str) -> dict[str, Any]:
    (folder,) = (home / "runs").glob(f"*-{verb}-*")
    result: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    assert result["folder"] == str(folder)
    return result


def test_a_run_from_a_script(home: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    secret = "hunter2hunter2"
    done = benchfly("migrate", *SHOP, "--yes", "--json", "-e", f"notes={notes}", "-e", f"password={secret}")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (data["verb"], data["status"], data["exit_code"]) == ("migrate", "ok", 0)
    assert data["data"]["migrate"] == {"shop": {"needed": True, "resumed": False, "move": {}, "canary": {}}}
    assert set(data["hosts"]) == {"web"}, "the other bench was not named"
    assert notes.read_text() == f"web {data['run']}\n"
    assert stored(home, "migrate") == data
    texts = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert not [text for text in texts if secret.encode() in text]


def test_a_run_without_a_terminal_has_a_line_at_each_end_of_a_phase(home: Path) -> None:
    done = benchfly("migrate", *SHOP, "--yes")
    assert done.returncode == 0, done.stderr
    assert "shop-queue (redis at 127.0.0.1:6380)" in done.stdout, "the plan"
    assert re.search(r"^Stop \.\.\.\nStop: done, 1/1 host, \d+\.\d s$", done.stdout, re.MULTILINE)
    assert "shop has moved." in done.stdout
    assert "\x1b" not in done.stdout


def test_verbose_shows_what_ansible_says() -> None:
    done = benchfly("migrate", *SHOP, "--yes", "-v")
    assert "TASK [Stop | Wait as long as is asked for]" in done.stdout
    assert "PLAY RECAP" in done.stdout


def test_a_failed_run_says_what_failed_where_the_log_is_and_what_next(home: Path) -> None:
    done = benchfly("migrate", *SHOP, "--yes", "-e", "failure='a client is left'")
    assert done.returncode == 4
    assert "web: Sweep | Fail if that is asked for: a client is left" in done.stderr
    assert f"Full log: {stored(home, 'migrate')['log']}" in done.stderr
    assert f"`benchfly rollback -i {INVENTORY} -e 'failure=…' --bench shop` takes it back." in done.stderr


def test_what_the_check_refuses_ends_with_3() -> None:
    done = benchfly("migrate", *SHOP, "--yes", "--json", "-e", "verdict=no")
    data = json.loads(done.stdout)
    assert (done.returncode, data["exit_code"], data["status"]) == (3, 3, "failed")
    assert data["message"].startswith("migrate was refused.\n")
    assert "This run changed nothing." in data["message"]
    assert "shop on web may not move" in data["message"]


def test_a_playbook_that_finds_no_host_has_done_nothing() -> None:
    done = benchfly("status", *SHOP)
    assert done.returncode == 3
    assert "nothing was done" in done.stderr


def test_deploy_keeps_to_the_hosts_of_the_named_benches_stores(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    done = benchfly("deploy", "-i", INVENTORY, "--bench", "erp", "--yes", "-e", f"notes={notes}")
    assert done.returncode == 0, done.stderr
    assert notes.read_text() == "s2\n"


def test_check_mode_neither_asks_nor_changes(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    done = benchfly("migrate", *SHOP, "--check", "--diff", "-e", f"notes={notes}")
    assert done.returncode == 0, done.stderr
    assert "migrate would change hosts:" in done.stdout
    assert "TASK [Sweep | Hand over]" in done.stdout
    assert "has moved" not in done.stdout
    assert not notes.exists()


CTRL_C = "\x03"


@pytest.mark.parametrize(("answer", "code", "moved"), [("y\n", 0, True), ("n\n", 3, False), (CTRL_C, 130, False)])
def test_on_a_terminal_it_asks(answer: str, code: int, moved: bool, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    terminal = pexpect.spawn(
        PROGRAM[0],
        [*PROGRAM[1:], "migrate", *SHOP, "-e", f"notes={notes}"],
        env=environment,
        encoding="utf-8",
        timeout=120,
        dimensions=(40, 120),
    )
    terminal.expect_exact("shop-cache (valkey at 127.0.0.1:6381)")
    terminal.expect_exact("Go on? [y/N]:")
    terminal.send(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == code
    assert notes.exists() == moved
    assert ("Sweep" in terminal.before) == moved, "live progress"


def test_a_second_run_on_a_bench_is_refused_and_the_kernel_frees_the_lock_of_a_killed_one(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    first = start("migrate", *SHOP, "--yes", "-e", f"notes={notes} seconds=60")
    try:
        wait_for(notes)
        second = benchfly("rollback", *SHOP, "--yes")
        assert second.returncode == 3
        assert re.search(rf"shop is in use by `benchfly migrate`, process {first.pid}, since", second.stderr)
    finally:
        first.kill()
        first.communicate()
    assert benchfly("migrate", *SHOP, "--yes").returncode == 0


def test_ctrl_c_stops_and_says_how_to_go_on(tmp_path: Path, home: Path) -> None:
    notes = tmp_path / "notes"
    process = start("migrate", *SHOP, "--yes", "-e", f"notes={notes} seconds=60")
    wait_for(notes)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "migrate was interrupted." in err
    assert "resumes it; `benchfly rollback" in err
    assert stored(home, "migrate")["status"] == "interrupted"
    assert benchfly("migrate", *SHOP, "--yes").returncode == 0


def test_under_nohup_a_hangup_stops_nothing(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    command = ["nohup", *PROGRAM, "migrate", *SHOP, "--yes", "--json", "-e", f"notes={notes} seconds=2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    wait_for(notes)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "ok"
