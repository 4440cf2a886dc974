"""A worker whose TERM was swallowed is ended between two jobs, with the RQ of each Frappe version."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from demo.standin.environment import ensure_env
from tests.stores.servers import Server

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
JOBS = 400


@pytest.mark.parametrize("frappe", ["14", "15", "16"])
def test_no_job_is_cut_short(tmp_path: Path, frappe: str) -> None:
    env = ensure_env(frappe=frappe)
    with Server(tmp_path / "store") as store:
        command = [env.python, ROOT / "tests/stores/deaf_worker.py", store.url, tmp_path, JOBS]
        variables = env.variables | {"PYTHONPATH": str(ROOT / "collections")}
        done = subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["alive"], "it did not notice that it was told to end"
    assert seen["told"] >= 1 and seen["twice"] == 0
    # What it began has ended well, and nothing else was begun; one may have been popped, which a sweep finds.
    assert seen["statuses"] == {"finished": seen["begun"], "queued": JOBS - seen["begun"]}
    assert seen["waiting"] in (JOBS - seen["begun"], JOBS - seen["begun"] - 1)
    assert 8 <= seen["begun"] < JOBS
