"""What stored benchmarks say of a store, for a policy to be judged by. The one place that reads them for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from benchfly.benchmark import Benchmark, Server, compare
from benchfly.errors import ResultsError
from benchfly.policy.rules import MEMORY
from benchfly.results import Run, records

_FILE = "benchmark.json"
_TRIALS = 5  # valid ones, fewer prove nothing


@dataclass(frozen=True)
class Evidence:
    """One store as measured in one run, beside the store that it was compared with.

    figures: medians of its valid trials; ratios: medians of its rounds' ratios to the baseline. What too few valid
    trials back is left out.
    """

    run: str
    when: datetime
    workload: str
    clients: int
    server: Server
    baseline: Server
    figures: Mapping[str, float]
    ratios: Mapping[str, float]


def stored() -> list[Evidence]:
    """Of all benchmarks that were run from here and can be read, newest first."""
    found: list[Evidence] = []
    for record in records("benchmark", limit=-1):
        try:
            benchmark = Benchmark.load(Run.open(record.id).folder / _FILE)
        except ResultsError:  # cut short, in check mode, or removed since
            continue
        found += evidence_of(benchmark, record.id, record.started)
    return found


def evidence_of(benchmark: Benchmark, run: str, when: datetime) -> Iterator[Evidence]:
    """A sample for each store but the first, which is the baseline; none of a sweep, nor of a workload in small."""
    if len(benchmark.workload.points) > 1 or benchmark.scale != 1:
        return
    baseline, *others = benchmark.stores
    rows = compare(benchmark.trials, [server.name for server in benchmark.stores]).rows
    for server in others:
        mine = [row for row in rows if row.store == server.name]
        valid = sum(trial.valid and trial.store == server.name for trial in benchmark.trials)
        figures = {row.metric.field: row.spread.median for row in mine if row.spread and valid >= _TRIALS}
        ratios = {
            row.metric.field: row.ratio.spread.median
            for row in mine
            if row.ratio and row.ratio.spread and row.ratio.judged
        }
        if server.memory_bytes:
            figures[MEMORY] = server.memory_bytes
            if baseline.memory_bytes:
                ratios[MEMORY] = server.memory_bytes / baseline.memory_bytes
        workload = benchmark.workload
        yield Evidence(run, when, workload.name, workload.clients[0], server, baseline, figures, ratios)
