"""What keeps a move from beginning, also under plain ansible-playbook: another controller, the hour, a policy."""

from __future__ import annotations

import json
import time

import pytest
from tests.bench.conftest import Moving

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ALWAYS = ["daily 00:00-24:00 UTC"]


def test_of_two_controllers_at_once_one_is_refused_and_the_other_undisturbed(moving: Moving) -> None:
    load = moving.load(enqueues=10)
    journal = moving.state_dir / "journal.json"
    allowed = {"frappe_bench_blackout": ALWAYS, "frappe_bench_ignore_blackout": "agreed with the shop"}
    both = [moving.start("migrate", **allowed) for _ in range(2)]
    deadline = time.monotonic() + 120
    while not journal.exists():
        assert time.monotonic() < deadline, "no move began"
        time.sleep(0.05)
    lease = json.loads(journal.read_text())["lease"]
    assert lease["pid"] in [process.pid for process in both]
    assert f"is being moved by {lease['name']} (process {lease['pid']}" in moving.refused("rollback", **allowed)
    ends = {process.pid: (process.communicate(timeout=240)[0], process.returncode) for process in both}
    said, code = ends.pop(lease["pid"])
    assert code == 0, said
    ((said, code),) = ends.values()
    assert code != 0, said
    assert "is being moved by" in said or "began to move this bench a moment ago" in said
    assert moving.move["state"] == "done" and moving.move["overrides"] == {"ignore_blackout": "agreed with the shop"}
    assert json.loads(journal.read_text())["lease"] == {}
    counted = moving.account(load)
    assert (counted.web.lost, counted.web.duplicated) == ((), ())


def test_the_hour_and_the_policy_are_kept_under_plain_ansible(moving: Moving) -> None:
    for verb in ("migrate", "rollback"):
        said = moving.refused(verb, frappe_bench_blackout=ALWAYS)
        assert "standin has a blackout window now, daily 00:00-24:00 UTC." in said
    rule = {"metric": "p99_ms", "at_most": 0.8, "times": "today"}
    said = moving.refused("migrate", frappe_bench_policy=[rule])
    assert "standin may not move by its policy: its policy was not judged; `benchfly migrate` does that" in said
    finding = {
        "rule": "r",
        "purpose": "cache",
        "ok": True,
        "detail": "",
        "run": "r1",
        "engine": "redis",
        "version": "1",
    }
    evidence = {"standin": {"findings": [finding]}}
    said = moving.refused("migrate", frappe_bench_policy=[rule], frappe_bench_evidence=evidence)
    assert "r: r1 measured redis 1, and the store is redis " in said
    assert not (moving.state_dir / "journal.json").exists()
