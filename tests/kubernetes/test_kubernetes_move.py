"""A release of the chart erpnext moves and comes back, in a stand-in for a cluster: no job is lost, none runs twice."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from typing import Any

import pytest
from demo.load import Load
from tests.bench.test_move import held, kill_at
from tests.kubernetes.api import Object
from tests.kubernetes.conftest import Released

LONG = 1_000_000  # numbers of jobs from here on are not the load's

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def run_with_job(released: Released, seconds: int, **variables: Any) -> tuple[int, str]:
    """Run `migrate`, and have a job of so many seconds begin just before the consumers are to stop."""
    lines = []
    with released.start("migrate", **variables) as process:
        for line in process.stdout or ():
            lines.append(line)
            if "Begin in the journal" in line:
                asked = f"n={LONG + seconds}&sleep={seconds}"
                urllib.request.urlopen(f"{released.url}/api/method/enqueue?{asked}", data=b"").close()
    return process.returncode, " ".join("".join(lines).split())


@pytest.mark.skipif("KUBERNETES" not in os.environ, reason="takes some minutes: make kubernetes-test")
def test_jobs_longer_than_the_grace_period_are_waited_for_or_hold_the_move_up(released: Released) -> None:
    before, replicas = released.values, released.replicas()
    load = released.load(enqueues=6)
    time.sleep(1)
    released.kubelet.grace = 3

    code, said = run_with_job(released, 20, frappe_bench_stop_timeout=2)
    assert code != 0
    assert re.search(r"shop stays where it is, .*\(worker \S+ \(job \S+\) did not end within 2 s", said), said[-2000:]
    assert (released.values, released.replicas()) == (before, replicas)

    code, said = run_with_job(released, 8)
    assert code == 0, said
    assert released.kubelet.killed == [], "no pod had a job when it was told to go"
    new = {purpose: released.stores[purpose].url for purpose in ("cache", "queue")}
    assert released.values == {**before, "externalRedis": new}
    assert released.replicas() == replicas
    counted = released.account(load)
    assert counted.web.acknowledged > 50
    assert held(counted) == (0, 0)
    assert {8, 20} <= {execution.n - LONG for execution in released.bench.executions()}


def test_a_killed_controller_is_resumed_from_another_host_and_all_comes_back(released: Released) -> None:
    before, replicas = released.values, released.replicas()
    load = released.load(enqueues=6)
    time.sleep(1)
    kill_at(released, "migrate", "Switch producers | Name the new stores")
    released.go_elsewhere()
    released.run("migrate")
    assert released.move["state"] == "done"
    assert released.bench.config()["redis_queue"] == released.stores["queue"].url

    released.run("rollback")
    assert_back(released, before, replicas, load)


@pytest.mark.skipif("KUBERNETES" not in os.environ, reason="takes some minutes: make kubernetes-test")
@pytest.mark.parametrize("phase", ["Stop consumers | Let workers take jobs", "Sweep", "Start consumers | Give them"])
def test_a_killed_rollback_is_resumed_from_another_host(released: Released, phase: str) -> None:
    before, replicas = released.values, released.replicas()
    load = released.load(enqueues=6)
    released.run("migrate")
    kill_at(released, "rollback", phase)
    released.go_elsewhere()
    released.run("rollback")
    assert_back(released, before, replicas, load)


@pytest.mark.skipif("KUBERNETES" not in os.environ, reason="takes some minutes: make kubernetes-test")
def test_a_killed_migration_is_taken_back_from_another_host(released: Released) -> None:
    before, replicas = released.values, released.replicas()
    load = released.load(enqueues=6)
    kill_at(released, "migrate", "Sweep")
    released.go_elsewhere()
    released.run("rollback")
    assert_back(released, before, replicas, load)


def assert_back(released: Released, values: Object, replicas: dict[str, int], load: Load) -> None:
    """The release is what it was, and each job of the load was executed once."""
    assert released.values == values
    assert released.replicas() == replicas
    assert released.bench.config()["redis_queue"] == released.stores["former-queue"].url
    counted = released.account(load)
    assert counted.web.acknowledged > 50
    assert held(counted) == (0, 0)
    assert released.stores["queue"].client.keys("rq:job:*") == []
