"""The stand-in bench: laid out by bench's own templates, and towards Redis like Frappe v15."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.load import Load, account, read_requests
from demo.standin import SITE, StandinBench, ensure_env, free_ports
from demo.standin.processes import Started, family

from benchfly.errors import RefusedError

pytestmark = pytest.mark.bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StandinBench]:
    bench = StandinBench.lay_out(tmp_path / "demo")
    yield bench
    bench.stop()


def store(url: str) -> Any:
    return redis.Redis.from_url(url, decode_responses=True)


def ask(bench: StandinBench, path: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(bench.url + path, method=method, headers={"Cookie": "sid=user1"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def eventually(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def bench_id(bench: StandinBench) -> str:
    return str(bench.path).strip("/").replace("/", "-")


def living(bench: StandinBench) -> list[int]:
    record = bench.root / "supervisord.started"
    leader = Started(**json.loads(record.read_text())) if record.exists() else None
    return family(leader, f"BENCHFLY_STANDIN={bench.root}")


def test_the_files_are_benchs_own(bench: StandinBench) -> None:
    config = bench.path / "config"
    supervisor = (config / "supervisor.conf").read_text()
    # Multi-queue workers are rendered only when bench has recognised Frappe >= 14.18.
    assert "worker --queue short,default\n" in supervisor
    assert "worker --queue long,default,short\n" in supervisor
    assert "stopwaitsecs=1560" in supervisor
    assert "[group:frappe-bench-workers]" in supervisor
    assert "frappe.app:application --preload" in supervisor
    assert "bench socketio" in supervisor
    cache, queue = (config / "redis_cache.conf").read_text(), (config / "redis_queue.conf").read_text()
    assert "maxmemory-policy allkeys-lru" in cache
    assert 'save ""' in cache
    assert "maxmemory" not in queue
    assert "save" not in queue
    assert f"aclfile {config}/redis_queue.acl" in queue
    for key, text in {"redis_cache": cache, "redis_queue": queue}.items():
        assert f"port {bench.config()[key].rpartition(':')[2]}\n" in text
    assert "bench_id" not in bench.config()
    assert bench.config()["redis_socketio"] == bench.config()["redis_cache"]


def test_every_acknowledged_job_is_executed_once(bench: StandinBench, tmp_path: Path) -> None:
    with bench:
        load = Load(bench.url, tmp_path / "requests.jsonl", enqueues=20, pages=3, clears=12)
        load.start()
        time.sleep(10)
        requests = load.stop()
        queue = store(bench.config()["redis_queue"])
        names = {f"rq:queue:{bench_id(bench)}:{name}" for name in ("short", "default", "long")}
        eventually(lambda: not any(queue.llen(name) for name in names))
        eventually(lambda: not account(requests, bench.executions(), bench.scheduled()).web.lost)

        check_queue_keys(queue, names, {request.job_id for request in requests if request.job_id})
        check_cache_keys(bench)
        queue.close()
    assert living(bench) == []
    jobs = account(requests, bench.executions(), bench.scheduled())
    assert 190 <= jobs.web.acknowledged <= 205
    assert (jobs.web.refused, jobs.web.lost, jobs.web.duplicated) == (0, (), ())
    assert jobs.scheduler.executed >= 3
    assert (jobs.scheduler.duplicated, jobs.web.unacknowledged) == ((), ())
    assert [request for request in requests if not request.ok] == []
    assert {request.kind for request in requests} == {"enqueue", "page", "clear"}
    realtime = (bench.path / "logs/realtime.log").read_text()
    assert realtime.count('"event": "list_update"') == jobs.web.acknowledged


def check_queue_keys(queue: Any, names: set[str], jobs: set[str]) -> None:
    assert queue.smembers("rq:queues") == names
    assert queue.scard("rq:workers") == 2
    job = next(iter(jobs))
    assert job.startswith(f"{SITE}::")
    assert queue.hget(f"rq:job:{job}", "status") == "finished"
    assert 0 < queue.ttl(f"rq:job:{job}") <= 600
    assert queue.type(f"rq:results:{job}") == "stream"
    assert jobs <= {member for name in names for member in queue.zrange(name.replace("queue", "finished", 1), 0, -1)}
    assert queue.pubsub_numsub("events") == [("events", 1)]


def check_cache_keys(bench: StandinBench) -> None:
    database = json.loads((bench.path / "sites" / SITE / "site_config.json").read_text())["db_name"]
    assert ask(bench, "/app?n=1")[0] == 200
    with redis.Redis.from_url(bench.config()["redis_cache"]) as cache:
        session = pickle.loads(cache.hget(f"{database}|session", "user1"))
        assert (session["sid"], session["user"]) == ("user1", "user1@example.com")
        assert pickle.loads(cache.get(f"{database}|app_hooks"))
        durable = [
            f"{database}|{key}".encode()
            for key in ("global_search_queue", "insert_queue_for_Route History", "monitor-transactions")
        ]
        lengths = [cache.llen(key) for key in durable]
        assert all(lengths)
        assert ask(bench, "/api/method/clear_cache", "POST")[0] == 200
        assert set(cache.keys(f"{database}|*")) == set(durable)


def test_a_changed_configuration_moves_only_new_processes(bench: StandinBench, tmp_path: Path) -> None:
    with bench:
        ports = free_ports(2)
        spares = [
            subprocess.Popen([str(bench.env.redis_server), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                              "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
            for port in ports
        ]  # fmt: skip
        urls = [f"redis://127.0.0.1:{port}" for port in ports]
        try:
            with store(urls[0]) as cache, store(urls[1]) as queue:
                eventually(lambda: answers(cache) and answers(queue))
                with store(bench.config()["redis_cache"]) as old:
                    eventually(lambda: both_web_processes_connect(bench, old))
                config = bench.config() | {"redis_cache": urls[0], "redis_queue": urls[1]}
                (bench.path / "sites/common_site_config.json").write_text(json.dumps(config))
                move_only_new_processes(bench, cache, queue)
        finally:
            for spare in spares:
                spare.kill()
                spare.wait()


def move_only_new_processes(bench: StandinBench, cache: Any, queue: Any) -> None:
    acknowledged = enqueue_together(bench)
    eventually(lambda: acknowledged <= {execution.job_id for execution in bench.executions()})
    assert queue.dbsize() == cache.dbsize() == 0

    before = web_processes(bench)
    assert len(before) == 2
    Supervisor(str(bench.supervisor_socket)).signal("frappe-bench-web:frappe-bench-frappe-web", "HUP")
    eventually(lambda: len(web_processes(bench)) == 2 and not web_processes(bench) & before)
    acknowledged = enqueue_together(bench)
    # In the new store, where no worker listens: the workers have stayed with the old one.
    assert acknowledged == set(queue.lrange(f"rq:queue:{bench_id(bench)}:short", 0, -1))
    assert queue.scard("rq:workers") == 0
    assert cache.dbsize()


def both_web_processes_connect(bench: StandinBench, store: Any) -> bool:
    jobs = enqueue_together(bench)
    eventually(lambda: jobs <= {execution.job_id for execution in bench.executions()})
    return len(store.client_list()) == 3  # they, and this test: all work horses have gone


def web_processes(bench: StandinBench) -> set[str]:
    master = next(process.pid for process in bench.processes() if process.program.endswith("frappe-web"))
    return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())


def enqueue_together(bench: StandinBench) -> set[str]:
    """Twenty jobs by eight clients at once, so that every web process gets some."""
    with ThreadPoolExecutor(8) as clients:
        return set(clients.map(lambda _: enqueue(bench), range(20)))


def enqueue(bench: StandinBench) -> str:
    status, answer = ask(bench, "/api/method/enqueue?n=1&queue=short", "POST")
    assert status == 200
    return str(answer["message"]["job_id"])


def answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False


def test_errors_reach_the_user_as_in_frappe(bench: StandinBench) -> None:
    with bench:
        supervisor = Supervisor(str(bench.supervisor_socket))
        enqueue = ("/api/method/enqueue?n=1", "POST")
        for path in (("/api/method/ping",), ("/app",), enqueue, enqueue):
            assert ask(bench, *path)[0] == 200

        supervisor.stop("frappe-bench-redis:frappe-bench-redis-cache")
        assert not supervisor.wait({"frappe-bench-redis:frappe-bench-redis-cache"}, {"STOPPED"}, 10)
        assert ask(bench, "/api/method/ping")[0] == 200
        assert ask(bench, *enqueue)[0] == 200
        status, answer = ask(bench, "/app")
        assert (status, answer["exc_type"]) == (500, "ConnectionError")

        socketio = next(process for process in bench.processes() if process.program.endswith("socketio"))
        supervisor.stop("frappe-bench-redis:frappe-bench-redis-queue")
        assert not supervisor.wait({"frappe-bench-redis:frappe-bench-redis-queue"}, {"STOPPED"}, 10)
        assert ask(bench, *enqueue)[0] == 500
        assert ask(bench, "/api/method/ping")[0] == 200
        supervisor.start("frappe-bench-redis:frappe-bench-redis-queue")
        eventually(lambda: ask(bench, *enqueue)[0] == 200)
        # It has left with its connection, and supervisord has started another.
        eventually(lambda: any(process.program.endswith("socketio") and process.state == "RUNNING"
                               and process.pid != socketio.pid for process in bench.processes()))  # fmt: skip


def test_the_driver_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """It holds this test's pipe: run() returns only when it has ended too."""
    out = tmp_path / "requests.jsonl"
    program = f"""
import os, pathlib, signal, time
from demo.load import Load
Load("http://127.0.0.1:{free_ports(1)[0]}", pathlib.Path("{out}"), enqueues=50, pages=0, clears=0).start()
time.sleep(1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode == -signal.SIGKILL
    requests = read_requests(out)
    assert requests
    assert {request.status for request in requests} == {None}
    assert all("ConnectionRefused" in str(request.error) for request in requests)
    intervals = [later.sent - earlier.sent for earlier, later in pairwise(sorted(requests, key=lambda one: one.n))]
    assert intervals == pytest.approx([0.02] * len(intervals), abs=0.001)  # when due, however late


@pytest.mark.parametrize("lost", ["supervisord", "its record"])
def test_what_a_killed_run_left_is_stopped(bench: StandinBench, lost: str) -> None:
    bench.start()
    ask(bench, "/api/method/enqueue?n=1&queue=short&sleep=60", "POST")
    eventually(lambda: len(living(bench)) == 11)  # ten of them, and the work horse with a session of its own
    left = living(bench)
    record = bench.root / "supervisord.started"
    if lost == "supervisord":
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    else:
        record.unlink()

    StandinBench.at(bench.root).stop()
    assert living(bench) == []
    assert not [pid for pid in left if is_alive(pid)]
    bench.stop()  # once more does no harm


def is_alive(pid: int) -> bool:
    try:
        return Started.of(pid).is_alive()
    except ProcessLookupError:
        return False


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with StandinBench.lay_out(tmp_path / ("long" * 20)) as bench:
        assert bench.root not in bench.supervisor_socket.parents
        assert bench.supervisor_socket.parent.stat().st_mode & 0o077 == 0
        assert ask(bench, "/api/method/ping") == (200, {"message": "pong"})
    assert not bench.supervisor_socket.parent.exists()


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RefusedError, match="not a stand-in bench"):
        StandinBench.lay_out(tmp_path)
    with pytest.raises(RefusedError, match="holds no stand-in bench"):
        StandinBench.at(tmp_path)


def test_a_start_that_fails_says_where_to_read_and_leaves_nothing(bench: StandinBench) -> None:
    config = bench.path / "config/redis_queue.conf"
    config.write_text("no-such-directive\n")
    with pytest.raises(RefusedError, match=r"redis-queue is (BACKOFF|STARTING|FATAL).*error\.log"):
        bench.start(timeout=4)
    assert living(bench) == []


def test_the_environment_is_made_once(tmp_path: Path) -> None:
    env = ensure_env()
    made = (env.folder / "benchfly-stamp").stat().st_mtime_ns
    started = time.perf_counter()
    assert ensure_env() == env
    assert time.perf_counter() - started < 0.1
    assert (env.folder / "benchfly-stamp").stat().st_mtime_ns == made
    with pytest.raises(RefusedError, match="no pins for Frappe 12"):
        ensure_env(tmp_path, frappe="12")
