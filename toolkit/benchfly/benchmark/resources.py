"""What a store took while it was measured: one figure of a trial, from what was sampled of its host meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

from benchfly.benchmark.trials import Benchmark, Trial

# Name -> the sampled field, and what is made of its values.
FIGURES: dict[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "used_memory": ("used_memory", median),
    "rss_peak": ("rss_peak", max),
    "fragmentation": ("fragmentation", median),
    "cpu_mean": ("store_cpu", fmean),
    "cpu_peak": ("store_cpu", max),
    "network": ("store_tx_bytes", fmean),
    "context_switches": ("context_switches", fmean),
}
# A stall is a second in which less than this share of the median was done, while as much was asked for.
STALL = 0.5


def figure(benchmark: Benchmark, trial: Trial, name: str) -> float | None:
    """One figure of a trial; None where nobody sampled it."""
    if name == "stalls":
        return float(len(stalls(trial.series))) if trial.series else None
    if name not in FIGURES:
        value = getattr(trial.measurement, name, None)
        return None if value is None else float(value)
    field, made = FIGURES[name]
    end = trial.started + (trial.measurement.seconds if trial.measurement else benchmark.seconds)
    hosts = {server.name: server.host for server in benchmark.stores}
    values = [
        row[field]
        for sample in benchmark.samples
        if sample.role == "store" and (sample.store or trial.store) == trial.store
        if hosts[trial.store] in ("", sample.host)
        for row in sample.rows
        if field in row and trial.started <= row["time"] <= end
    ]
    return made(values) if values else None


def stalls(series: Sequence[float]) -> list[int]:
    """The seconds of a trial that were stalls, by number."""
    usual = median(series) if series else 0.0
    return [second for second, operations in enumerate(series) if operations < STALL * usual]
