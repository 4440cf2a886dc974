"""What measuring costs: a load generator under benchfly against the same command line by itself, and the sampler.

Both are played on one redis-server in turns, in an order drawn anew for each pair. The wrapped one is sampled as a
benchmark is; beside the bare one runs a process that takes no samples, since that a process comes and goes costs, too.
Server, load and sampler share all CPUs, however few. The ratio of a pair is free of what slowed the machine for both.
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
from tests.evidence.interval import interval
from tests.stores.servers import Server


@dataclass(frozen=True)
class Kind:
    """One operation: of several the p99 is the slowest one's, which varies more than anything that measuring costs."""

    command: str
    family: Mapping[str, Any]
    items: int
    pairs: int  # more where more is to be told


# Commands so short that server and generator are busy alike, so whatever measuring takes is taken from one of them; and
# such that scan a listpack, of which redis-benchmark can tell 1 % of the p99: it tells it in steps of 8 us, and that of
# the short ones is some 60.
LOADS = {
    "short": Kind("GET", {"shape": "string", "bytes": 1000}, 1000, 200),
    "long": Kind("HGET", {"shape": "hash-per-site", "bytes": 8}, 100_000, 400),
}
UNHASHED = ("--hash-max-listpack-entries", "1000000")
CLIENTS, SECONDS, SHORT = 4, 1.0, 4
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
    def on(cls, target: Target, name: str) -> Play:
        """With as many requests as take the time of a trial here; what was played for that is thrown away."""
        kind = LOADS[name]
        workload = parse(
            name,
            {
                "description": "One operation, for what measuring it costs",
                "clients": CLIENTS,
                "items": kind.items,
                "seconds": int(SECONDS),
                "rounds": 8,
                "families": {"one": kind.family},
                "operations": [{"command": kind.command, "family": "one", "share": 100}],
            },
        )
        generator, program = choose("auto", "", False, workload)
        with store.connect(target) as connection:
            store.fill(connection, workload, generator)
        load = Load(SECONDS, workload.clients[0], expected=20_000, items=workload.items)
        for _ in range(2):
            planned = generator.run(program, target, workload, load)
            load = replace(load, expected=_figures(generator, planned)[0])
        return cls(generator, program, target, workload, load, generator.run(program, target, workload, load))


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Play the pairs of each load that are not done yet."""
    loads = {name: _load(name, folder, short) for name in LOADS}
    return {"loads": loads, "sampler_share_of_a_core": round(_sampler(SAMPLED / 6 if short else SAMPLED), 5)}


def good(found: Mapping[str, Any]) -> bool:
    """The intervals of what can be told to 1 % lie within 1 %; the sampler takes less than 1 % of a core."""
    loads = found["loads"]
    ratios = [loads["short"]["throughput"], loads["long"]["throughput"], loads["long"]["p99"]]
    near = all(abs(end - 1) <= WITHIN for ratio in ratios for end in ratio["interval"])
    return bool(near and found["sampler_share_of_a_core"] < SAMPLER)


def _load(name: str, folder: Path, short: bool) -> dict[str, Any]:
    file = folder / f"{name}.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    with (
        tempfile.TemporaryDirectory() as scratch,
        Server(Path(scratch), *UNHASHED) as server,
        file.open("a") as kept,
    ):
        play = Play.on(Target.from_url(server.url), name)
        while len(done) < (SHORT if short else LOADS[name].pairs):
            pair = _pair(play, len(done))
            kept.write(json.dumps(pair) + "\n")
            kept.flush()
            done.append(pair)
    throughput, p99 = ([pair["wrapped"][at] / pair["bare"][at] for pair in done] for at in (0, 1))
    return {
        "generator": f"{play.generator.name} {play.program.version}",
        "command": LOADS[name].command,
        "pairs": len(done),
        "p99_ms": median(pair["bare"][1] for pair in done),
        "throughput": _rounded(median(throughput), interval(throughput)),
        "p99": _rounded(median(p99), interval(p99)),
    }


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


def _sampler(seconds: float) -> float:
    """The share of one core that watching a host and a store takes."""
    with tempfile.TemporaryDirectory() as scratch, Server(Path(scratch)) as server:
        sampler = Sampler({"store": Target.from_url(server.url)})
        used, began = time.process_time(), time.monotonic()
        for second in range(1, int(seconds) + 1):
            sampler.rows()
            time.sleep(max(0.0, began + second - time.monotonic()))
        sampler.close()
        return (time.process_time() - used) / (time.monotonic() - began)


def _rounded(middle: float, ends: tuple[float, float]) -> dict[str, Any]:
    return {"middle": round(middle, 4), "interval": [round(end, 4) for end in ends]}
