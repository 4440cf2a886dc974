"""A few of the cases of `make faults`, which has all of them: a move that is broken on purpose loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.cases import Case
from tests.faults.planted import Planted
from tests.faults.run import CaseRun
from tests.faults.scene import Scene
from tests.fleet import standin
from tests.fleet.hosts import reason_not_possible

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(900)]

# Each begins where the one before has left the bench.
CASES = [
    Case("kill", "controller", "config", "migrate", "take back"),
    Case("kill", "app2", "web", "migrate", "resume"),
]


@pytest.fixture(scope="module")
def planted(fleet_folder: Path) -> Iterator[Planted]:
    release = standin.release()
    reason = reason_not_possible(release) if release else "no release of the hosts has this Python"
    if reason:
        pytest.skip(reason)
    scene = Scene("test-faults")
    try:
        scene.set_up()
        planted = Planted(scene)
        planted.plant()
        yield planted
    finally:
        scene.fleet.down(fast=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_move_loses_nothing(planted: Planted, case: Case, tmp_path: Path) -> None:
    row = CaseRun(planted.scene, planted, case, tmp_path / "case").run()
    assert row["outcome"] == "whole", (tmp_path / "case/row.json").read_text()
    assert (row["lost"], row["twice"]) == (0, 0)
    assert row["acknowledged"] > 100
