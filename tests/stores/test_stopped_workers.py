"""Jobs that a stopped worker had popped are found, with the RQ of each Frappe version and real workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from demo.standin.environment import ensure_env
from tests.stores.servers import server

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
Outcome = dict[str, Any]


def outcomes(frappe: str, folder: Path, rounds: int, servers: Sequence[Path | None] = (None, None)) -> list[Outcome]:
    """What stopped_workers.py says after so many stops in each way; `servers` as the binaries of source and target."""
    env = ensure_env(frappe=frappe)
    folder.mkdir(exist_ok=True)
    with server(folder / "source", servers[0]) as source, server(folder / "target", servers[1]) as target:
        command = [env.python, ROOT / "tests/stores/stopped_workers.py", source.url, target.url, folder, rounds]
        done = subprocess.run(
            [*map(str, command)],
            env=env.variables | {"PYTHONPATH": str(ROOT / "collections")},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert "worker:" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("frappe", ["14", "15", "16"])
def test_whenever_a_worker_is_stopped_each_job_is_executed_once(tmp_path: Path, frappe: str) -> None:
    found = outcomes(frappe, tmp_path / "stops", rounds=3)
    assert [outcome for outcome in found if outcome["lost"] or outcome["twice"] or outcome["left"]] == []
    back = {(outcome["workers"], outcome["way"]): outcome["put_back"] for outcome in found}
    for way in ("popped", "fetched", "before fork, cold"):  # each of these strands one job
        assert back["single", way] == back["multi", way] == 3, way
