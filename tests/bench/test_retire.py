"""A bench's own redis programs go when the bench has left them, stay gone, and come back as they were."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError, with_stores
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_retire import Retirement, amiss
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin import StandinBench
from tests.bench.conftest import Moving
from tests.bench.test_move import held
from tests.bench.test_standin import eventually

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]


def files(moving: Moving | Left) -> dict[str, bytes]:
    names = ("config/supervisor.conf", "Procfile", "config/redis_cache.conf", "config/redis_queue.conf")
    return {name: (moving.bench.path / name).read_bytes() for name in names}


def own(moving: Moving | Left) -> dict[str, str]:
    """The bench's own redis programs that its supervisord knows, and their states."""
    processes = {process.program.rpartition("-")[2]: process for process in moving.bench.processes()}
    return {name: processes[name].state for name in ("cache", "queue") if name in processes}


def bench(moving: Moving, *words: str) -> None:
    """The real bench command, as an operator runs it."""
    env = moving.bench.env
    done = subprocess.run(
        [env.bin / "bench", *words],
        cwd=moving.bench.path,
        env=env.variables,
        input="y\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_stay_away_and_come_back_byte_for_byte(moving: Moving) -> None:
    supervisor = Supervisor(str(moving.bench.supervisor_socket))
    before, data = files(moving), moving.bench.path / "config/pids/redis_queue.rdb"
    moving.run("migrate")
    assert f"(what it still had is in {data})" in moving.move["phases"][-1]["programs"][1]
    assert own(moving) == {}
    assert b"redis-queue" not in files(moving)["config/supervisor.conf"]
    assert b"redis_queue" not in files(moving)["Procfile"]
    assert supervisor.update() == ([], [], []), "supervisorctl update brings nothing back"
    assert "changed=0" in moving.run("migrate")
    assert moving.amiss() == []

    for setup in ("supervisor", "procfile", "redis"):
        bench(moving, "setup", setup)
    supervisor.update()
    supervisor.wait({"frappe-bench-redis:frappe-bench-redis-cache"}, {"RUNNING"}, 10)
    said = "\n".join(moving.amiss())
    for word in ("redis-cache was retired and is back", "redis-queue was", "Procfile names it", "benchfly migrate"):
        assert word in said
    moving.run("migrate")
    assert own(moving) == {}
    assert moving.amiss() == []

    load = moving.load(
        enqueues=20, pages=3
    )  # only now: bench writes its configuration in place, and readers see halves
    time.sleep(2)
    moving.run("rollback")
    assert own(moving) == {"cache": "RUNNING", "queue": "RUNNING"}
    assert files(moving) == before
    assert supervisor.update() == ([], [], [])
    assert moving.amiss() == []
    counted = moving.account(load)
    assert held(counted) == (0, 0)


@dataclass
class Left:
    """A bench that nobody serves or works for, with a journal that says it has moved."""

    bench: StandinBench
    supervisor: Supervisor
    journal: Journal

    @property
    def retirement(self) -> Retirement:
        return Retirement(Bench(self.bench.path), self.supervisor, self.journal)

    def move(self, name: str, **to: str) -> dict[str, Any]:
        """Note that these keys of the configuration have moved."""
        config = {key: self.bench.config()[key] for key in ("redis_cache", "redis_queue", "redis_socketio")}
        self.journal.begin(name, "migrate", config, config | to)
        path = self.bench.path / "sites/common_site_config.json"
        path.write_bytes(with_stores(path.read_bytes(), config | to))
        self.journal.finish()
        return self.journal.moves[-1]

    def amiss(self) -> str:
        return "\n".join(amiss(Bench(self.bench.path), self.supervisor, self.journal))

    def pid(self, program: str) -> int:
        return next(process.pid for process in self.bench.processes() if process.program.endswith(program))


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    with StandinBench.lay_out(tmp_path / "standin") as bench:
        supervisor = Supervisor(str(bench.supervisor_socket))
        for group in ("web", "workers"):
            supervisor.stop_group(f"frappe-bench-{group}", timeout=20)
        for key in ("redis_cache", "redis_queue"):
            with redis.Redis.from_url(bench.config()[key]) as swept:
                swept.flushall()
        yield Left(bench, supervisor, Journal(bench.path / "config/benchfly"))


NEW_CACHE, NEW_QUEUE = "redis://:secret@store1:6381", "redis://:secret@store1:6380"


def test_one_of_two_is_stopped_and_the_other_never_restarted(left: Left) -> None:
    before, pid = files(left), left.pid("redis-queue")
    first = left.move("1", redis_cache=NEW_CACHE, redis_socketio=NEW_CACHE)
    [retired], kept = left.retirement.retire(first)
    assert retired.startswith("frappe-bench-redis-cache at 127.0.0.1:") and kept == []
    assert own(left) == {"cache": "STOPPED", "queue": "RUNNING"}
    assert b"redis_cache:" not in files(left)["Procfile"]
    assert left.supervisor.update() == ([], [], []), "nothing that supervisorctl update would restart"
    assert left.amiss() == ""
    left.supervisor.start("frappe-bench-redis:frappe-bench-redis-cache")
    assert "redis-cache was retired and is back (it runs)" in left.amiss()

    left.retirement.retire(first)
    second = left.move("2", redis_queue=NEW_QUEUE)
    assert left.pid("redis-queue") == pid
    left.retirement.retire(second)
    assert own(left) == {}, "nothing of the group is used any more"
    assert left.retirement.retire(second) == ([], [])

    assert len(left.retirement.restore(second)) == 1
    eventually(lambda: own(left) == {"cache": "STOPPED", "queue": "RUNNING"})
    left.retirement.restore(first)
    eventually(lambda: own(left) == {"cache": "RUNNING", "queue": "RUNNING"})
    assert files(left) == before
    assert left.supervisor.update() == ([], [], [])


def test_what_others_use_is_left_alone(left: Left) -> None:
    before, config = files(left), left.bench.config()
    move = left.move("1", redis_cache=NEW_CACHE, redis_queue=NEW_QUEUE, redis_socketio=NEW_CACHE)
    with redis.Redis.from_url(config["redis_queue"]) as queue, redis.Redis.from_url(config["redis_cache"]) as cache:
        queue.rpush("rq:queue:another-bench:short", "its job")
        cache.get("anything")  # and stays connected
        retired, kept = left.retirement.retire(move)
        queue.close()
    assert retired == []
    assert any("redis-cache at" in reason and "client 127.0.0.1:" in reason for reason in kept), kept
    assert own(left) == {"cache": "RUNNING", "queue": "RUNNING"}
    _, kept = left.retirement.retire(move)
    assert [reason.partition("stays: ")[2] for reason in kept] == [
        "it holds rq:queue:another-bench:short, which is not this bench's"
    ]
    assert own(left) == {"cache": "STOPPED", "queue": "RUNNING"}
    left.retirement.restore(move)
    assert files(left) == before


def test_an_edited_file_without_the_programs_is_not_overwritten(left: Left) -> None:
    move = left.move("1", redis_cache=NEW_CACHE, redis_queue=NEW_QUEUE, redis_socketio=NEW_CACHE)
    left.retirement.retire(move)
    path = left.bench.path / "config/supervisor.conf"
    path.write_bytes(path.read_bytes() + b"; a hand was here\n")
    with pytest.raises(BenchError, match=r"supervisor.conf was edited since.*backups/1/supervisor.conf"):
        left.retirement.restore(move)


def test_a_configuration_that_names_other_stores_is_noticed(left: Left) -> None:
    config = left.bench.path / "sites/common_site_config.json"
    former = left.bench.config()["redis_queue"]
    left.move("1", redis_queue=NEW_QUEUE)
    assert left.amiss() == ""
    config.write_text(json.dumps({**left.bench.config(), "redis_queue": former}))
    said = left.amiss()
    assert f"names {former.partition('//')[2]} as redis_queue" in said and "secret" not in said
    assert Path(said.partition("journal, ")[2].partition(")")[0]).is_file()


def test_the_journal_shows_no_password(left: Left) -> None:
    left.retirement.retire(left.move("1", redis_cache=NEW_CACHE, redis_queue=NEW_QUEUE, redis_socketio=NEW_CACHE))
    shown = (left.journal.folder / "journal.fact").read_text()
    assert "secret" in left.journal.path.read_text() and "secret" not in shown
    assert json.loads(shown)["moves"][-1]["to"]["redis_queue"] == "store1:6380"
