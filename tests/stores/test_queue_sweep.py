"""The sweep between two real servers, with jobs made by RQ itself, killed at every step and resumed or reversed."""

from __future__ import annotations

from collections import Counter

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.queue_sweep import QueueSweep
from tests.stores.fragile import Fragile, KilledError
from tests.stores.jobs import BENCH, LONG, SHORT, add_job, enqueue, listed

pytestmark = pytest.mark.stores


def test_old_jobs_stay_ahead_of_new_ones_and_leave_nothing_behind(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    names = [f"site1::{number}" for number in range(1200)]  # more than two chunks
    enqueue(old, *names)
    enqueue(new, "site1::new")
    swept = QueueSweep(old, new, BENCH).live()
    assert listed(new, SHORT) == [*names, "site1::new"]
    assert (swept.queued, swept.put_back, swept.merged) == (1200, 0, 0)
    assert list(old.scan_iter("rq:job:*")) == list(old.scan_iter("rq:queue:*")) == []
    assert new.smembers("rq:queues") == {SHORT.encode()}
    assert list(new.scan_iter("benchfly:*")) == list(old.scan_iter("benchfly:*")) == []


def test_a_job_arrives_as_it_was(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    add_job(old, "site1::a", timeout="1500", meta="x")
    old.pexpire("rq:job:site1::a", 600_000)
    old.rpush(SHORT, "site1::a")
    old.sadd("rq:job:site1::a:dependents", "site1::b")
    old.xadd("rq:results:site1::a", {"type": "1", "return_value": "y"}, id="5-1")
    before = old.hgetall("rq:job:site1::a")
    QueueSweep(old, new, BENCH).live()
    assert new.hgetall("rq:job:site1::a") == before
    assert 590_000 < new.pttl("rq:job:site1::a") <= 600_000
    assert new.smembers("rq:job:site1::a:dependents") == {b"site1::b"}
    assert new.xrange("rq:results:site1::a") == [(b"5-1", {b"type": b"1", b"return_value": b"y"})]


def test_jobs_that_a_stopped_worker_had_popped_go_back_to_the_head(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    add_job(old, "site1::popped-2", enqueued_at="2026-11-22T09:00:02.000000Z")  # by BLPOP: in no key at all
    add_job(old, "site1::popped-1", enqueued_at="2026-11-22T09:00:01.000000Z")
    for job in ("site1::lmoved-1", "site1::lmoved-2"):  # by LMOVE
        add_job(old, job, queue="long")
        old.rpush(f"{LONG}:intermediate", job)
    enqueue(old, "site1::waiting")
    enqueue(old, "site1::waiting-long", queue="long")
    swept = QueueSweep(old, new, BENCH).live()
    assert listed(new, SHORT) == ["site1::popped-1", "site1::popped-2", "site1::waiting"]
    assert listed(new, LONG) == ["site1::lmoved-1", "site1::lmoved-2", "site1::waiting-long"]
    assert swept.put_back == 4


def test_a_job_id_enqueued_on_both_sides_stays_once_and_as_the_newer_one(
    stores: tuple[redis.Redis, redis.Redis],
) -> None:
    old, new = stores
    enqueue(old, "site1::sync", "site1::other")
    add_job(new, "site1::sync", description="newer")
    new.rpush(SHORT, "site1::sync")
    swept = QueueSweep(old, new, BENCH).live()
    assert listed(new, SHORT) == ["site1::other", "site1::sync"]
    assert new.hget("rq:job:site1::sync", "description") == b"newer"
    assert (swept.queued, swept.merged) == (1, 1)


def test_what_is_enqueued_while_a_reversed_sweep_tidies_up_stays(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    handed = [f"site1::{number}" for number in range(1200)]  # by a sweep that was cut short before it removed them
    enqueue(old, *handed)
    enqueue(new, *handed)
    new.sadd(f"benchfly:moved:{BENCH}", *handed)
    meanwhile: list[str] = []

    class UnderLoad(redis.Redis):
        """The web enqueues, at either end, whenever the sweep has read a list."""

        def lrange(self, name: str, start: int, end: int) -> list[bytes]:
            found: list[bytes] = super().lrange(name, start, end)
            meanwhile.append(f"site1::meanwhile-{len(meanwhile)}")
            add_job(old, meanwhile[-1])
            (old.lpush if len(meanwhile) % 2 else old.rpush)(SHORT, meanwhile[-1])
            return found

    QueueSweep(new, UnderLoad(connection_pool=old.connection_pool), BENCH).live(again=True)
    assert meanwhile
    assert sorted(listed(old, SHORT)) == sorted([*handed, *meanwhile])
    assert new.keys("rq:job:*") == new.keys("benchfly:*") == old.keys("benchfly:*") == []


def test_a_move_that_comes_to_nothing_puts_back_what_was_popped_and_leaves_what_workers_have(
    stores: tuple[redis.Redis, redis.Redis],
) -> None:
    store, _ = stores
    enqueue(store, "site1::waits")
    add_job(store, "site1::popped")
    for job in ("site1::between", "site1::begins"):
        add_job(store, job)
        store.rpush(f"{SHORT}:intermediate", job)
    add_job(store, "site1::runs", status="started")
    store.zadd(f"rq:wip:{BENCH}:short", {"site1::runs": 1763800001})

    def begin(*_: object) -> None:
        store.lrem(f"{SHORT}:intermediate", 1, "site1::begins")
        store.hset("rq:job:site1::begins", "status", "started")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", begin)
        swept = QueueSweep(None, store, BENCH).only_put_back()
    assert sorted(listed(store, SHORT)) == ["site1::between", "site1::popped", "site1::waits"]
    assert (swept.put_back, store.exists(f"{SHORT}:intermediate")) == (2, 0)
    assert store.zcard(f"rq:wip:{BENCH}:short") == 1


def test_registries_move_with_their_scores(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    for registry, status in (("scheduled", "scheduled"), ("deferred", "deferred"), ("wip", "started")):
        add_job(old, f"site1::{status}", status=status)
        old.zadd(f"rq:{registry}:{BENCH}:short", {f"site1::{status}": 1763800000.25})
    add_job(old, "site1||started2", status="started")  # RQ 2 writes <job>:<execution>
    old.zadd(f"rq:wip:{BENCH}:short", {"site1||started2:e1": 1763800001})
    old.zadd("rq:executions:site1||started2", {"e1": 1763800002})
    old.hset("rq:execution:site1||started2:e1", "id", "e1")
    swept = QueueSweep(old, new, BENCH).live()
    assert new.zscore(f"rq:scheduled:{BENCH}:short", "site1::scheduled") == 1763800000.25
    assert new.zscore(f"rq:wip:{BENCH}:short", "site1||started2:e1") == 1763800001
    assert new.hgetall("rq:execution:site1||started2:e1") == {b"id": b"e1"}
    assert new.exists("rq:job:site1::deferred", "rq:job:site1::started", "rq:job:site1||started2") == 3
    assert (swept.scheduled, swept.deferred, swept.started) == (1, 1, 2)
    assert old.keys("rq:job:*") == old.keys("rq:wip:*") == []


def test_other_benches_in_the_same_store_are_left_alone(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    enqueue(old, "site1::mine")
    old.hset("rq:job:site9::theirs", mapping={"origin": "other-bench:short", "status": "queued", "created_at": "x"})
    old.rpush("rq:queue:other-bench:short", "site9::theirs")
    swept = QueueSweep(old, new, BENCH).live()
    assert swept.foreign == 1
    assert old.lrange("rq:queue:other-bench:short", 0, -1) == [b"site9::theirs"]
    assert new.keys("*other*") == [] and new.exists("rq:job:site9::theirs") == 0


def test_history_follows_with_its_time_to_live(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    for number in range(1100):
        add_job(old, f"site1::{number}", status="finished")
        old.expire(f"rq:job:site1::{number}", 600)
        old.zadd(f"rq:finished:{BENCH}:short", {f"site1::{number}": number})
    old.zadd(f"rq:finished:{BENCH}:short", {"site1::expired": 5000})  # its hash is gone already
    swept = QueueSweep(old, new, BENCH).history()
    assert swept.history == 1101
    assert new.zcard(f"rq:finished:{BENCH}:short") == 1101
    assert 590 <= new.ttl("rq:job:site1::7") <= 600
    assert old.keys("rq:*") == []


def fill(client: redis.Redis) -> list[str]:
    names = [f"site1::{number}" for number in range(60)]
    enqueue(client, *names)
    add_job(client, "site1::popped", enqueued_at="2026-11-22T09:00:00.000000Z")
    add_job(client, "site1::later", status="scheduled")
    client.zadd(f"rq:scheduled:{BENCH}:short", {"site1::later": 1})
    return names


def places(client: redis.Redis) -> Counter[str]:
    """How often each job is still to run."""
    found = Counter(listed(client, SHORT))
    found.update(job.decode() for job in client.zrange(f"rq:scheduled:{BENCH}:short", 0, -1))
    return found


@pytest.mark.parametrize("way", ["resumed", "resumed after consumers ran", "reversed"])
def test_killed_anywhere_no_job_is_lost_and_none_is_there_twice(
    stores: tuple[redis.Redis, redis.Redis], way: str
) -> None:
    old, new = stores
    kills = 0
    for calls in range(0, 400, 5):
        old.flushall()
        new.flushall()
        wanted = Counter([*fill(old), "site1::popped", "site1::later"])
        budget = [calls]
        try:
            QueueSweep(Fragile(old, budget), Fragile(new, budget), BENCH).live()
        except KilledError:
            kills += 1
        executed: Counter[str] = Counter()
        if way == "resumed after consumers ran":  # somebody started a worker on the new store too early
            for job in listed(new, SHORT):
                executed[job] += 1
                new.lrem(SHORT, 0, job)
                new.delete(f"rq:job:{job}")
        if way == "reversed":
            QueueSweep(new, old, BENCH).live(again=True)
            left, empty = old, new
        else:
            QueueSweep(old, new, BENCH).live()
            left, empty = new, old
        assert places(left) + executed == wanted, f"killed after {calls} calls"
        assert empty.keys("rq:job:*") == empty.keys("rq:queue:*") == []
        for job in places(left):
            assert left.hexists(f"rq:job:{job}", "data"), f"{job} has no body (killed after {calls} calls)"
    assert kills > 5
