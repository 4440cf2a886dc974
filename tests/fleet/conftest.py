"""Hosts for the tests that need real ones. They take root, minutes and a mirror; `make fleet-test` runs them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fleet.hosts import Fleet, Host, reason_not_possible
from tests.stores.binaries import release

ROOT = Path(__file__).parents[2]
# Runs side by side need a folder each; without one they wait for none and fail at once.
FOLDER = Path(os.environ.get("FLEET_FOLDER") or ROOT / ".benchfly/fleet")
TIMEOUT = 900  # seconds of a test, in which the base of a release may have to be made
FIGURES: list[str] = []
CELLS: list[dict[str, object]] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cell(scenario): one engine (the argument `engine`) in one scenario")
    config.addinivalue_line("markers", "fleet: needs real hosts, made on this machine (Linux, root; `make fleet-test`)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked_for = "fleet" in config.option.markexpr or any("tests/fleet" in word for word in config.args)
    for item in items:
        if item.get_closest_marker("fleet"):
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT))
            if not asked_for:
                item.add_marker(pytest.mark.skip(reason="makes real hosts, for minutes: `make fleet-test` asks for it"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any]:
    """Note the outcome of each cell: its call, or the set-up that failed before it."""
    report = (yield).get_result()
    mark = item.get_closest_marker("cell")
    if mark and (report.when == "call" or report.outcome != "passed"):
        engine = item.callspec.params["engine"]  # type: ignore[attr-defined]
        flown = os.environ.get("DRAGONFLY")
        server = "real" if engine != "dragonfly" else release(Path(flown), engine) if flown else "stand-in"
        CELLS.append(
            {
                "engine": engine,
                "scenario": mark.args[0],
                "outcome": report.outcome,
                "seconds": round(report.duration, 1),
                "server": server,
            }
        )


def pytest_sessionfinish() -> None:
    if CELLS:
        (ROOT / ".benchfly/fleet-test.json").write_text(json.dumps(CELLS, indent=1) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for figure in FIGURES:
        terminalreporter.write_line(f"fleet: {figure}")


@pytest.fixture(scope="session")
def fleet_folder() -> Iterator[Path]:
    """Where fleets are made; what an earlier run of the tests left up, having been killed, is removed first."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "tests.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another run of these tests uses {FOLDER}; wait for its end")
        for left in Fleet.all(FOLDER):
            if left.name.startswith("test-"):
                left.down(fast=True)
        yield FOLDER


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, fleet_folder: Path) -> Iterator[Fleet]:
    """The module's hosts, as its HOSTS says (name -> release), from its first test to its last.

    Its tests are skipped, with the reason, where a release cannot be had.
    """
    hosts: dict[str, str] = request.module.HOSTS
    for each in sorted(set(hosts.values())):
        if reason := reason_not_possible(each):
            pytest.skip(reason)
    fleet = Fleet(fleet_folder, request.module.__name__.rpartition(".")[2].replace("_", "-"))
    try:
        start = time.monotonic()
        fleet.up(hosts)
        up = time.monotonic() - start
        memory = [host.memory() or 0 for host in fleet.hosts]
        yield fleet
    finally:
        start = time.monotonic()
        fleet.down()
    down = time.monotonic() - start
    FIGURES.append(
        f"{fleet.name}, {len(hosts)} hosts: up in {up:.1f} s, {sum(memory) / len(memory) / 2**20:.0f} MB each, "
        f"down in {down:.1f} s"
    )


def ansible(fleet: Fleet, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `ansible` or `ansible-playbook` (the first word) on the fleet from its controller; asserts success."""
    command, *rest = words
    argv = [Path(sys.executable).parent / command, "-i", fleet.inventory_file, *rest]
    env = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = fleet.controller(argv, cwd=ROOT, env=env, timeout=TIMEOUT)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def apt_install(host: Host, *packages: str) -> None:
    """Install packages of the host's distribution without starting the services that come with them."""
    quiet = "printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"
    install = f"apt-get install -qy --no-install-recommends {' '.join(packages)}; rm /usr/sbin/policy-rc.d"
    host.ssh(f'sudo sh -ec "{quiet}; {install}"', timeout=300)
