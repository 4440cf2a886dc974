"""What docs/benchmarks.md shows is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.filter.benchmark_load import FIRST_RATE
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import capacity
from tests.unit.test_results_benchmarks import home, stored

from benchfly import cli
from benchfly.benchmark.environment import HOST_FIELDS
from benchfly.benchmark.statistics import rounds_for
from benchfly.results.benchmarks import FRESH

__all__ = ["home"]  # a fixture

ROOT = Path(__file__).parents[2]
TEXT = " ".join((ROOT / "docs/benchmarks.md").read_text().split())
WORKLOADS = " ".join((ROOT / "docs/workloads.md").read_text().split())
COMMANDS = re.findall(r"^\$ benchfly (.*)$", (ROOT / "docs/benchmarks.md").read_text(), re.MULTILINE)


def test_its_commands_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {"RUN": stored().id, "OTHER": stored().id}
    monkeypatch.setattr("benchfly.report.plots.available", lambda: False)  # how plots look is tested elsewhere
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            cli.main([runs.get(word, word) for word in shlex.split(command)])
        assert capsys.readouterr().out or "capacities" in command, command  # the sample searched for none
    assert len(COMMANDS) == 10


def test_its_figures_are_those_of_the_code() -> None:
    variables = yaml.safe_load((ROOT / "playbooks/benchmark.yml").read_text())[0]["vars"]
    times = re.search(r"_first_rounds \| int \* (\d+)", variables["benchmark_rounds_most"])
    assert times and f"at most to {times[1]} times as many (`benchmark_rounds_most`)" in TEXT
    assert f"to {100 * variables['benchmark_precision']:.0f} % (`benchmark_precision`)" in TEXT
    assert f"Four metrics take {rounds_for(4)} rounds at least" in TEXT
    assert f"within the last {FRESH.days} days" in TEXT
    assert f"at least {100 * capacity.DONE:.0f} % of what was offered" in WORKLOADS
    assert f"{FIRST_RATE:,.0f} operations per second on" in WORKLOADS
    assert f"within {100 * capacity.PRECISION:.0f} % of their middle" in TEXT
    assert f"by {capacity.FIRST_STEP:.0f} to {capacity.LARGEST_STEP:.0f} times" in TEXT
    assert f"steps of {100 * (capacity.NEXT_STEP - 1):.0f} %" in TEXT
    assert len(HOST_FIELDS) == 8
