"""The gate asks real servers, with the libraries of Frappe 14, 15 and 16, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import redis
from demo.standin.environment import ensure_env
from tests.stores.binaries import dragonfly, redis_6_2, valkey_8
from tests.stores.servers import Server, free_port

pytestmark = [pytest.mark.stores, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
DRAGONFLY, _ = dragonfly()
ENGINES: dict[str, Callable[[], str]] = {
    "Redis 6.2": redis_6_2,
    "Redis of this machine": lambda: "redis-server",
    "Valkey 8": valkey_8,
}
VERSIONS = ("14", "15", "16")  # of Frappe: rq 1.11, 1.15 and 2.6
RULES = "The rules of bench create-rq-users suffice for RQ and keep benches apart"
EMPTY = "RQ's script that empties a queue may touch the jobs"
RUN = "A worker runs jobs to their end"
STOP = "A running job is seen, and its worker hears commands"
SUSPEND = "Workers can be suspended"
BIRTH = "A worker is born while /metrics is read"
KEYS, MANY = "KEYS returns every key", "All keys of a site are deleted by one command"
CROSSES = "DUMP and RESTORE cross to today's store and back"
TRACKING = "CLIENT TRACKING with REDIRECT on RESP2"


@dataclass
class Gate:
    """What came of asking."""

    verdict: str
    needs: dict[str, dict[str, str]]

    @property
    def unmet(self) -> dict[str, str]:
        """Needs that are not met, with their verdicts."""
        return {name: need["verdict"] for name, need in self.needs.items() if need["verdict"] != "ok"}


def probing(frappe: str, url: str, purpose: str, **more: Any) -> subprocess.Popen[str]:
    """Ask under the Python of that version's bench."""
    given = {"url": url, "purpose": purpose, "frappe": int(frappe), "bench_id": "home-frappe-bench", **more}
    process = subprocess.Popen(
        [str(ensure_env(frappe=frappe).python), str(ROOT / "tests/stores/probe.py"), str(ROOT / "collections")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    process.stdin = None
    return process


def answered(process: subprocess.Popen[str]) -> Gate:
    output, errors = process.communicate(timeout=200)
    assert output, errors
    found = json.loads(output)
    return Gate(found["verdict"], {need["need"]: need for need in found["needs"]})


def ask(frappe: str, url: str, purpose: str, **more: Any) -> Gate:
    return answered(probing(frappe, url, purpose, **more))


def ask_at_once(url: str, purpose: str, *versions: str, **more: Any) -> dict[str, Gate]:
    """Several versions of Frappe ask at the same time, as several benches may."""
    processes = {frappe: probing(frappe, url, purpose, **more) for frappe in versions}
    return {frappe: answered(process) for frappe, process in processes.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_need_is_met_by_the_family_of_redis(tmp_path: Path, engine: str) -> None:
    binary = ENGINES[engine]()
    with (
        Server(tmp_path / "cache", "--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru", binary=binary) as cache,
        Server(tmp_path / "queue", "--maxmemory", "200mb", binary=binary) as queue,
        Server(tmp_path / "today", binary=binary) as today,
    ):
        for frappe, found in ask_at_once(f"{cache.url}/3", "cache", *VERSIONS, former=today.url).items():
            assert (found.verdict, found.unmet) == ("go", {}), frappe
            assert (TRACKING in found.needs) == (frappe == "16")
        for frappe, found in ask_at_once(f"{queue.url}/3", "queue", *VERSIONS, former=today.url).items():
            assert found.verdict == "go", frappe
            # Told, since nobody here has use_rq_auth: the rules lack what newer servers ask for.
            assert set(found.unmet) <= {RULES}, frappe
            results = found.needs["A worker runs jobs to their end"]["answer"]
            assert results.endswith("hashes" if frappe == "14" else "streams")
        for server in (cache, queue, today):
            assert server.client.info("keyspace") == {}, "the probes left keys behind"
            assert [name for name in server.client.acl_users() if "benchfly" in name] == []


def test_with_use_rq_auth_rules_that_do_not_suffice_are_a_no(tmp_path: Path) -> None:
    """On Redis 7 a worker may neither look for itself in CLIENT LIST nor hear commands."""
    config = {"use_rq_auth": True, "rq_username": "home-frappe-bench", "rq_password": "pw"}
    with Server(tmp_path / "queue") as queue:
        if int(str(queue.client.info("server")["redis_version"]).partition(".")[0]) < 7:
            pytest.skip("rules for CLIENT LIST and channels came with Redis 7")
        found = ask("15", queue.url, "queue", config=config)
        assert found.unmet[RULES] == "no" and found.unmet["The bench's own user may log in"] == "setting"
        assert "client|list" in found.needs[RULES]["answer"] and "channel" in found.needs[RULES]["answer"]
        queue.client.execute_command("ACL", "SETUSER", "home-frappe-bench", "on", ">pw", "~*", "&*", "+@all")
        assert ask("15", queue.url, "queue", config=config).unmet == {RULES: "no"}


def test_formats_of_dump_are_told_both_ways(tmp_path: Path) -> None:
    with Server(tmp_path / "new", binary=redis_6_2()) as new, Server(tmp_path / "today") as today:
        if today.client.info("server")["redis_version"].startswith("6."):
            pytest.skip("the redis-server of this machine is as old")
        found = ask("15", new.url, "queue", former=today.url)
        assert (found.verdict, found.unmet[CROSSES]) == ("go", "note")
        to_it, back = found.needs[CROSSES]["answer"].split("; ")
        assert re.fullmatch(r"to it \(format 1\d\) not string, list, hash, set, sorted set, stream", to_it)
        assert back == "back (format 9) all types"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts what DRAGONFLY names, else a stand-in (no Dragonfly) that answers as one was recorded to; gives URLs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*flags: str) -> str:
        port = free_port()
        words = [DRAGONFLY, f"--port={port}", "--bind=127.0.0.1", "--maxmemory=512mb", "--proactor_threads=2"]
        env = ensure_env().variables | {"STAND_IN_ANSWERS": "1"}
        folder = tmp_path / str(port)
        folder.mkdir()
        started.append(subprocess.Popen([*words, *flags], cwd=folder, env=env, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                redis.Redis(port=port).ping()
                return f"redis://127.0.0.1:{port}"
            except redis.exceptions.ConnectionError:
                time.sleep(0.05)
        raise AssertionError(f"{DRAGONFLY} does not answer")

    yield start
    for process in started:
        process.terminate()
        assert process.wait(timeout=30) == 0


FLAGS = (
    "--keys_output_limit=1000000",
    "--max_multi_bulk_len=1000001",
    "--primary_port_http_enabled=false",
    "--lua_undeclared_keys_shas=0f72f97be1eabbfce0148fd466da8c4ad73236fe",
)


def test_the_cache_of_frappe_16_is_refused_where_the_server_refuses_tracking(strict: Callable[..., str]) -> None:
    plain, set_up = strict("--cache_mode"), strict("--cache_mode", *FLAGS)
    found = ask("16", plain, "cache")
    assert (found.verdict, found.unmet) == ("no", {KEYS: "setting", MANY: "setting", TRACKING: "no"})
    assert re.fullmatch(r"8[12]\d\d of 9000", found.needs[KEYS]["answer"])
    assert "Client tracking is currently not supported for RESP2. Please use RESP3." in found.needs[TRACKING]["answer"]
    assert "valkey" in found.needs[TRACKING]["remedy"]
    assert ask("16", set_up, "cache").unmet == {TRACKING: "no"}
    found = ask("15", set_up, "cache")
    assert (found.verdict, found.unmet) == ("go", {})


def test_a_queue_needs_settings_where_the_server_is_strict(strict: Callable[..., str]) -> None:
    plain, set_up = strict(), strict(*FLAGS)
    for frappe in VERSIONS:  # in turn: the scraper of one would be in the way of the workers of another
        found = ask(frappe, plain, "queue")
        expected = {EMPTY: "setting", BIRTH: "setting"} if frappe != "16" else {EMPTY: "setting"}
        assert (found.verdict, {name: said for name, said in found.unmet.items() if name != RULES}) == (
            "settings",
            expected,
        )
        assert "undeclared key" in found.needs[EMPTY]["answer"]
        assert ("KeyError: 'name'" in found.needs[BIRTH]["answer"]) == (frappe != "16")
    assert ask("15", set_up, "queue").verdict == "go"
    # Dragonfly tells of a database that was used, with 0 keys.
    assert not any(database["keys"] for database in redis.Redis.from_url(plain).info("keyspace").values())


def test_a_scraper_that_is_there_all_along_is_told_and_does_not_end_the_gate(strict: Callable[..., str]) -> None:
    plain = strict(*(flag for flag in FLAGS if "http" not in flag))
    with closing(HTTPConnection(plain.removeprefix("redis://"), timeout=5)) as scraper:
        scraper.request("GET", "/metrics")
        found, later = ask("15", plain, "queue", config={"use_rq_auth": True}), ask("16", plain, "queue")
    workers = (RUN, STOP, SUSPEND, BIRTH, RULES)
    assert (found.verdict, found.unmet) == ("settings", dict.fromkeys(workers, "setting"))
    for need in workers:
        assert "KeyError: 'name'" in found.needs[need]["answer"]
        assert "--primary_port_http_enabled=false" in found.needs[need]["remedy"]
    assert later.verdict == "go"


@pytest.mark.parametrize(
    ("purpose", "policy", "memory", "verdict"),
    [
        ("queue", "allkeys-lru", "200mb", "settings"),
        ("queue", "noeviction", "0", "go"),
        ("cache", "noeviction", "200mb", "settings"),
        ("cache", "volatile-lru", "200mb", "settings"),
        ("cache", "allkeys-lfu", "0", "settings"),
        ("cache", "allkeys-lfu", "200mb", "go"),
    ],
)
def test_the_memory_policy_is_judged_by_purpose(
    tmp_path: Path, purpose: str, policy: str, memory: str, verdict: str
) -> None:
    with Server(tmp_path / "store", "--maxmemory", memory, "--maxmemory-policy", policy) as server:
        assert ask("15", server.url, purpose).verdict == verdict


def test_what_cannot_be_reached_is_a_no_with_the_reason(tmp_path: Path) -> None:
    with Server(tmp_path / "store", "--requirepass", "p@ss", "--databases", "4", password="p@ss") as server:
        address = server.url.removeprefix("redis://")
        wrong = {
            f"redis://:wrong@{address}": "invalid username-password pair",
            f"redis://{address}": "Authentication required",
            f"redis://:p%40ss@{address}/4": "DB index is out of range",
            f"redis://127.0.0.1:{free_port()}": "Connection refused",
        }
        for url, reason in wrong.items():
            found = ask("15", url, "queue")
            assert found.verdict == "no" and len(found.needs) == 1
            answer = found.needs["The store answers under its URL"]["answer"]
            assert reason in answer and "wrong@" not in answer
        assert ask("15", f"redis://:p%40ss@{address}/3", "queue").verdict == "go"
        # The redis-py of Frappe 14 does not decode a password; on later Pythons its place is taken by another.
        if sys.version_info < (3, 12):
            assert "letters and digits" in str(ask("14", f"redis://:p%40ss@{address}/3", "queue").needs)


def test_urls_that_a_client_misreads_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with Server(
        tmp_path / "store", "--unixsocket", str(path), "--maxmemory", "200mb", "--maxmemory-policy", "noeviction"
    ):
        suits = "Every client of the bench understands the URL"
        assert ask("16", f"unix://{path}", "cache").unmet[suits] == "no"
        assert suits not in ask("16", f"unix://{path}", "queue").unmet
        assert ask("15", f"unix://{path}?db=3", "queue").unmet[suits] == "no"


def test_a_suspended_store_and_one_without_room_are_told(tmp_path: Path) -> None:
    with Server(tmp_path / "new", "--maxmemory", "30mb") as new, Server(tmp_path / "today") as today:
        for number in range(40):
            today.client.set(f"big:{number}", b"x" * 2**20)
        new.client.set("rq:suspended", 1)
        found = ask("15", new.url, "queue", former=today.url)
        assert (
            found.unmet.items()
            >= {
                "Workers are not suspended": "setting",
                "What the bench holds today has room": "setting",
            }.items()
        )
        assert new.client.keys("*") == [b"rq:suspended"], "what others set stays"


def test_it_works_under_a_load_of_others_and_disturbs_nobody(tmp_path: Path) -> None:
    """Another bench's worker and queue on the same store see nothing of it."""
    with Server(tmp_path / "store", "--maxmemory", "200mb") as server:
        server.client.sadd("rq:queues", "rq:queue:other:short")
        server.client.rpush("rq:queue:other:short", "job")
        server.client.hset("rq:worker:one", "birth", "now")
        server.client.sadd("rq:workers", "rq:worker:one")
        listener = server.client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("events", "rq:pubsub:one")
        seen: set[bytes] = set()
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.update(server.client.smembers("rq:queues") | server.client.smembers("rq:workers"))
                seen.update([b"suspended"] if server.client.exists("rq:suspended") else [])

        watcher = threading.Thread(target=watch)
        watcher.start()
        before = {key: server.client.dump(key) for key in server.client.keys("*")}
        try:
            assert ask("15", server.url, "queue").verdict == "go"
        finally:
            done.set()
            watcher.join()
        assert seen == {b"rq:queue:other:short", b"rq:worker:one"}
        assert {key: server.client.dump(key) for key in server.client.keys("*")} == before
        assert listener.get_message(timeout=1) is None and listener.get_message(timeout=1) is None
        listener.close()


def test_killed_at_any_moment_it_leaves_only_what_the_server_forgets(tmp_path: Path) -> None:
    with Server(tmp_path / "store", "--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru") as server:
        for number in range(8):
            process = probing("15", server.url, ("queue", "cache")[number % 2])
            while not server.client.keys("*benchfly*") and process.poll() is None:
                time.sleep(0.005)
            time.sleep(number * 0.1)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        left = [key.decode() for key in server.client.keys("*") if server.client.ttl(key) == -1]
        # What RQ's worker wrote last before the kill has no time to live yet: at most two of its own registries a kill.
        assert all(re.match(r"rq:[a-z_]+:.*benchfly-probe", key) for key in left), left
        assert len(left) <= 2 * 8 and all(server.client.memory_usage(key) < 1024 for key in left), left
