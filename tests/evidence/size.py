"""What it takes to judge and render a benchmark of 30 minutes with 10 hosts that make load and samples of every second.

The run is made up, in full size: 180 trials of 10 s on two stores, each with the raw output of ten processes of
memtier_benchmark, and 1,800 rows of samples of each of 12 hosts and stores. It is rendered in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_schedule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Output
from tests.browser import sample

from benchfly.benchmark.trials import parse
from benchfly.results import Run

MINUTES, HOSTS, SECONDS = 30, 10, 10
MEMORY, TIME = 500e6, 10.0
RAW = Path(__file__).parents[1] / "data/generators/memtier-mix.json"


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Make the run, render its report, and say what that took."""
    os.environ["BENCHFLY_HOME"] = str(folder)
    made = _made(3 if short else MINUTES)
    size = sum(file.stat().st_size for file in made.folder.iterdir())
    command = [sys.executable, "-c", "from benchfly.cli import main; main()", "report", made.id, "--json"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = made.folder / "report.html"
    return {
        "minutes": 3 if short else MINUTES,
        "input_mb": round(size / 1e6, 1),
        "report_mb": round(report.stat().st_size / 1e6, 2),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6, 1),
        "share_of_10_s": round((used.ru_utime + used.ru_stime) / TIME, 3),
        "share_of_500_mb": round(used.ru_maxrss * 1024 / MEMORY, 3),
    }


def good(found: Mapping[str, Any]) -> bool:
    """Below 500 MB, and below 10 s of CPU: how long that is on a clock is the machine's business."""
    return bool(found["share_of_500_mb"] < 1 and found["share_of_10_s"] < 1)


def _made(minutes: int) -> Run:
    text = RAW.read_text(encoding="utf-8")
    of_each = Output(("memtier_benchmark ...",), {"memtier.json": text, "memtier.stderr": ""})
    output = trial.together({trial.name_of(f"load{number}", 1, 1): of_each for number in range(1, HOSTS + 1)})
    measurement = asdict(parse("memtier_benchmark", output, "made up"))
    names, rounds = [server.name for server in sample.benchmark().stores], minutes * 60 // SECONDS // 4
    trials = [
        {**entry, "measurement": measurement, "invalid": [], "started": sample.START + SECONDS * number}
        | {"series": [48_000 + number + second for second in range(SECONDS)]}
        for number, entry in enumerate(benchmark_schedule(names, rounds, 7, twin=True))
    ]
    whole = asdict(sample.benchmark())
    data = {
        **{key: whole[key] for key in ("seconds", "seed", "stores", "environments")},
        "schema": 2,
        "workload": sample.WORKLOAD,
        "generator": {"name": "memtier_benchmark", "version": "2.2.1", "caveat": ""},
        "trials": trials,
        "outputs": [asdict(output) for _ in trials],
    }
    run = Run.create("benchmark", {})
    (run.folder / "benchmark.json").write_text(json.dumps(data), encoding="utf-8")
    with (run.folder / "samples.jsonl").open("w", encoding="utf-8") as stream:
        for each in sample.samples(minutes * 60, HOSTS):
            stream.write(json.dumps(asdict(each)) + "\n")
    run.finish({"status": "ok"})
    return run
