"""The playbook against real stores with real load generators: what it measures, refuses and leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    OutputError,
    Program,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import PREFIX, Workload, parse
from tests.orphans import descendants, end
from tests.stores.binaries import valkey_8
from tests.stores.servers import Server

from benchfly.benchmark import CAPACITY, Benchmark, compare

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
FEW = {"benchmark_rounds": 3, "benchmark_rounds_most": 4, "benchmark_seconds": 0.3, "benchmark_seed": 7}
QUICK = {"benchmark_rounds": 1, "benchmark_seconds": 0.2, "benchmark_twin": False, "benchmark_warm_up": 0.2}
LOAD = Load(seconds=1.0, clients=8, expected=2000, items=1000)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What watches a host has a mark among its temporary files; another benchmark on this machine would end it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    with Server(tmp_path / "old") as old, Server(tmp_path / "new") as new:
        yield old, new


@pytest.fixture
def workload() -> Workload:
    return parse("frappe-site", yaml.safe_load((ROOT / "playbooks/workloads/frappe-site.yml").read_text()))


def command(folder: Path, variables: Mapping[str, Any], *options: str, inventory: object = None) -> list[str]:
    hosts = folder / "inventory.json"
    hosts.write_text(json.dumps(inventory or {}))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    ansible = str(Path(sys.executable).parent / "ansible-playbook")
    given = json.dumps({"benchfly_run_dir": str(folder), **local, **variables})
    return [ansible, "-i", str(hosts), str(ROOT / "playbooks/benchmark.yml"), "-e", given, *options]


def play(folder: Path, variables: Mapping[str, Any], *options: str, **more: object) -> subprocess.CompletedProcess[str]:
    argv = command(folder, variables, *options, **more)
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def urls(old: Server, new: Server) -> dict[str, Any]:
    return {"benchmark_urls": {"old": old.url, "new": new.url}}


def own_keys(server: Server) -> int:
    return sum(1 for _ in server.client.scan_iter(match=PREFIX + "*", count=1000))


def test_two_stores_with_what_is_at_hand(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    done = play(tmp_path, {**urls(*pair), **FEW})
    assert done.returncode == 0, done.stdout
    measured = Benchmark.load(tmp_path / "benchmark.json")
    assert [(server.name, server.engine) for server in measured.stores] == [("old", "redis"), ("new", "redis")]
    rounds = {trial.round for trial in measured.trials}
    assert rounds in ({1, 2, 3}, {1, 2, 3, 4})
    assert len(measured.trials) == 4 * len(rounds) == 2 * sum(trial.twin for trial in measured.trials)
    assert all(trial.valid for trial in measured.trials), measured.trials
    assert measured.seed == 7
    assert len({tuple(t.store for t in measured.trials[at : at + 4]) for at in range(0, 12, 4)}) > 1
    assert {(sample.role, sample.store) for sample in measured.samples} == {
        ("generator", ""),
        ("store", "old"),
        ("store", "new"),
    }
    assert all(len(sample.rows) > 3 for sample in measured.samples)
    assert all(sample.overhead_cpu is not None and sample.overhead_cpu < 0.05 for sample in measured.samples)
    assert any(PREFIX in line for line in measured.command_lines("old")) or measured.generator == "python-client"
    rows = compare(measured.trials, ["old", "new"]).rows
    assert all(row.spread and row.spread.low > 0 for row in rows)
    assert [server.client.dbsize() for server in pair] == [0, 0]
    assert (tmp_path / "benchmark.json").stat().st_mode & 0o777 == 0o600


def test_how_much_a_store_bears_at_an_objective(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    variables = {**urls(*pair), **QUICK, "benchmark_generator": "python-client", "benchmark_clients": 2}
    variables |= {"benchmark_objective": {"percentile": "p95", "ms": 100}, "benchmark_rates": 4000}
    done = play(tmp_path, {**variables, "benchmark_seconds": 0.3, "benchmark_rounds_most": 1})
    assert done.returncode == 0, done.stdout
    measured = Benchmark.load(tmp_path / "benchmark.json")
    assert str(measured.workload.objective) == "p95 of 100 ms" and measured.loop == "open"
    for name in ("old", "new"):
        mine = [trial for trial in measured.trials if trial.store == name]
        assert mine[0].rate == 4000 and {trial.held for trial in mine} == {True, False}
        assert max(trial.rate for trial in mine if trial.held) < min(trial.rate for trial in mine if not trial.held)
    rows = compare(measured.trials, ["old", "new"]).rows
    assert [(row.metric, bool(row.spread and row.spread.median > 100)) for row in rows] == [(CAPACITY, True)] * 2
    assert [server.client.dbsize() for server in pair] == [0, 0]


def test_stores_of_the_inventory(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    stores = {
        name: {"engine": "redis", "purpose": "cache", "port": server.port, "memory": "100mb"}
        for name, server in zip(("shop-cache", "erp-cache"), pair, strict=True)
    }
    inventory = {"stores": {"hosts": {"here": {"stores": stores}}}, "load_generators": {"hosts": {"there": {}}}}
    variables = {**QUICK, "benchmark_stores": "shop-cache,erp-cache", "benchmark_generator": "python-client"}
    done = play(tmp_path, variables, inventory=inventory)
    assert done.returncode == 0, done.stdout
    assert "there" in done.stdout.partition("PLAY RECAP")[2]
    measured = Benchmark.load(tmp_path / "benchmark.json")
    assert [server.at for server in measured.stores] == [f"127.0.0.1:{server.port}" for server in pair]
    assert "itself the limit" in measured.caveat


def test_a_store_with_other_keys_is_refused_before_anything_is_written(
    tmp_path: Path, pair: tuple[Server, Server]
) -> None:
    pair[1].client.mset({"site|user": "x", "rq:queues": "y"})
    done = play(tmp_path, {**urls(*pair), **QUICK})
    assert done.returncode != 0
    assert "store new at 127.0.0.1" in done.stdout and "holds 2 keys that no benchmark made" in done.stdout
    assert "benchmark_allow_data" in done.stdout
    assert pair[0].client.info("commandstats").keys().isdisjoint({"cmdstat_mset", "cmdstat_hset", "cmdstat_unlink"})
    assert sorted(pair[1].client.keys()) == [b"rq:queues", b"site|user"]


def test_keys_in_another_database_count_too(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    pair[1].client.execute_command("SELECT", 3)
    pair[1].client.connection_pool.disconnect()
    with store.connect(Target.from_url(pair[1].url + "/3")) as connection:
        connection.call("SET", "elsewhere", "1")
    done = play(tmp_path, {**urls(*pair), **QUICK})
    assert "holds 1 keys that no benchmark made" in done.stdout


def test_a_store_allowed_by_name_keeps_its_keys(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    pair[1].client.mset({"site|user": "x", "benchfly:benchmark": "not ours", "rq:queues": "y"})
    done = play(tmp_path, {**urls(*pair), **QUICK, "benchmark_allow_data": "new"})
    assert done.returncode == 0, done.stdout
    assert sorted(pair[1].client.keys()) == [b"benchfly:benchmark", b"rq:queues", b"site|user"]
    assert [server.foreign_keys for server in Benchmark.load(tmp_path / "benchmark.json").stores] == [0, 3]


def test_a_store_without_room_is_refused(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    pair[1].client.config_set("maxmemory", "8mb")
    done = play(tmp_path, {**urls(*pair), **QUICK})
    assert done.returncode != 0
    assert "others would lose keys" in done.stdout
    assert [server.client.dbsize() for server in pair] == [0, 0]


def test_check_mode_writes_nothing(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    done = play(tmp_path, {**urls(*pair), **QUICK}, "--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert not (tmp_path / "benchmark.json").exists()
    assert pair[0].client.info("commandstats").keys().isdisjoint({"cmdstat_mset", "cmdstat_hset", "cmdstat_unlink"})


def test_a_password_is_in_no_argument_and_no_output(tmp_path: Path) -> None:
    with Server(tmp_path / "old", "--requirepass", "hunter2", password="hunter2") as old:
        url = f"redis://:hunter2@127.0.0.1:{old.port}"
        done = play(tmp_path, {**QUICK, "benchmark_urls": {"old": url}}, "-vvv")
        assert done.returncode == 0, done.stdout
        written = (tmp_path / "benchmark.json").read_text()
        assert json.loads(written)["generator"]["name"] == "python-client"
        # The test's own -e is echoed by nobody else.
        assert "hunter2" not in written
        assert "hunter2" not in done.stdout


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    variables = {**urls(*pair), "benchmark_generator": "python-client"}
    argv = command(tmp_path, {**variables, "benchmark_rounds": 20, "benchmark_seconds": 1})
    running = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: any(server.client.info("stats")["instantaneous_ops_per_sec"] > 500 for server in pair))
    finally:
        workers = descendants(running.pid)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    # Ansible's worker is a session of its own: its trial goes on to its end. The sampler is ended by the next run.
    wait_for(lambda: all(len(server.client.client_list()) <= 2 for server in pair))
    end(workers)
    assert not (tmp_path / "benchmark.json").exists()
    assert all(own_keys(server) > 1000 for server in pair)
    done = play(tmp_path, {**variables, **QUICK})
    assert done.returncode == 0, done.stdout
    assert [server.client.dbsize() for server in pair] == [0, 0]
    wait_for(lambda: all(len(server.client.client_list()) == 1 for server in pair))


def installed(name: str) -> Program:
    """The generator of that name; valkey-benchmark is also beside the Valkey that the tests unpack."""
    found = GENERATORS[name].find()
    if found is None and name == "valkey-benchmark":
        found = GENERATORS[name].find(str(Path(valkey_8()).with_name(name)))
    return found or pytest.skip(f"{name} is not installed")


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_plays_the_mix_on_the_data_that_was_filled_in(
    tmp_path: Path, workload: Workload, name: str
) -> None:
    generator, program = GENERATORS[name], installed(name)
    with Server(tmp_path) as server:
        target = Target.from_url(server.url)
        with store.connect(target) as connection:
            store.fill(connection, workload, generator)
        before = store.counters(target)
        measurement = generator.parse(generator.run(program, target, workload, LOAD)).measurement
        after = store.counters(target)
        assert store.objections(before, after, measurement.errors, shared=False) == []
        assert measurement.operations > 100
        assert measurement.p50_ms <= measurement.p95_ms <= measurement.p99_ms
        played = server.client.info("commandstats")
        shares = {word: played[f"cmdstat_{word}"]["calls"] / measurement.operations for word in ("hget", "get", "set")}
        assert shares["hget"] == pytest.approx(0.62, abs=0.1)
        assert shares["get"] == pytest.approx(0.30, abs=0.1)
        with store.connect(target) as connection:
            assert store.foreign_keys(connection) == 0
            assert store.remove(connection) == 2005
        assert server.client.dbsize() == 0


@pytest.mark.parametrize("name", GENERATORS)
def test_trials_that_must_not_count(tmp_path: Path, workload: Workload, name: str) -> None:
    generator, program = GENERATORS[name], installed(name)
    with Server(tmp_path, "--maxmemory-policy", "noeviction") as server:
        target = Target.from_url(server.url)
        before = store.counters(target)
        measurement = generator.parse(generator.run(program, target, workload, LOAD)).measurement  # nothing filled in
        missing = store.objections(before, store.counters(target), measurement.errors, shared=False)
        assert any("reads of keys that were gone" in objection for objection in missing)
        assert store.objections(before, store.counters(target), measurement.errors, shared=True) == []

        server.client.config_set("maxmemory", "1mb")
        try:
            full = generator.parse(generator.run(program, target, workload, LOAD)).measurement
        except OutputError as error:
            assert "OOM" in str(error)
        else:
            assert full.errors > 0


def test_evictions_make_a_trial_invalid(tmp_path: Path, workload: Workload) -> None:
    generator = GENERATORS["python-client"]
    program = generator.find()
    assert program
    with Server(tmp_path, "--maxmemory-policy", "allkeys-random") as server:
        target = Target.from_url(server.url)
        with store.connect(target) as connection:
            store.fill(connection, workload, generator)
        before = store.counters(target)
        server.client.config_set("maxmemory", "6mb")
        measurement = generator.parse(generator.run(program, target, workload, LOAD)).measurement
        found = store.objections(before, store.counters(target), measurement.errors, shared=True)
        assert any("keys evicted" in objection for objection in found)


def test_a_store_that_dies_under_a_trial(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    variables = {**urls(*pair), "benchmark_generator": "python-client", "benchmark_rounds": 4, "benchmark_seconds": 1}
    running = subprocess.Popen(command(tmp_path, variables), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: pair[1].client.info("stats")["total_commands_processed"] > 8000)
    pair[1].client.shutdown(nosave=True)
    out, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert "store new at 127.0.0.1" in out
    assert own_keys(pair[0]) == 0


def test_an_unknown_store_is_named(tmp_path: Path) -> None:
    done = play(tmp_path, {"benchmark_stores": "nobody"})
    assert done.returncode != 0
    assert "nobody is the name of no store in the group stores. Declared are: none" in done.stdout
    nothing = play(tmp_path, {})
    assert "Say which stores" in nothing.stdout


@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark is not installed")
def test_a_workload_of_ones_own(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text(
        yaml.safe_dump(
            {
                "description": "one command",
                "clients": 2,
                "items": 10,
                "families": {"flag": {"shape": "string", "bytes": 3}},
                "operations": [{"command": "GET", "family": "flag", "share": 100}],
            }
        )
    )
    variables = {**urls(*pair), **QUICK, "benchmark_workload": str(mine), "benchmark_generator": "redis-benchmark"}
    done = play(tmp_path, variables)
    assert done.returncode == 0, done.stdout
    measured = Benchmark.load(tmp_path / "benchmark.json")
    assert measured.workload.name == "mine"
    assert [line.partition(" GET ")[2] for line in measured.command_lines("old")] == [
        "benchfly:bench:flag:__rand_int__"
    ]

    mine.write_text("description: nothing else")
    refused = play(tmp_path, variables)
    assert "mine.yml: clients is missing. Needed are clients, description" in refused.stdout
