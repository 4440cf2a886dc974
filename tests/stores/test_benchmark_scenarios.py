"""What only the Python client plays: an open loop, storms, invalidations, fan-out. On real servers, without Ansible."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import capacity, store, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    OutputError,
    Reading,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection
from ansible_collections.benchfly.stores.plugins.modules import benchmark_capture, benchmark_trial
from tests.stores.servers import Server

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
PYTHON = GENERATORS["python-client"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


def workload(name: str, scale: float = 1.0, **changes: Any) -> Workload:
    given = yaml.safe_load((ROOT / f"playbooks/workloads/{name}.yml").read_text())
    return parse(name, {**given, **changes}, scale)


def play(
    server: Server,
    wanted: Workload,
    seconds: float,
    clients: int = 4,
    rate: float = 0,
    parts: int = 1,
    meanwhile: Callable[[Server], None] = lambda server: None,
) -> Reading:
    """The trial, on data filled in before, with nothing left behind."""
    target = Target.from_url(server.url)
    program = PYTHON.find()
    assert program
    with store.connect(target) as connection:
        if wanted.filled:
            store.fill(connection, wanted, PYTHON)
        loads = trial.shares(Load(seconds, clients, rate, items=wanted.items), parts)
        thread = threading.Thread(target=meanwhile, args=(server,))
        thread.start()
        outputs = benchmark_trial.play(PYTHON, program, target, wanted, loads)
        thread.join()
        assert store.foreign_keys(connection) == 0
        store.remove(connection)
    assert server.client.dbsize() == 0
    return trial.merge([PYTHON.parse(output) for output in outputs])


def stall(server: Server) -> None:
    """The server stands still for 0.8 s, one second after the load began."""
    time.sleep(1.0)
    server.stop()
    time.sleep(0.8)
    server.go_on()


def test_an_open_loop_counts_what_a_stall_made_wait(server: Server) -> None:
    reading = play(server, workload("frappe-site", loop="open", rate=100), 3.0, rate=100, meanwhile=stall)
    # 80 of 300 operations were due in that time, and waited for half of it on average.
    assert reading.measurement.operations == pytest.approx(300, abs=10)
    assert (reading.measurement.max_ms or 0) > 700
    assert reading.measurement.p95_ms > 400
    hidden = play(server, workload("frappe-site"), 3.0, meanwhile=stall)
    assert (hidden.measurement.max_ms or 0) > 700
    assert hidden.measurement.p95_ms < 400  # a closed loop has four slow operations among all its fast ones


@pytest.fixture
def slow_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = store.connect

    def slowly(target: Target) -> Connection:
        time.sleep(1)
        return connect(target)

    monkeypatch.setattr(store, "connect", slowly)


@pytest.mark.usefixtures("slow_to_connect")
def test_what_connecting_takes_is_no_latency(server: Server) -> None:
    reading = play(server, workload("frappe-site", loop="open", rate=100), 1.0, rate=100)
    assert reading.measurement.operations == pytest.approx(100, abs=5)
    assert reading.measurement.seconds < 1.9 and reading.measurement.p95_ms < 500


def test_a_client_that_cannot_connect_keeps_no_other_waiting(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, asked = store.connect, itertools.count()

    def refused_once(target: Target) -> Connection:
        if next(asked) == 1:  # the first is the test's own
            raise OSError("no route to it")
        return connect(target)

    monkeypatch.setattr(store, "connect", refused_once)
    reading = play(server, workload("frappe-site"), 0.5, clients=3)
    assert reading.measurement.errors == 1 and reading.measurement.operations > 100


def test_processes_share_an_open_loop(server: Server) -> None:
    reading = play(server, workload("frappe-site", loop="open", rate=300), 2.0, clients=5, rate=300, parts=2)
    assert reading.measurement.operations == pytest.approx(600, abs=15)
    assert sum(reading.series) == reading.measurement.operations


def test_a_search_finds_what_a_server_bears(server: Server) -> None:
    objective, wanted = capacity.Objective("p95", 100.0), workload("frappe-site", loop="open", rate=2000)
    tried: list[tuple[float, bool]] = []
    while (rate := capacity.next_rate(tried, 2000.0, capacity.FIRST_STEP)) is not None:
        reading = play(server, wanted, 0.4, clients=2, rate=rate)
        tried.append((rate, objective.held(asdict(reading.measurement), rate)))
    found = capacity.answer(tried)
    assert found and 500 < found < 200_000, tried
    # Far below it holds, and far above not even the rate itself is reached.
    assert objective.held(asdict(play(server, wanted, 0.4, clients=2, rate=found / 20).measurement), found / 20)
    assert not objective.held(asdict(play(server, wanted, 0.4, clients=2, rate=found * 20).measurement), found * 20)


def test_every_item_of_a_burst_is_written_once(server: Server) -> None:
    reading = play(server, workload("burst-fill", 0.0005), 60.0, clients=3, parts=2)
    assert reading.measurement.operations == 1500
    info = server.client.info("commandstats")
    assert info["cmdstat_hset"]["calls"] == info["cmdstat_expire"]["calls"] == 1500


def test_a_storm_clears_and_is_recovered_from(server: Server) -> None:
    wanted = workload("clear-cache-storm", items=300, storm={"every_ms": 1500, "miss_ms": 1})
    reading = play(server, wanted, 4.0)
    storms = reading.details["storms"]
    assert len(storms) == 2
    assert all(storm["keys"] > 100 and storm["keys_ms"] > 0 and storm["unlink_ms"] > 0 for storm in storms)
    assert any(storm["recovered_ms"] for storm in storms)
    assert server.client.info("commandstats")["cmdstat_keys"]["calls"] == 2


def test_a_storm_is_not_made_after_its_time_for_readers_that_are_late(server: Server) -> None:
    wanted = workload("clear-cache-storm", items=300, storm={"every_ms": 500, "miss_ms": 1200})
    assert len(play(server, wanted, 0.9).details["storms"]) == 1
    assert server.client.info("commandstats")["cmdstat_keys"]["calls"] == 1


def test_every_client_hears_of_every_write(server: Server) -> None:
    reading = play(server, workload("client-tracking"), 2.0, clients=3, rate=40)
    assert reading.details == {"written": 80, "clients": 3, "unheard": 0}
    assert reading.measurement.operations == 240
    assert 0 < reading.measurement.p50_ms < 500


def test_a_store_that_refuses_tracking_says_so(server: Server) -> None:
    server.client.execute_command("ACL", "SETUSER", "default", "-client|tracking")
    with pytest.raises(OutputError, match="refuses what the cache of Frappe v16 needs, CLIENT TRACKING: NOPERM"):
        play(server, workload("client-tracking"), 1.0, rate=10)


def test_every_subscriber_gets_every_event(server: Server) -> None:
    reading = play(server, workload("realtime"), 2.0, clients=2, rate=50)
    assert reading.details == {"published": 100, "subscribers": 20}
    assert reading.measurement.operations == 2000
    assert reading.measurement.errors == 0


@pytest.mark.usefixtures("slow_to_connect")
def test_events_and_writes_wait_for_those_who_are_late(server: Server) -> None:
    reading = play(server, workload("realtime"), 0.5, clients=2, rate=50)
    assert reading.details["published"] == 25 and reading.measurement.errors == 0
    reading = play(server, workload("client-tracking"), 0.5, clients=3, rate=40)
    assert reading.details == {"written": 20, "clients": 3, "unheard": 0}


def test_the_sampler_knows_the_server_and_costs_next_to_nothing(server: Server) -> None:
    sampler = Sampler({"here": Target.from_url(server.url), "gone": Target("127.0.0.1", 1, 0, "", "")})
    sampler.rows()
    before = time.process_time()
    for number in range(20):
        server.client.set("x", "y" * 1000 * number)
        time.sleep(0.05)
        rows = sampler.rows()
    # Twenty samples: at one a second they would have twenty seconds, of which 1 % is 0.2 s.
    assert time.process_time() - before < 0.2
    row = rows["here"]
    assert row["rss"] > 1_000_000 and row["rss_peak"] >= row["rss"] and row["used_memory"] > 100_000
    assert row["commands"] > 5
    assert "threads" in row and row["store_cpu"] >= 0
    assert "used_memory" not in rows["gone"] and rows["gone"]["memory"] > 0
    sampler.close()


def test_a_capture_is_bounded_and_keeps_no_name(server: Server) -> None:
    ended = threading.Event()

    def traffic() -> None:
        while not ended.is_set():
            server.client.hset("_5e58|session", "sid-secret", b"\x80" * 319)
            server.client.hget("_5e58|session", "sid-secret")
            server.client.set("_5e58|user:jane@example.com", "v" * 2000, ex=600)
            time.sleep(0.005)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        census = benchmark_capture.Census()
        with store.connect(Target.from_url(server.url)) as connection:
            seconds, read = benchmark_capture.listen(connection, census, 20.0, 100_000)
        assert seconds < 20 and read >= 100_000
        with store.connect(Target.from_url(server.url)) as connection:
            given = census.workload(seconds, lambda shape, items: benchmark_capture.lengths(connection, shape, items))
    finally:
        ended.set()
        thread.join()
    assert "secret" not in str(given) and "jane" not in str(given) and "session" not in str(given)
    server.client.flushall()
    mine = parse("mine", given)
    assert {(family.shape, family.mean_bytes) for family in mine.families} == {("hash-per-item", 319), ("string", 2000)}
    assert play(server, mine, 0.5).measurement.operations > 10
