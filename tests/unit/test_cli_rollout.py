"""Whole rollouts of the command, as processes, with small playbooks on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest
from tests.unit.test_cli_runs import CTRL_C, HERE, PROGRAM, benchfly, start, wait_for
from tests.unit.test_cli_runs import home as home

FLEET = str(HERE.parent / "data/playbooks/verbs/fleet.yml")
ALL = ["migrate", "-i", FLEET, "--all", "--yes"]


def outcome(data: dict[str, Any]) -> dict[str, str]:
    return {bench: row["state"] for bench, row in data["benches"].items()}


def test_canary_first_then_batches_at_the_same_time(home: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    done = benchfly(*ALL, "--canary", "1", "--batch", "50%", "--json", "-e", f"notes={notes}")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert (data["status"], data["exit_code"], data["stopped"]) == ("ok", 0, "")
    assert outcome(data) == dict.fromkeys(["b1", "b2", "b3", "b4", "b5"], "moved")
    order = [line.partition("-")[0] for line in notes.read_text().splitlines()]
    assert order[0] == "b1" and set(order[1:3]) == {"b2", "b3"} and set(order[3:]) == {"b4", "b5"}
    assert len(list((home / "runs").glob("*-migrate-*"))) == 5, "a run for each bench"
    (folder,) = (home / "runs").glob("*-rollout-*")
    assert json.loads((folder / "rollout.json").read_text())["benches"] == data["benches"]
    (run,) = data["benches"]["b3"]["runs"]
    assert json.loads((home / "runs" / run / "inputs.json").read_text())["rollout"] == data["run"]


def test_the_first_failure_stops_it_and_is_taken_back(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    options = [*ALL, "--batch", "2", "-e", f"notes={notes}", "-e", "failing=b2 failure='a client is left'"]
    done = benchfly(*options, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["status"], data["stopped"]) == (4, "failed", "b2 failed")
    assert outcome(data) == {
        "b1": "moved",
        "b2": "failed and rolled back",
        "b3": "moved",
        "b4": "untouched",
        "b5": "untouched",
    }
    assert "b2-web True\n" in notes.read_text(), "only what this move began is taken back"
    assert "a client is left" in data["benches"]["b2"]["message"]
    assert len(data["benches"]["b2"]["runs"]) == 2

    again = benchfly(*ALL, "--batch", "2")
    assert again.returncode == 0
    assert re.search(r"^b5 +batch 2 +moved", again.stdout, re.MULTILINE)


def test_one_that_cannot_be_taken_back_is_named_with_what_to_do() -> None:
    done = benchfly(*ALL, "-e", "failing=b1 failure='no answer'", "-e", "stuck='still none'")
    assert done.returncode == 4
    assert "b1: failed and not rolled back: b1-web: Sweep | Fail if that is asked for: no answer" in done.stderr
    assert "still none" in done.stderr
    command = rf"-i {FLEET} -e 'failing=…' -e 'failure=…' -e 'stuck=…' --bench b1`"
    assert f"`benchfly migrate {command} resumes it; `benchfly rollback {command} takes it back." in done.stderr
    assert "Untouched: b2, b3, b4, b5." in done.stderr


def test_a_refused_canary_ends_with_3_and_nothing_is_taken_back(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    done = benchfly(*ALL, "--json", "-e", f"verdict=no failing=b1 notes={notes}")
    data = json.loads(done.stdout)
    assert (done.returncode, data["status"], data["benches"]["b1"]["state"]) == (3, "refused", "refused")
    assert not notes.exists()


def test_ctrl_c_lets_those_under_way_end_and_a_second_one_interrupts_them(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    options = [*ALL, "--canary", "0", "--batch", "2", "--json"]
    process = start(*options, "-e", f"notes={notes} seconds=3")
    wait_for(notes)
    process.send_signal(signal.SIGINT)
    data = json.loads(process.communicate(timeout=120)[0])
    assert (process.returncode, data["status"]) == (130, "interrupted")
    assert outcome(data) == {"b1": "moved", "b2": "moved", "b3": "untouched", "b4": "untouched", "b5": "untouched"}

    notes.unlink()
    process = start(*options, "-e", f"notes={notes} seconds=60")
    wait_for(notes)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    data = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 130
    assert outcome(data)["b3"] == "untouched"
    assert "interrupted" in (outcome(data)["b1"], outcome(data)["b2"])
    assert "resumes it; `benchfly rollback" in json.dumps(data["benches"], ensure_ascii=False)


def test_killed_it_leaves_no_move_behind_that_works_on_unseen(tmp_path: Path, home: Path) -> None:
    notes = tmp_path / "notes"
    process = start(*ALL, "-e", f"notes={notes} seconds=60")
    wait_for(notes)
    (folder,) = (home / "runs").glob("*-rollout-*")
    assert json.loads((folder / "rollout.json").read_text())["benches"]["b1"]["state"] == "moving"
    process.kill()
    process.communicate()
    done = benchfly(*ALL, "-e", f"notes={notes}")
    assert done.returncode == 0 or "in use by `benchfly migrate`" in done.stderr


def test_on_a_terminal_it_shows_those_under_way(tmp_path: Path) -> None:
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [*PROGRAM[1:], *ALL[:-1], "--batch", "2", "-e", "seconds=1"]
    terminal = pexpect.spawn(PROGRAM[0], command, env=environment, encoding="utf-8", timeout=120, dimensions=(40, 120))
    terminal.expect_exact("5 benches in 3 steps. First b1; then the others in batches of up to 2")
    terminal.expect_exact("Go on? [y/N]:")
    terminal.send("y\n")
    terminal.expect(r"batch 1, 1 of 5 benches done")
    terminal.expect(r"b2 +Stop")
    terminal.send(CTRL_C)
    terminal.expect("No further bench starts. 2 under way end first")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


@pytest.mark.parametrize("options", [["--all", "--bench", "b1"], ["--batch", "none"]])
def test_what_cannot_be_meant_is_refused(options: list[str]) -> None:
    assert benchfly("migrate", "-i", FLEET, "--yes", *options).returncode == 3


def test_a_plan_changes_nothing_and_says_what_past_runs_took(tmp_path: Path, home: Path) -> None:
    notes = tmp_path / "notes"
    plan = ["migrate", "-i", FLEET, "--all", "--plan", "-e", f"notes={notes}"]
    done = benchfly(*plan)
    assert done.returncode == 0, done.stderr
    assert "no past runs" in done.stdout and "Nothing was changed." in done.stdout
    assert not notes.exists() and not (home / "runs").exists()

    assert benchfly("migrate", "-i", FLEET, "--bench", "b2", "--yes").returncode == 0
    data = json.loads(benchfly(*plan, "--batch", "2", "--json").stdout)
    assert [step["benches"] for step in data["steps"]] == [["b1"], ["b2", "b3"], ["b4", "b5"]]
    own, others = data["benches"]["b2"]["expected"], data["benches"]["b3"]["expected"]
    assert (own["own"], others["own"], own["runs"]) == (True, False, 1)
    assert own["seconds"]["median"] == others["seconds"]["median"] > 0
    assert {"Check", "Stop", "Sweep"} <= set(own["phases"])
    assert data["seconds"] > 0


def test_a_policy_without_evidence_refuses_and_says_which_benchmark_would_make_it(tmp_path: Path, home: Path) -> None:
    notes = tmp_path / "notes"
    rule = {"metric": "p99_ms", "purpose": "queue", "at_most": 0.8, "times": "today"}
    policy = json.dumps({"frappe_bench_policy": [rule]})
    options = [*ALL, "-e", policy, "-e", f"notes={notes}"]
    done = benchfly(*options)
    assert done.returncode == 3 and not notes.exists()
    assert (
        "b1 may not move by its policy:\n  queue: p99_ms of frappe-site at most 0.8 x today: no evidence" in done.stderr
    )
    said = f"benchfly benchmark -i {FLEET} -e benchmark_workload=frappe-site -e benchmark_stores=queue"
    assert said in done.stderr
    assert "--without-evidence REASON" in done.stderr

    done = benchfly(*options, "--without-evidence", "measured by hand", "--json")
    assert done.returncode == 0
    (run,) = json.loads(done.stdout)["benches"]["b1"]["runs"]
    inputs = json.loads((home / "runs" / run / "inputs.json").read_text())
    assert inputs["overrides"] == {"frappe_bench_without_evidence": "measured by hand"}
    assert inputs["frappe_bench_evidence"]["b1"]["verdict"] == "no"


def test_a_blackout_window_lets_no_bench_start() -> None:
    window = json.dumps({"frappe_bench_blackout": ["daily 00:00-24:00 UTC"]})
    done = benchfly(*ALL, "-e", window, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["stopped"]) == (3, "b1 has a blackout window now, daily 00:00-24:00 UTC")
    assert set(outcome(data).values()) == {"untouched"}
    assert benchfly(*ALL, "-e", window, "--ignore-blackout", "agreed").returncode == 0
