"""Workers that are paused finish what they run and take nothing, with the RQ of each Frappe version."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from demo.standin.environment import ensure_env
from tests.stores.servers import Server

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("frappe", ["14", "16"])  # tests/kubernetes has 15
def test_a_running_job_ends_and_no_other_begins(tmp_path: Path, frappe: str) -> None:
    env = ensure_env(frappe=frappe)
    with Server(tmp_path / "store") as store:
        command = [env.python, ROOT / "tests/stores/paused_workers.py", store.url, tmp_path]
        variables = env.variables | {"PYTHONPATH": str(ROOT / "collections")}
        done = subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    (late,) = seen["late"]
    assert late.endswith("(job running)")
    assert (seen["asleep"], seen["job"], seen["again"]) == (["running"], "finished", [])
    assert seen["awake"] == ["running", "meanwhile"]
    assert (seen["ended"], seen["suspended"]) == ([], True)
