"""Several benches move with one command; the one that fails is taken back, and the rest is moved when it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from tests.bench.rollout import Benches, running

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
NAMES = ["north", "south", "east"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    with running(tmp_path_factory.mktemp("fleet"), NAMES) as benches:
        yield benches


def test_one_fails_and_is_taken_back_and_the_rest_is_moved_later(fleet: Benches) -> None:
    before = {name: bench.config() for name, bench in fleet.benches.items()}
    # A client that is none of the bench's programs, and could still write to the former queue.
    with redis.Redis.from_url(before["south"]["redis_queue"]) as console:
        console.get("x")
        code, said = fleet.run("migrate", "--all", "--canary", "0", "--batch", "2", frappe_bench_quiet_timeout=5)
    assert (code, said["status"], said["stopped"]) == (4, "failed", "south failed")
    states = {name: row["state"] for name, row in said["benches"].items()}
    assert states == {"north": "moved", "south": "failed and rolled back", "east": "untouched"}
    assert "connect" in said["benches"]["south"]["message"], said["benches"]["south"]
    assert fleet.benches["south"].config() == before["south"]
    assert [(move["verb"], move["state"]) for move in fleet.moves("south")] == [
        ("migrate", "reversed"),
        ("rollback", "done"),
    ]
    assert fleet.benches["east"].config() == before["east"] and fleet.moves("east") == []
    assert fleet.run("verify", "--bench", "south")[0] == 0, "it works where it was"

    code, said = fleet.run("migrate", "--all", "--batch", "2")
    assert (code, said["status"]) == (0, "ok"), said
    states = {name: row["state"] for name, row in said["benches"].items()}
    assert states == {"north": "was there already", "south": "moved", "east": "moved"}
    assert fleet.run("verify")[0] == 0

    # What takes a failed bench back leaves an earlier move alone, that was finished.
    moved = fleet.benches["north"].config()
    code, said = fleet.run("rollback", "--bench", "north", frappe_bench_only_unfinished=True)
    assert (code, said["data"]["rollback"]["north"]["needed"]) == (0, False)
    assert fleet.benches["north"].config() == moved
