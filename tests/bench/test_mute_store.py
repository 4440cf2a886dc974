"""A store that does not answer: nothing is stopped for it, and what was popped meanwhile comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import redis
from demo.standin import StandinBench
from tests.bench.conftest import Moving, stand_in
from tests.bench.test_standin import enqueue, eventually

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """A bench on its new stores."""
    with stand_in(tmp_path_factory.mktemp("mute"), {}) as moving:
        moving.run("migrate")
        yield moving


def workers(bench: StandinBench) -> dict[str, int]:
    return {process.name: process.pid for process in bench.processes() if process.group == f"{bench.name}-workers"}


def test_no_consumer_is_stopped_while_a_store_does_not_answer(moved: Moving) -> None:
    before = workers(moved.bench)
    moved.stores["cache"].stop()
    try:
        said = moved.refused("rollback")
    finally:
        moved.stores["cache"].go_on()
    assert f"the store at 127.0.0.1:{moved.stores['cache'].port} does not answer" in said
    assert "No consumer was stopped" in said
    assert re.search(r"Put back what they had popped\] \*+ skipping", said), "nothing was popped"
    assert workers(moved.bench) == before
    assert (moved.move["verb"], moved.move["state"]) == ("migrate", "done")
    moved.run("verify")


def test_what_a_move_left_that_came_to_nothing_is_put_back_by_the_next_run(moved: Moving) -> None:
    """The store falls silent when the workers have been told to stop: they start again, and the move stays open."""
    bench, queue = moved.bench, moved.stores["queue"]
    rollback = moved.start("rollback", frappe_bench_stop_timeout=10)
    eventually(lambda: moved.move["verb"] == "rollback" and moved.move["consumers"], 120)  # noted before they are told
    queue.stop()
    try:
        said, _ = rollback.communicate(timeout=moved.patience)
    finally:
        queue.go_on()
    assert rollback.returncode and "does not answer" in said
    assert (moved.move["verb"], moved.move["state"]) == ("rollback", "open")
    eventually(lambda: {process.state for process in bench.processes()} == {"RUNNING"})
    moved.supervisorctl("stop")
    job = enqueue(bench)
    with redis.Redis.from_url(bench.config()["redis_queue"]) as store:
        (name,) = [key for key in store.keys("rq:queue:*") if store.llen(key)]
        assert store.lpop(name).decode() == job  # as a worker does that is stopped right then
    moved.supervisorctl("start")
    moved.run("migrate")
    eventually(lambda: job in {execution.job_id for execution in bench.executions()})
    moved.run("verify")
