"""Jobs that stand nowhere, or in more than one place, move as what they are."""

from __future__ import annotations

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.bench_census import census
from ansible_collections.benchfly.stores.plugins.module_utils.queue_sweep import QueueSweep
from tests.stores.jobs import BENCH, SHORT, add_job, enqueue, listed

pytestmark = pytest.mark.stores

Stores = tuple[redis.Redis, redis.Redis]
WIP, FAILED, DEFERRED = f"rq:wip:{BENCH}:short", f"rq:failed:{BENCH}:short", f"rq:deferred:{BENCH}:short"


def test_a_popped_job_whose_id_failed_before_goes_back(stores: Stores) -> None:
    old, new = stores
    add_job(old, "site1::again")
    old.zadd(FAILED, {"site1::again": 1763800000})
    assert QueueSweep(old, new, BENCH).live().put_back == 1
    assert listed(new, SHORT) == ["site1::again"]


def test_a_job_that_rq_2_had_entered_and_not_begun_is_queued_and_nothing_else(stores: Stores) -> None:
    old, new = stores
    add_job(old, "site1||a")
    old.rpush(f"{SHORT}:intermediate", "site1||a")
    old.set(f"{SHORT}:intermediate:first_seen:site1||a", "1763800000", ex=86400)
    old.zadd(WIP, {"site1||a:e1": 1763800001})
    old.zadd("rq:executions:site1||a", {"e1": 1763800002})
    assert census(old, BENCH)["wip"] == 1  # and no error from what is no list
    swept = QueueSweep(old, new, BENCH).live()
    assert (swept.put_back, swept.queued, swept.started) == (1, 1, 0)
    assert listed(new, SHORT) == ["site1||a"]
    assert new.keys("rq:wip:*") == new.keys("rq:executions:*") == []
    assert set(old.keys()) <= {b"rq:queues"}


def test_what_was_popped_and_is_no_more_to_run_is_not_run(stores: Stores) -> None:
    old, new = stores
    add_job(old, "site1::canceled", status="canceled")
    old.zadd(f"rq:canceled:{BENCH}:short", {"site1::canceled": 1763800000})
    old.rpush(f"{SHORT}:intermediate", "site1::canceled", "site1::deleted")
    sweep = QueueSweep(old, new, BENCH)
    assert sweep.live().put_back == 0
    sweep.history()
    assert listed(new, SHORT) == []
    assert new.hget("rq:job:site1::canceled", "status") == b"canceled"
    assert old.keys("rq:*") == []


def test_what_a_job_waits_for_moves_with_it(stores: Stores) -> None:
    old, new = stores
    enqueue(old, "site1::first")
    add_job(old, "site1::failed", status="failed")
    old.zadd(FAILED, {"site1::failed": 1763800000})
    add_job(old, "site1::then", status="deferred")
    old.zadd(DEFERRED, {"site1::then": 1763800000})
    for parent in ("first", "failed"):
        old.sadd(f"rq:job:site1::{parent}:dependents", "site1::then")
        old.sadd("rq:job::site1::then:dependencies", f"site1::{parent}")
    sweep = QueueSweep(old, new, BENCH)
    sweep.live()
    assert new.smembers("rq:job::site1::then:dependencies") == {b"site1::first", b"site1::failed"}
    assert new.smembers("rq:job:site1::first:dependents") == {b"site1::then"}
    sweep.history()
    assert new.smembers("rq:job:site1::failed:dependents") == {b"site1::then"}
    assert old.keys("rq:job:*") == []


def test_jobs_that_rq_lost_sight_of_move_as_they_are(stores: Stores) -> None:
    old, new = stores
    for status in ("started", "deferred", "finished"):  # in no registry
        add_job(old, f"site1::{status}", status=status)
    old.expire("rq:job:site1::finished", 600)
    sweep = QueueSweep(old, new, BENCH)
    assert sweep.live().strays == 2
    assert sweep.history().history == 1
    assert {new.hget(f"rq:job:site1::{status}", "status") for status in ("started", "deferred", "finished")} == {
        b"started",
        b"deferred",
        b"finished",
    }
    assert 590 < new.ttl("rq:job:site1::finished") <= 600
    assert listed(new, SHORT) == []
    assert old.keys("rq:job:*") == []


def test_history_of_the_same_id_on_the_target_gives_way(stores: Stores) -> None:
    old, new = stores
    enqueue(old, "site1::sync")
    add_job(new, "site1::sync", status="finished", description="last week's")
    new.expire("rq:job:site1::sync", 600)
    QueueSweep(old, new, BENCH).live()
    assert new.hget("rq:job:site1::sync", "status") == b"queued"
    assert not new.hexists("rq:job:site1::sync", "description")
    assert new.ttl("rq:job:site1::sync") == -1


def test_a_job_enqueued_again_on_the_target_is_there_once_wherever_it_stood(stores: Stores) -> None:
    old, new = stores
    add_job(old, "site1::scheduled", status="scheduled")
    old.zadd(f"rq:scheduled:{BENCH}:short", {"site1::scheduled": 1763800000})
    add_job(old, "site1::killed", status="started")
    old.zadd(WIP, {"site1::killed": 1763800000})
    add_job(old, "site1::popped")
    names = ["site1::scheduled", "site1::killed", "site1::popped"]
    enqueue(new, *names)
    swept = QueueSweep(old, new, BENCH).live()
    assert listed(new, SHORT) == names
    assert new.keys("rq:scheduled:*") == new.keys("rq:wip:*") == []
    assert (swept.merged, swept.put_back) == (2, 0)
    assert old.keys("rq:job:*") == old.keys("rq:wip:*") == old.keys("rq:scheduled:*") == []


def test_what_a_killed_copy_left_half_written_goes_away(stores: Stores) -> None:
    old, new = stores
    enqueue(old, "site1::a")
    old.hset("benchfly:part:rq:job:site1::b", "data", "half")
    QueueSweep(old, new, BENCH).live()
    assert old.keys("benchfly:*") == new.keys("benchfly:*") == []
