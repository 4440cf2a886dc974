"""What measuring costs: a load generator under benchfly against the same command line by itself, and the sampler.

Both are played on one redis-server in turns, in an order drawn anew for each pair. The wrapped one is sampled as a
benchmark is; beside the bare one runs a process that takes no samples, since a process that comes and goes changes on
which CPUs the others rest. The ratio of a pair is free of what slowed the machine for both.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Load,
    Output,
    Program,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import choose
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.memtier import Memtier
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload, parse
from ansible_collections.benchfly.stores.plugins.modules import benchmark_sample, benchmark_trial
from tests.evidence.interval import interval, mean_ratio
from tests.stores.servers import Server

# One operation: of several the p99 is the slowest one's, which varies more than anything that measuring could cost.
WORKLOAD = {
    "description": "One operation, for what measuring it costs",
    "clients": 4,
    "items": 1000,
    "seconds": 1,
    "rounds": 8,
    "families": {"page": {"shape": "string", "bytes": 1000}},
    "operations": [{"command": "GET", "family": "page", "share": 100}],
}
SECONDS, PAIRS, SHORT = 1.0, 200, 4
SAMPLED = 60.0  # seconds in which the sampler alone is measured
WITHIN, SAMPLER = 0.01, 0.01


@dataclass(frozen=True)
class Play:
    """What both do: the same command lines on the same store."""

    generator: Generator
    program: Program
    target: Target
    workload: Workload
    load: Load
    planned: Output

    @classmethod
    def on(cls, target: Target) -> Play:
        """With as many requests as take the time of a trial here; what was played for that is thrown away."""
        workload = parse("overhead", WORKLOAD)
        generator, program = choose("auto", "", False, workload)
        with store.connect(target) as connection:
            store.fill(connection, workload, generator)
        load = Load(SECONDS, workload.clients[0], expected=20_000, items=workload.items)
        for _ in range(2):
            planned = generator.run(program, target, workload, load)
            load = replace(load, expected=_figures(generator, planned)[0])
        return cls(generator, program, target, workload, load, generator.run(program, target, workload, load))


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Play the pairs that are not done yet."""
    file = folder / "pairs.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    with tempfile.TemporaryDirectory() as scratch, Server(Path(scratch)) as server, file.open("a") as kept:
        play = Play.on(Target.from_url(server.url))
        while len(done) < (SHORT if short else PAIRS):
            pair = _pair(play, len(done))
            kept.write(json.dumps(pair) + "\n")
            kept.flush()
            done.append(pair)
        sampler = _sampler(play.target, SAMPLED / 6 if short else SAMPLED)
    throughput = [pair["wrapped"][0] / pair["bare"][0] for pair in done]
    return {
        "generator": f"{play.generator.name} {play.program.version}",
        "pairs": len(done),
        "throughput": _rounded(median(throughput), interval(throughput)),
        "p99": _rounded(*mean_ratio([pair["wrapped"][1] / pair["bare"][1] for pair in done])),
        "sampler_share_of_a_core": round(sampler, 5),
    }


def good(found: Mapping[str, Any]) -> bool:
    """Both intervals lie within 1 %, so there are pairs enough to tell; the sampler takes less than 1 % of a core."""
    ratios = [found["throughput"], found["p99"]]
    near = all(abs(end - 1) <= WITHIN for ratio in ratios for end in ratio["interval"])
    return bool(near and found["sampler_share_of_a_core"] < SAMPLER)


def _pair(play: Play, number: int) -> dict[str, tuple[float, float]]:
    plays = {"bare": _bare, "wrapped": _wrapped}
    order = random.Random(number).sample(sorted(plays), 2)
    return {name: plays[name](play) for name in order}


class Nothing(Sampler):
    """Takes no samples, at the same times: a process that ends beside the one and not the other would tell, too."""

    def __init__(self) -> None:
        super().__init__({})

    def rows(self) -> dict[str, dict[str, Any]]:
        return {}


@contextmanager
def _beside(sampler: Callable[[], Sampler]) -> Iterator[None]:
    """A process that takes samples meanwhile."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = benchmark_sample.Folder(Path(scratch))
        watching = multiprocessing.Process(target=_watch, args=(sampler, folder))
        watching.start()
        yield
        folder.end("evidence")
        watching.join()


def _watch(sampler: Callable[[], Sampler], folder: benchmark_sample.Folder) -> None:
    benchmark_sample.watch(sampler(), folder, "evidence", 600, 1.0)


def _wrapped(play: Play) -> tuple[float, float]:
    """As the module does it, with the sampler beside it."""
    with _beside(partial(Sampler, {"store": play.target})):
        outputs = benchmark_trial.play(play.generator, play.program, play.target, play.workload, [play.load])
    return _figures(play.generator, outputs[0])


def _bare(play: Play) -> tuple[float, float]:
    """The same command lines by themselves; what they print is read when they are over."""
    files: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, _beside(Nothing):
        for number, line in enumerate(play.planned.command_lines, 1):
            words, _, payload = line.partition(" <<< ")
            given = "x" * int(payload.partition("*")[0]) if payload else ""
            done = subprocess.run(
                shlex.split(words), cwd=folder, input=given, capture_output=True, text=True, check=True, timeout=120
            )
            if isinstance(play.generator, Memtier):
                files = {name: Path(folder, name).read_text() for name in ("memtier.json",)}
                files["memtier.stderr"] = done.stderr
            else:
                files.update({f"{number}.csv": done.stdout, f"{number}.stderr": done.stderr})
    return _figures(play.generator, Output(play.planned.command_lines, files))


def _figures(generator: Generator, output: Output) -> tuple[float, float]:
    measurement = trial.merge([generator.parse(output)]).measurement
    return measurement.ops_per_second, measurement.p99_ms


def _sampler(target: Target, seconds: float) -> float:
    """The share of one core that watching a host and a store takes."""
    sampler = Sampler({"store": target})
    used, began = time.process_time(), time.monotonic()
    for second in range(1, int(seconds) + 1):
        sampler.rows()
        time.sleep(max(0.0, began + second - time.monotonic()))
    sampler.close()
    return (time.process_time() - used) / (time.monotonic() - began)


def _rounded(middle: float, ends: tuple[float, float]) -> dict[str, Any]:
    return {"middle": round(middle, 4), "interval": [round(end, 4) for end in ends]}
