"""What is kept of benchmarks, what is known of a host's noise, and what may be put side by side."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.browser import sample

from benchfly import cli
from benchfly.benchmark import Benchmark, compare, environment
from benchfly.cli.compare import judge
from benchfly.results import Run, benchmarks, records

HOST = {"kernel": "6.1", "cpu_model": "Graviton3", "cpus": 8, "thp": "madvise", "governor": "performance"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def measured(**changes: Any) -> Benchmark:
    return replace(sample.benchmark(), environments={"cache1": HOST}, outputs=(), **changes)


def as_json(benchmark: Benchmark) -> dict[str, Any]:
    data = asdict(benchmark)
    generator = {"name": benchmark.generator, "version": benchmark.version, "caveat": benchmark.caveat}
    return {**data, "schema": 2, "workload": sample.WORKLOAD, "generator": generator}


def kept(benchmark: Benchmark) -> Run:
    run = Run.create("benchmark", {})
    (run.folder / "benchmark.json").write_text(json.dumps(as_json(benchmark)))
    run.finish({"status": "ok"})
    return run


def stored() -> Run:
    """A benchmark that was run and judged here."""
    run = kept(measured())
    benchmark = measured()
    benchmarks.store(run.id, benchmark, judge(benchmark))
    return run


def cli_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = 0
    try:
        cli.main([*arguments, "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(capsys.readouterr().out)


def test_rows_of_a_benchmark_and_its_noise() -> None:
    benchmark = measured()
    comparison = compare(benchmark.trials, ["shop-cache-old", "shop-cache"])
    for _ in range(2):  # again is as once
        benchmarks.store("run-1", benchmark, comparison)
    trials = benchmarks.trials("run-1")
    assert len(trials) == len(benchmark.trials) == 40
    assert sum(trial.twin for trial in trials) == 20
    assert [json.loads(trial.invalid) for trial in trials if trial.invalid != "[]"] == [["318 keys evicted"]]
    rows = {row.metric: row for row in benchmarks.comparisons("run-1")}
    throughput = rows["ops_per_second"]
    assert throughput.ratio and 1.15 < throughput.low < throughput.ratio < throughput.high < 1.35  # type: ignore[operator]
    assert throughput.better is True and throughput.verdict == "higher"


def test_noise_is_known_of_such_hosts_for_a_week() -> None:
    benchmark = measured()
    benchmarks.store("run-1", benchmark, compare(benchmark.trials, ["shop-cache-old", "shop-cache"]))
    alone = replace(benchmark, trials=tuple(trial for trial in benchmark.trials if not trial.twin))
    floors = benchmarks.floors(alone)
    assert 0 < floors["ops_per_second"] < 0.2
    ratio = compare(alone.trials, ["shop-cache-old", "shop-cache"], floors).rows[1].ratio
    assert ratio and ratio.floor == floors["ops_per_second"] and ratio.claimed
    assert benchmarks.floors(alone, datetime.now(UTC) + timedelta(days=8)) == {}
    assert benchmarks.floors(replace(alone, environments={"cache2": HOST})) == floors
    assert benchmarks.floors(replace(alone, environments={"cache1": {**HOST, "cpus": 4}})) == {}
    assert benchmarks.floors(replace(alone, seconds=5.0)) == {}


def test_what_was_not_measured_alike_is_named() -> None:
    one = measured()
    assert environment.mismatches([one, one]) == []
    others = {
        "cpus is 8 in one and 4 in another": replace(one, environments={"c": {**HOST, "cpus": 4}}),
        "seconds is 2.0 in one and 5.0 in another": replace(one, seconds=5.0),
        "scale is 1.0 in one and 0.1 in another": replace(one, scale=0.1),
        "store shop-cache is valkey 8.0.1 in one and valkey 8.1.0 in another": replace(
            one, stores=(one.stores[0], replace(one.stores[1], version="8.1.0"))
        ),
        "the hosts are others, or of another number": replace(one, environments={}),
    }
    for said, other in others.items():
        assert environment.mismatches([one, other]) == [said]


def test_compare_puts_rounds_together_and_refuses_what_was_not_measured_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, other = (kept(each) for each in (measured(), measured(), measured(seconds=5.0)))
    code, alone = cli_json(capsys, "compare", first.id)
    assert code == 0 and alone["comparisons"][0]["rounds"] == 9
    code, both = cli_json(capsys, "compare", first.id, second.id)
    assert code == 0 and both["comparisons"][0]["rounds"] == 18
    code, refused = cli_json(capsys, "compare", first.id, other.id)
    assert code == 3 and "seconds is 2.0 in one and 5.0 in another" in refused["message"]
    code, marked = cli_json(capsys, "compare", first.id, other.id, "--force")
    assert code == 0 and marked["mark"].startswith("Not measured alike: seconds is 2.0")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["compare", first.id])
    assert "shop-cache did 1.2" in capsys.readouterr().out


def test_a_database_of_the_first_schema_is_brought_up(home: Path) -> None:
    home.mkdir()
    connection = sqlite3.connect(home / "results.sqlite")
    connection.execute(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, verb TEXT NOT NULL, started TEXT NOT NULL, finished TEXT, "
        "status TEXT) WITHOUT ROWID"
    )
    connection.execute("INSERT INTO runs VALUES ('a', 'check', '2026-11-01T00:00:00+00:00', NULL, NULL)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    assert [record.id for record in records()] == ["a"]
    assert benchmarks.trials() == [] == benchmarks.comparisons()
