"""Every pair of engines as source and target, both ways. `make pairs` runs it, and writes the table of docs/figures.md.

A bench that migrates and is rolled back goes both ways, under load. Of the sweep alone each way is there by itself,
with workers stopped at its worst moments.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bench.conftest import ROOT, Moving, Servers
from tests.bench.test_move import held
from tests.stores.binaries import dragonfly, redis_6_2, valkey_8, version
from tests.stores.test_stopped_workers import outcomes

pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(3600),
    pytest.mark.skipif("PAIRS" not in os.environ, reason="takes some minutes: make pairs"),
]

ROWS = ROOT / ".benchfly/pairs.json"
_DRAGONFLY, _NAMED = dragonfly()
ENGINES: dict[str, Callable[[], str]] = {
    "Redis 6.2": redis_6_2,
    "Redis 7": lambda: shutil.which("redis-server") or pytest.skip("no redis-server on PATH"),
    "Valkey 8": valkey_8,
    _NAMED: lambda: _DRAGONFLY,
}

Names = tuple[str, str]


@pytest.fixture
def pair(names: Names) -> tuple[Path, Path]:
    """The binaries of two engines; skips where one of them cannot be had."""
    try:
        first, second = (Path(ENGINES[name]()) for name in names)
    except pytest.skip.Exception as reason:
        note(names, skipped=str(reason))
        raise
    note(names, versions=[version(first), version(second)])
    return first, second


@pytest.fixture
def servers(names: Names, pair: tuple[Path, Path]) -> Servers:
    return pair[0], names[1].split()[0].lower(), pair[1]


@pytest.mark.parametrize("names", list(itertools.permutations(ENGINES, 2)), ids=" to ".join)
def test_every_job_is_swept(names: Names, pair: tuple[Path, Path], tmp_path: Path) -> None:
    note(names, stops="failed")
    found = outcomes("15", tmp_path / "stops", 1, pair)
    wrong = [outcome for outcome in found if outcome["lost"] or outcome["twice"] or outcome["left"]]
    assert wrong == []
    note(names, stops=sum(outcome["rounds"] for outcome in found))


@pytest.mark.parametrize("names", list(itertools.combinations(ENGINES, 2)), ids=" and ".join)
def test_a_bench_moves_there_and_back(moving: Moving, names: Names) -> None:
    for way in (names, names[::-1]):
        note(way, move="failed")
    moving.patience = 900
    load = moving.load(enqueues=5, pages=2)
    time.sleep(2)
    for verb in ("migrate", "rollback"):
        moving.run(verb)
        moving.run("verify")
    counted = moving.account(load)
    lost, twice = held(counted)
    assert (lost, twice) == (0, 0)
    for way, verb in ((names, "migrate"), (names[::-1], "rollback")):
        note(way, move=verb, jobs=counted.web.acknowledged)


def note(names: Names, **known: object) -> None:
    """Add to the row of a way what is known of it now."""
    rows = {tuple(row["names"]): row for row in json.loads(ROWS.read_text())} if ROWS.exists() else {}
    rows[names] = {**rows.get(names, {}), "names": names, **known}
    ROWS.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
