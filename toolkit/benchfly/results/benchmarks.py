"""What benchmarks came to, as rows: trials, comparisons and noise floors. The whole of it is in each run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from benchfly.benchmark import Benchmark, Comparison
from benchfly.benchmark.comparison import by_round, noise
from benchfly.benchmark.environment import host_class, load_class
from benchfly.results.database import transaction

# What a store differs from itself by is a matter of the machine's week.
FRESH = timedelta(days=7)


@dataclass(frozen=True)
class TrialRow:
    """A trial as it is stored; without figures when there was nothing to read. `invalid` is a JSON list of reasons."""

    run: str
    number: int
    round: int
    store: str
    twin: bool
    engine: str
    version: str
    workload: str
    load: str
    host_class: str
    started: float
    operations: int | None
    seconds: float | None
    ops_per_second: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: int | None
    invalid: str
    clients: int | None
    rate: float | None
    held: bool | None


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one store against the baseline: ratio and interval, and `better` where a difference is claimed."""

    run: str
    metric: str
    store: str
    baseline: str
    workload: str
    host_class: str
    rounds: int
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    floor: float | None
    detectable: float | None
    better: bool | None
    verdict: str


@dataclass(frozen=True)
class CapacityRow:
    """The highest rate (operations/s) at which a store kept the objective, in so many rounds, and its 95 % interval."""

    run: str
    store: str
    engine: str
    version: str
    workload: str
    load: str
    host_class: str
    percentile: str
    ms: float
    rounds: int
    capacity: float | None
    low: float | None
    high: float | None


def store(run: str, benchmark: Benchmark, comparison: Comparison) -> None:
    """Keep a benchmark's trials, what they came to, and the noise floor they show; again is as once."""
    floors = noise(benchmark.trials, [server.name for server in benchmark.stores[:2]])
    now, where = datetime.now(UTC).isoformat(), (host_class(benchmark), load_class(benchmark))
    with transaction() as connection:
        for kind, table, rows in (
            (TrialRow, "trials", trial_rows(run, benchmark)),
            (ComparisonRow, "comparisons", comparison_rows(run, benchmark, comparison)),
            (CapacityRow, "capacities", capacity_rows(run, benchmark, comparison)),
        ):
            connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
            marks = ", ".join("?" * len(fields(kind)))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [astuple(row) for row in rows])
        connection.executemany(
            "INSERT OR IGNORE INTO noise VALUES (?, ?, ?, ?, ?, ?)",
            [(run, *where, metric, floor, now) for metric, floor in floors.items()],
        )


def floors(benchmark: Benchmark, now: datetime | None = None) -> dict[str, float]:
    """What stores differed from themselves by on such hosts under such load within a week: of each metric the most."""
    since = ((now or datetime.now(UTC)) - FRESH).isoformat()
    with transaction() as connection:
        rows = connection.execute(
            "SELECT metric, max(floor) FROM noise WHERE host_class = ? AND load = ? AND measured >= ? GROUP BY metric",
            (host_class(benchmark), load_class(benchmark), since),
        ).fetchall()
    return dict(rows)


def trials(run: str | None = None) -> list[TrialRow]:
    """The trials of a run, or of all, in the order they ran."""
    return list(_select(TrialRow, "trials", "run, number", "run", run))


def comparisons(run: str | None = None) -> list[ComparisonRow]:
    """What the trials of a run, or of all, came to."""
    return list(_select(ComparisonRow, "comparisons", "run, metric, store", "run", run))


def capacities(run: str | None = None) -> list[CapacityRow]:
    """What the searches of a run, or of all, came to."""
    return list(_select(CapacityRow, "capacities", "run, store", "run", run))


def trial_rows(run: str, benchmark: Benchmark) -> Iterator[TrialRow]:
    """The trials as rows."""
    servers, where = {server.name: server for server in benchmark.stores}, host_class(benchmark)
    figures = ("operations", "seconds", "ops_per_second", "p50_ms", "p95_ms", "p99_ms", "errors")
    for number, trial in enumerate(benchmark.trials, 1):
        yield TrialRow(
            run=run,
            number=number,
            round=trial.round,
            store=trial.store,
            twin=trial.twin,
            engine=servers[trial.store].engine,
            version=servers[trial.store].version,
            workload=benchmark.workload.name,
            load=load_class(benchmark),
            host_class=where,
            started=trial.started,
            **{name: getattr(trial.measurement, name, None) for name in figures},
            invalid=json.dumps(trial.invalid),
            clients=trial.clients,
            rate=trial.rate,
            held=trial.held,
        )


def comparison_rows(run: str, benchmark: Benchmark, comparison: Comparison) -> Iterator[ComparisonRow]:
    """The comparison as rows."""
    for row in comparison.rows:
        if row.ratio is None:
            continue
        spread = row.ratio.spread
        yield ComparisonRow(
            run=run,
            metric=row.metric.field,
            store=row.store,
            baseline=comparison.baseline,
            workload=benchmark.workload.name,
            host_class=host_class(benchmark),
            rounds=len(row.ratio.rounds),
            ratio=spread.median if spread else None,
            low=spread.low if spread else None,
            high=spread.high if spread else None,
            p=row.ratio.p if spread else None,
            floor=row.ratio.floor,
            detectable=row.ratio.detectable,
            better=row.better,
            verdict=row.ratio.verdict,
        )


def capacity_rows(run: str, benchmark: Benchmark, comparison: Comparison) -> Iterator[CapacityRow]:
    """The capacities as rows; none where no objective was searched for."""
    servers, objective = {server.name: server for server in benchmark.stores}, benchmark.workload.objective
    for row in comparison.rows if objective else ():
        assert objective
        known = row.interval or row.spread
        yield CapacityRow(
            run=run,
            store=row.store,
            engine=servers[row.store].engine,
            version=servers[row.store].version,
            workload=benchmark.workload.name,
            load=load_class(benchmark),
            host_class=host_class(benchmark),
            percentile=objective.percentile,
            ms=objective.ms,
            rounds=len(by_round(benchmark.trials, row.store, row.metric)),
            capacity=known.median if known else None,
            low=row.interval.low if row.interval else None,
            high=row.interval.high if row.interval else None,
        )


def _select(kind: type[Any], table: str, order: str, column: str, value: str | None) -> Sequence[Any]:
    names = [each.name for each in fields(kind)]
    with transaction() as connection:
        rows = connection.execute(
            f"SELECT {', '.join(names)} FROM {table} WHERE ?1 IS NULL OR {column} = ?1 ORDER BY {order}", (value,)
        ).fetchall()
    return [kind(**_booleans(dict(zip(names, row, strict=True)))) for row in rows]


def _booleans(row: dict[str, Any]) -> Mapping[str, Any]:
    """SQLite has none of its own."""
    return {
        key: bool(value) if key in ("twin", "better", "held") and value is not None else value
        for key, value in row.items()
    }
