"""Hosts that make load, for real: installed, playing one store at once, their histograms merged, and removed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import histogram, trial
from tests.fleet.conftest import ROOT, ansible, apt_install
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until
from tests.fleet.test_store_metrics import state

from benchfly.benchmark import Benchmark

pytestmark = pytest.mark.fleet

HOSTS = {"store1": "debian-13", "load1": "debian-13", "load2": "debian-13"}
GENERATORS = ("load1", "load2")
PORT = 7001
# Stands for a load generator that is in no distribution: it says its version, and this test lets nobody play with it.
PROGRAM = "#!/bin/sh\necho 'memtier_benchmark 2.2.1'\n"
Play = Callable[..., str]


@pytest.fixture(scope="module")
def store(fleet: Fleet) -> Host:
    """A host with a store on Redis that all may use, as in a closed network; those that make load have none."""
    host = fleet["store1"]
    apt_install(host, "redis-server")
    words = ["redis-server", "--port", str(PORT), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]
    host.exec(["systemd-run", "--quiet", "--unit=plain-store", *words])
    assert wait_until(lambda: keys(host) == 0, 20)
    return host


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[str, list[str]]:
    return {name: state(fleet[name]) for name in GENERATORS}


@pytest.fixture(scope="module")
def play(fleet: Fleet, store: Host, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run the playbook with these variables; results are in `play.folder`."""
    folder = tmp_path_factory.mktemp("inventory")
    inventory = folder / "hosts.json"
    declared = {"shop-cache": {"engine": "redis", "purpose": "cache", "port": PORT, "memory": "64mb"}}
    groups = {
        "load_generators": {"hosts": dict.fromkeys(GENERATORS)},
        "stores": {"hosts": {"store1": {"stores": declared}}},
    }
    inventory.write_text(json.dumps(groups))
    # A trial counts however busy the machine is whose CPUs all these hosts share.
    workload = folder / "frappe-site.yml"
    known = yaml.safe_load((ROOT / "playbooks/workloads/frappe-site.yml").read_text())
    workload.write_text(yaml.safe_dump({**known, "invalidated_by": ["errors"]}))
    common = {"benchmark_stores": "shop-cache", "benchmark_workload": str(workload), "benchfly_run_dir": str(folder)}

    def run(**variables: Any) -> str:
        given = json.dumps({**common, **variables})
        return ansible(fleet, "ansible-playbook", "-i", inventory, "playbooks/benchmark.yml", "-e", given).stdout

    run.folder = folder  # type: ignore[attr-defined]
    return run


def keys(host: Host) -> int:
    said = host.exec(["redis-cli", "-p", str(PORT), "dbsize"], check=False).stdout.strip()
    return int(said) if said.isdigit() else -1


def small(**more: Any) -> dict[str, Any]:
    """A benchmark of seconds."""
    return {"benchmark_rounds": 1, "benchmark_rounds_most": 1, "benchmark_seconds": 2, "benchmark_twin": False, **more}


def test_two_hosts_make_one_load_and_their_histograms_merge(play: Play, store: Host) -> None:
    variables = small(benchmark_generator="python-client", benchmark_rates=300, benchmark_clients=6)
    out = play(**variables, benchmark_processes=2)
    measured = Benchmark.load(play.folder / "benchmark.json")  # type: ignore[attr-defined]
    (played,) = measured.trials
    assert played.valid and played.measurement, out
    # 300 a second for 2 s, of all processes of both hosts together.
    assert played.measurement.operations == pytest.approx(600, abs=20)
    assert measured.loop == "open" and measured.stores[0].host == "store1" and not measured.stores[0].local
    parts = trial.apart(measured.outputs[0])
    assert sorted(parts) == [f"window-1/{host}-{number}" for host in GENERATORS for number in (1, 2)]
    whole = histogram.merge([(played.measurement.histogram, 0.0)])
    assert whole.get_total_count() == played.measurement.operations
    assert whole.get_value_at_percentile(99) / 1000 == played.measurement.p99_ms
    assert set(measured.environments) == {"store1", *GENERATORS}
    assert {(sample.host, sample.role) for sample in measured.samples} == {
        ("load1", "generator"),
        ("load2", "generator"),
        ("store1", "store"),
    }
    assert keys(store) == 0


def test_packages_are_installed_where_they_are_missing(play: Play, store: Host, fleet: Fleet) -> None:
    variables = small(load_generator_packages=["redis-tools"], benchmark_generator="redis-benchmark")
    play(**variables)
    measured = Benchmark.load(play.folder / "benchmark.json")  # type: ignore[attr-defined]
    assert [each.valid for each in measured.trials] == [True] and measured.generator == "redis-benchmark"
    assert all(fleet[name].exec(["redis-benchmark", "--version"]).stdout for name in GENERATORS)
    again = play(**variables)
    assert "Load | Write the note" not in again  # there is nothing left to install
    assert keys(store) == 0


def test_a_program_is_installed_by_its_checksum(play: Play, fleet: Fleet, tmp_path: Path) -> None:
    program = tmp_path / "memtier"
    program.write_text(PROGRAM)
    variables = small(load_generator_binary=str(program), load_generator_sha256=digest(program))
    variables["benchmark_generator"] = "python-client"
    play(**variables)
    for name in GENERATORS:
        assert fleet[name].exec(["memtier_benchmark", "--version"]).stdout == "memtier_benchmark 2.2.1\n"
    program.write_text(PROGRAM + "# another\n")
    with pytest.raises(AssertionError, match="has sha256"):
        play(**variables)
    assert "another" not in fleet["load1"].exec(["cat", "/usr/local/bin/memtier_benchmark"]).stdout


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_removal_leaves_the_hosts_as_before(play: Play, fleet: Fleet, before: dict[str, list[str]]) -> None:
    assert any(state(fleet[name]) != before[name] for name in GENERATORS)
    play(benchmark_clean=True, load_generator_state="absent")
    for name in GENERATORS:
        assert [line for line in state(fleet[name]) if line not in before[name]] == []
        assert [line for line in before[name] if line not in state(fleet[name])] == []
