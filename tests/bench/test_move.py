"""A bench moves to other stores and back under load; no job is lost, none runs twice, whatever is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from typing import Any

import pytest
import redis
from tests.bench.conftest import Moving
from tests.orphans import descendants

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def held(counted: Any) -> tuple[int, int]:
    """Jobs lost and jobs run twice, of the web's and of the scheduler's."""
    both = (counted.web, counted.scheduler)
    return sum(len(jobs.lost) for jobs in both), sum(len(jobs.duplicated) for jobs in both)


def test_there_and_back_under_load(moving: Moving) -> None:
    config = moving.bench.path / "sites/common_site_config.json"
    before = config.read_bytes()
    former = moving.bench.config()["redis_cache"]
    stale = f"{json.loads(next(config.parent.glob('*/site_config.json')).read_text())['db_name']}|stale"
    with redis.Redis.from_url(former) as cache:
        cache.set(stale, "and SQL has another value by the time the bench comes back")
    load = moving.load(enqueues=30, pages=5, clears=12)
    time.sleep(3)

    output = moving.run("migrate", frappe_bench_canary=True)
    assert moving.move["state"] == "done"
    assert json.loads(config.read_bytes())["redis_queue"].endswith(f"@127.0.0.1:{moving.stores['queue'].port}")
    assert [process.state for process in moving.bench.processes()] == ["RUNNING"] * 5, "its own redis has gone"
    moving.run("verify")
    assert "changed=0" in moving.run("migrate"), "a bench that is there already has nothing to move"

    output += moving.run("rollback", frappe_bench_canary=True)
    moving.run("verify")
    assert config.read_bytes() == before, "a rollback restores the file byte for byte"
    with redis.Redis.from_url(former) as cache:
        assert not cache.exists(stale), "a cache starts cold on the way back too"
    assert moving.stores["queue"].client.keys("rq:job:*") == []
    counted = moving.account(load)
    assert counted.web.acknowledged > 500
    assert held(counted) == (0, 0)
    assert counted.web.unacknowledged == ()

    assert "p@ss" not in output and "p%40ss" not in output
    journal = moving.state_dir / "journal.json"
    assert (journal.stat().st_mode & 0o777, moving.state_dir.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("verb", ["migrate", "rollback"])
def test_a_killed_controller_is_resumed_or_taken_back(moving: Moving, verb: str) -> None:
    load = moving.load(enqueues=20)
    time.sleep(2)
    if verb == "rollback":
        moving.run("migrate")
    other = "rollback" if verb == "migrate" else "migrate"
    for phase in ("Stop consumers", "Switch producers", "Sweep", *(["Retire"] if verb == "migrate" else [])):
        kill_at(moving, verb, phase)
        if phase == "Switch producers":  # resume, then go back to where the next kill begins
            moving.run(verb)
        moving.run(other)
    assert held(moving.account(load)) == (0, 0)


def kill_at(moving: Moving, verb: str, phase: str) -> None:
    """SIGKILL ansible-playbook and all it started as soon as a task of that phase begins."""
    process = moving.start(verb)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.match(rf"TASK .*{phase}", line):
            time.sleep(0.3)
            break
    else:
        pytest.fail(f"{verb} never came to {phase}:\n{''.join(seen)}")
    moving.orphans += descendants(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_job_that_does_not_end_puts_everything_back(moving: Moving) -> None:
    load = moving.load(enqueues=10)
    urllib.request.urlopen(f"{moving.bench.url}/api/method/enqueue?n=1000000&sleep=45", data=b"").close()
    time.sleep(2)
    before = moving.bench.config()
    said = moving.refused("migrate", frappe_bench_stop_timeout=3)
    assert re.search(r"worker-0 \(pid \d+\) did not end within 3 s, because a job holds it", said)
    assert moving.bench.config() == before
    assert not (moving.state_dir / "journal.json").exists() or moving.refused("rollback")
    for _ in range(90):
        if all(process.state == "RUNNING" for process in moving.bench.processes()):
            break
        time.sleep(1)
    moving.run("verify")
    assert held(moving.account(load)) == (0, 0)


def test_refusals_come_before_anything_is_touched(moving: Moving) -> None:
    config = moving.bench.path / "sites/common_site_config.json"
    site = moving.bench.path / "sites/site1.localhost/site_config.json"
    before, site_before = config.read_bytes(), site.read_bytes()

    site.write_text(json.dumps({**json.loads(site_before), "redis_queue": "redis://127.0.0.1:1"}))
    assert "site1.localhost/site_config.json sets redis_queue" in moving.refused("migrate")
    site.write_bytes(site_before)

    moving.stores["queue"].client.config_set("maxmemory-policy", "allkeys-lru")
    assert "The memory policy fits the purpose" in moving.refused("migrate")
    moving.stores["queue"].client.config_set("maxmemory-policy", "noeviction")

    assert "was never moved" in moving.refused("rollback")
    assert "new-queeue" in moving.refused("migrate", frappe_bench_queue_store="new-queeue")
    assert "no supervisord answers" in moving.refused("migrate", frappe_bench_supervisor_socket="/nowhere")
    assert config.read_bytes() == before
    assert [process.state for process in moving.bench.processes()] == ["RUNNING"] * 7


def test_only_the_queue_moves_when_only_the_queue_is_named(moving: Moving) -> None:
    before = moving.bench.config()
    moving.run("migrate", frappe_bench_cache_store="")
    after = moving.bench.config()
    assert after["redis_cache"] == before["redis_cache"] and after["redis_queue"] != before["redis_queue"]
    moving.run("verify")
    moving.run("rollback")
    assert moving.bench.config() == before


def test_an_edit_since_the_move_survives_the_rollback(moving: Moving) -> None:
    config = moving.bench.path / "sites/common_site_config.json"
    before = moving.bench.config()
    moving.run("migrate")
    config.write_text(json.dumps({**moving.bench.config(), "mail_server": "smtp.example.com"}))
    moving.run("rollback")
    assert moving.bench.config() == {**before, "mail_server": "smtp.example.com"}


def test_check_mode_changes_nothing(moving: Moving) -> None:
    before = (moving.bench.path / "sites/common_site_config.json").read_bytes()
    pids = [process.pid for process in moving.bench.processes()]
    moving.run("check")
    output = moving.run("migrate", "--check", "--diff", frappe_bench_canary=True)
    for announced in ("Stop consumers", "Write the new stores", "Sweep"):
        assert re.search(rf"TASK \[[^\n]*{announced}[^\n]*\n\w*changed", output), f"{announced} is not announced"
    assert f"+redis_cache: 127.0.0.1:{moving.stores['cache'].port}" in output
    assert (moving.bench.path / "sites/common_site_config.json").read_bytes() == before
    assert [process.pid for process in moving.bench.processes()] == pids
    assert not (moving.state_dir / "journal.json").exists()
