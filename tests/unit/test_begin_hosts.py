"""What keeps a bench of two hosts from being moved, where one of them has closed a move that the other has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchfly.playbook.outcome import Outcome
from benchfly.playbook.runner import Invocation, run

ALWAYS = "daily 00:00-24:00 UTC"
PLAY = {
    "hosts": "shop",
    "gather_facts": False,
    "tasks": [
        {
            "ansible.builtin.import_role": {"name": "benchfly.stores.frappe_bench", "tasks_from": "begin"},
            "vars": {"frappe_bench_verb": "migrate"},
        }
    ],
}


def begin(folder: Path, states: dict[str, str]) -> Outcome:
    """Whether a move may begin now, in a blackout and against a policy; `states` has each host's last move."""
    facts = {host: {"bench": {"lease": {}, "move": _move(state)}} for host, state in states.items()}
    variables = {
        "ansible_connection": "local",
        "frappe_bench_name": "shop",
        "frappe_bench_blackout": [ALWAYS],
        "frappe_bench_policy": [{"metric": "p99_ms", "at_most": 0.8, "times": "today"}],
        "_frappe_bench_gate": {"results": []},
    }
    hosts = {host: {"_frappe_bench_facts": facts[host]} for host in states}
    inventory, play = folder / "hosts.yml", folder / "begin.yml"
    inventory.write_text(yaml.safe_dump({"shop": {"hosts": hosts, "vars": variables}}))
    play.write_text(yaml.safe_dump([PLAY]))
    return run(Invocation(play, [str(inventory)]), folder)


def _move(state: str) -> dict[str, Any]:
    return {"state": state, "written": {}} if state else {}


@pytest.mark.parametrize("states", [("open", "done"), ("done", "open"), ("", "open")])
def test_a_move_that_any_host_has_not_closed_goes_on_at_any_time(tmp_path: Path, states: tuple[str, str]) -> None:
    tmp_path.chmod(0o700)
    outcome = begin(tmp_path, dict(zip(("app1", "app2"), states, strict=True)))
    assert outcome.status == "ok", outcome.failures


def test_a_move_that_all_hosts_have_closed_is_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    outcome = begin(tmp_path, {"app1": "done", "app2": "done"})
    assert outcome.status == "failed"
    assert {failure.host for failure in outcome.failures} == {"app1", "app2"}
    assert all("has a blackout window now" in failure.message for failure in outcome.failures)
