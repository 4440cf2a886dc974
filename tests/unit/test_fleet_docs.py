"""What docs/fleet.md shows is so: its commands run, and its inventory is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils import blackout
from tests.unit.test_cli_rollout import FLEET
from tests.unit.test_cli_runs import benchfly
from tests.unit.test_cli_runs import home as home

from benchfly.policy import parse
from benchfly.rollout import State

TEXT = (Path(__file__).parents[2] / "docs/fleet.md").read_text()
COMMANDS = re.findall(r"^\$ benchfly (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command: str) -> None:
    words = shlex.split(command.replace("inventories/prod", FLEET))
    done = benchfly(*words, *([] if "--plan" in words else ["--yes"]))
    assert done.returncode == 0, done.stderr


def test_its_inventory_is_read() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    variables = yaml.safe_load(block)
    assert [blackout.parse(window).text for window in variables["frappe_bench_blackout"]]
    assert [str(parse(rule)) for rule in variables["frappe_bench_policy"]] == [
        "cache: p99_ms of frappe-site at most 0.8 x today",
        "cache: memory_bytes of frappe-site at most 1 x today",
        "queue: ops_per_second of my-queue at 64 clients at least 20000",
        "gate: go",
    ]


def test_every_outcome_is_told() -> None:
    told = set(re.findall(r"^\| ([a-z ]+) \|", TEXT, re.MULTILINE)) - {"outcome"}
    assert told == {state.value for state in State} - {State.MOVING.value}
