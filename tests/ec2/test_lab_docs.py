"""What docs/lab.md shows is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.ec2.labs import Account, benchfly, cloud

from benchfly.lab import tags
from benchfly.lab.suite import suite

__all__ = ["cloud"]  # a fixture

TEXT = (Path(__file__).parents[2] / "docs/lab.md").read_text()
COMMANDS = re.findall(r"^\$ benchfly (.*)$", TEXT, re.MULTILINE)


def test_its_commands_run(cloud: Account, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        lab = next(iter(cloud.front.groups), "").removeprefix("benchfly-")
        words = shlex.split(command.replace("LAB", lab))
        image = ["--image", "amazon-linux-2023"]  # moto knows no other
        match words[1]:
            case "run" if "--lab" in words:  # hosts for it are in tests/ec2/test_lab_run.py
                code, _, errors = benchfly(capsys, *shlex.split(command.replace("LAB", "lab-000000")))
                assert code == 3 and "lab-000000 has no hosts in this region" in errors
            case "run":
                code, said, _ = benchfly(capsys, *words, *image)
                assert code == 3 and "10 benchmarks: frappe-site, untuned;" in said  # the plan, and nobody to ask
            case verb:
                more = {"up": [*image, "--yes"], "down": ["--yes"], "sweep": ["--yes"]}.get(verb, [])
                code, said, errors = benchfly(capsys, *words, *more)
                assert code == 0 and said, errors
    assert len(COMMANDS) == 7 and cloud.left() == {}


def test_its_figures_are_those_of_the_code() -> None:
    longest = sum(benchmark.longest(stores=2, scale=1) for benchmark in suite())
    assert f"takes {longest / 3600:.0f} hours" in TEXT
    for name in (tags.LAB, tags.CREATED, tags.EXPIRES, tags.OWNER, tags.GROUP):
        assert f"`{name}`" in TEXT
    for benchmark in suite():
        assert f"`{benchmark.workload}`" in TEXT
