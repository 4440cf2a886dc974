"""Benches of Frappe v14's and v16's shape: as those towards Redis, and moved and taken back like one of v15."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin import SITE, StandinBench
from tests.bench.conftest import Moving
from tests.bench.test_move import held
from tests.bench.test_standin import ask, eventually, store

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Ids of jobs: those enqueued without one, and those with.
IDS = {
    "14": rf"{_UUID}|{SITE}::scheduled_job::.*",
    "16": rf"{SITE}\|\|{_UUID}|{SITE}\|\|scheduled_job\|\|.*",
}
# A queue of v16's own: its worker pops with BLMOVE, those of several queues with BLPOP.
SHAPES: dict[str, dict[str, Any]] = {
    "14": {"frappe": "14"},
    "16": {"frappe": "16", "workers": {"exports": {"timeout": 60, "background_workers": 1}}},
}
SLOW = range(1_000_000, 1_000_020)


@pytest.fixture(params=["14", "16"])
def shape(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SHAPES[request.param]


def test_there_and_back_under_load(moving: Moving, shape: dict[str, Any]) -> None:
    config = moving.bench.path / "sites/common_site_config.json"
    before = config.read_bytes()
    load = moving.load(enqueues=30, pages=5, clears=12)
    time.sleep(2)
    queue = next(iter(shape.get("workers", ["short"])))
    for n in SLOW:  # some of them wait, or have just been popped, when the workers stop
        assert ask(moving.bench, f"/api/method/enqueue?n={n}&queue={queue}&sleep=0.2", "POST")[0] == 200

    moving.run("migrate")
    assert moving.bench.config()["redis_queue"] != json.loads(before)["redis_queue"]
    assert moving.bench.config()["redis_socketio"] == moving.bench.config()["redis_cache"], "bench keeps them equal"
    moving.run("rollback")
    assert config.read_bytes() == before, "a rollback restores the file byte for byte"

    counted = moving.account(load)
    assert counted.web.acknowledged > 200
    assert held(counted) == (0, 0)
    executions = moving.bench.executions()
    assert sorted(execution.n for execution in executions if execution.n in SLOW) == list(SLOW)
    assert [one.job_id for one in executions if not re.fullmatch(IDS[shape["frappe"]], one.job_id)] == []
    assert counted.scheduler.executed >= 3


@pytest.fixture
def bench(tmp_path: Path, shape: dict[str, Any]) -> Iterator[StandinBench]:
    with StandinBench.lay_out(tmp_path / "standin", **shape) as bench:
        yield bench


def test_what_it_says_to_its_stores(bench: StandinBench, shape: dict[str, Any]) -> None:
    """By the commands that each store counts, and who has subscribed where."""
    assert ask(bench, "/app")[0] == ask(bench, "/api/method/enqueue?n=1", "POST")[0] == 200
    assert ask(bench, "/api/method/clear_cache", "POST")[0] == 200
    with store(bench.config()["redis_cache"]) as cache, store(bench.config()["redis_queue"]) as queue:
        said = {name.partition("_")[2] for name in cache.info("commandstats")}
        listens = {"cache": cache.pubsub_numsub("events")[0][1], "queue": queue.pubsub_numsub("events")[0][1]}
        if shape["frappe"] == "14":
            assert {"setex", "del", "publish"} <= said and not {"unlink", "client|tracking"} & said
            assert listens == {"cache": 1, "queue": 0}
        else:
            assert {"unlink", "client|tracking", "client|id"} <= said and not {"setex", "del"} & said
            assert listens == {"cache": 0, "queue": 1}
            assert cache.pubsub_numsub("__redis__:invalidate")[0][1] >= 2, "one of each process"
            assert "blmove" in {name.partition("_")[2] for name in queue.info("commandstats")}


@pytest.mark.parametrize("shape", [SHAPES["16"]])
def test_the_client_cache_fails_as_that_of_v16(bench: StandinBench) -> None:
    def ping_all() -> set[int]:
        return {ask(bench, "/api/method/ping")[0] for _ in range(10)}

    supervisor = Supervisor(str(bench.supervisor_socket))
    assert ping_all() == {200}
    supervisor.stop("frappe-bench-redis:frappe-bench-redis-cache")
    supervisor.wait({"frappe-bench-redis:frappe-bench-redis-cache"}, {"STOPPED"}, 10)
    assert ping_all() == {200}, "a lost connection is a miss"
    supervisor.start("frappe-bench-redis:frappe-bench-redis-cache")
    supervisor.wait({"frappe-bench-redis:frappe-bench-redis-cache"}, {"RUNNING"}, 10)
    assert ping_all() == {200}, "a server that does not know the invalidator is served from without tracking"

    with store(bench.config()["redis_cache"]) as cache:
        cache.execute_command("ACL", "SETUSER", "default", "-client|tracking")
    supervisor.signal("frappe-bench-web:frappe-bench-frappe-web", "HUP")
    eventually(lambda: ping_all() == {500})  # any other refusal of tracking fails every request
    assert "tracking" in ask(bench, "/api/method/ping")[1]["exception"]
