"""A benchmark that looks whether anybody else is at work, on real stores with real neighbours."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.modules.benchmark_quiet import objections
from tests.stores.servers import Server
from tests.stores.test_benchmark import QUICK, pair, play, urls

__all__ = ["pair"]  # a fixture
pytestmark = pytest.mark.stores

needs_load = pytest.mark.skipif(not shutil.which("redis-benchmark"), reason="redis-benchmark is not installed")


@contextmanager
def neighbour(server: Server) -> Iterator[None]:
    """Somebody who uses the store."""
    command = ["redis-benchmark", "-p", str(server.port), "-c", "2", "-n", "1000000000", "-q", "-t", "get"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@needs_load
def test_a_busy_store_keeps_it_from_beginning(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    with neighbour(pair[1]):
        done = play(tmp_path, {**urls(*pair), **QUICK, "benchmark_busy_commands": 50})
    assert done.returncode == 2
    assert re.search(r"new serves \d+ commands a second to others, and busy_commands is 50", done.stdout)
    assert "Fill | Write the data" not in done.stdout
    assert [server.client.dbsize() for server in pair] == [0, 0]


def test_stores_without_neighbours_are_measured(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    done = play(tmp_path, {**urls(*pair), **QUICK, "benchmark_busy_commands": 50, "benchmark_rounds_most": 1})
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "benchmark.json").exists()


def test_it_does_not_begin_in_a_blackout_window(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    done = play(tmp_path, {**urls(*pair), **QUICK, "benchmark_blackout": ["daily 00:00-24:00 UTC"]})
    assert done.returncode == 2
    assert "A blackout window has begun, daily 00:00-24:00 UTC: no benchmark now." in done.stdout
    assert "Fill | Write the data" not in done.stdout


def test_what_speaks_against_it_is_said_with_the_figure_and_the_limit() -> None:
    rows = {"": {"cpu": 63.0}, "shop-cache": {"commands": 901.0}, "erp-cache": {"commands": 2.0}, "gone": {}}
    assert list(objections(rows, cpu=20, commands=100, seconds=2)) == [
        "63 % of the processors are in use, and busy_cpu is 20",
        "shop-cache serves 900 commands a second to others, and busy_commands is 100",
    ]
    assert list(objections(rows, cpu=0, commands=0, seconds=2)) == []
