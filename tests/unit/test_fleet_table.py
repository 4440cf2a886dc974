"""The table of what was tried on real hosts."""

from __future__ import annotations

from tests.fleet.table import table


def test_a_cell_is_where_its_scenario_and_its_engine_meet() -> None:
    cells = [
        {"engine": "redis", "scenario": "converge", "outcome": "passed", "seconds": 1.0, "server": "real"},
        {"engine": "dragonfly", "scenario": "converge", "outcome": "failed", "seconds": 2.0, "server": "stand-in"},
        {"engine": "redis", "scenario": "reboot", "outcome": "skipped", "seconds": 3.0, "server": "real"},
    ]
    assert table(cells).splitlines() == [
        "| scenario | redis | dragonfly (stand-in) |",
        "|---|---|---|",
        "| converge | passed | failed |",
        "| reboot | skipped | - |",
    ]
