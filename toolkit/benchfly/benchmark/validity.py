"""Why a trial does not count, by what was sampled around it. What the hosts themselves objected to is in the trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from benchfly.benchmark.trials import Benchmark, Sample, Trial

# Above this share of its cores a generator measures itself; the memory guard is what a host must have left.
GENERATOR_CPU = 0.85
MEMORY_LEFT = 0.08
STEAL = 0.02  # share of the cores that the hypervisor gave to others
CLOCK_STEP = 0.25  # seconds that the clock of the day moved against the one that only runs

Row = Mapping[str, float]


def judged(benchmark: Benchmark) -> Benchmark:
    """The benchmark with those reasons added to the trials they fall into."""
    if not benchmark.samples:
        return benchmark
    trials = tuple(_judged(trial, benchmark) for trial in benchmark.trials)
    return replace(benchmark, trials=trials)


def _judged(trial: Trial, benchmark: Benchmark) -> Trial:
    seconds = trial.measurement.seconds if trial.measurement else benchmark.seconds
    reasons = [
        reason
        for sample in benchmark.samples
        if not sample.store or sample.store == trial.store
        for reason in objections(sample, trial.started, trial.started + seconds)
    ]
    return replace(trial, invalid=tuple(dict.fromkeys((*trial.invalid, *reasons))))


def objections(sample: Sample, begin: float, end: float) -> Iterator[str]:
    """What speaks against a trial between those times (Unix), as one host saw it."""
    rows = [row for row in sample.rows if begin <= row["time"] <= end]
    if sample.role == "generator" and (busy := _mean_share(rows, "cpu")) > GENERATOR_CPU:
        yield f"load generator {sample.host} was busy for {100 * busy:.0f} % of its CPU: it measured itself"
    if (stolen := _mean_share(rows, "steal")) > STEAL:
        yield f"{100 * stolen:.1f} % of the CPU of {sample.host} was stolen by other machines"
    left = min(
        (row["available"] / row["memory"] for row in rows if row.get("memory") and "available" in row), default=1
    )
    if left < MEMORY_LEFT:
        yield f"{sample.host} had {100 * left:.0f} % of its memory left"
    if (step := _clock_step(rows)) > CLOCK_STEP:
        yield f"the clock of {sample.host} was set by {step:.2f} s"


def _mean_share(rows: Sequence[Row], name: str) -> float:
    """The mean of a figure in cores as a share of all cores; 0 where nobody knows."""
    found = [row[name] / row["cpus"] for row in rows if row.get("cpus") and name in row]
    return sum(found) / len(found) if found else 0.0


def _clock_step(rows: Sequence[Row]) -> float:
    steps = [
        abs((after["time"] - before["time"]) - (after["monotonic"] - before["monotonic"]))
        for before, after in pairwise(row for row in rows if "monotonic" in row)
    ]
    return max(steps, default=0.0)
