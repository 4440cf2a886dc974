"""`benchfly compare`: what the rounds of several benchmarks of the same stores say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.benchmark import CAPACITY, Benchmark, Comparison, compare, environment
from benchfly.cli import db_load
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.errors import RefusedError, ResultsError
from benchfly.fleet.table import plain_table
from benchfly.report import words
from benchfly.results import Record, Run, benchmarks, find, latest

BENCHMARK = "benchmark.json"
_EPILOG = examples(
    ("benchfly compare 3f2a", "judge the benchmark whose id ends so again"),
    ("benchfly compare 3f2a 91c0", "the rounds of two benchmarks of the same stores together"),
    ("benchfly compare 77d1 0ae5", "where these are of db-load, statements before a move and after it"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", epilog=_EPILOG)(command)


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of benchmarks, or their ends.")],
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Also what was not measured alike; the outcome is marked.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare stores by all rounds of the given benchmarks, or by the statements that runs of db-load counted.

    Refused where hosts, load or stores were not the same.
    """
    found = [find(run) for run in runs]
    ids = [record.id for record in found]
    if all(record.verb == "db-load" for record in found):
        db_load.compare([Run.open(run_id) for run_id in ids], force, Output(as_json))
        return
    measured = [load(Run.open(run_id)) for run_id in ids]
    comparison = together(measured, force)
    rows = [asdict(row) for row in benchmarks.comparison_rows("+".join(ids), measured[0], comparison)]
    data = {"status": "ok", "exit_code": 0, "runs": ids, "mark": comparison.mark, "comparisons": rows}
    Output(as_json).result(data, shown(comparison))


def wanted(run: str | None) -> Record:
    """The run of that id, or the last benchmark. Raises ResultsError."""
    record = find(run) if run else latest("benchmark")
    if record is None:
        raise ResultsError("There is no benchmark yet. `benchfly benchmark` makes one")
    return record


def load(run: Run) -> Benchmark:
    """A run's benchmark. Raises ResultsError."""
    return Benchmark.load(run.folder / BENCHMARK)


def judge(benchmark: Benchmark) -> Comparison:
    """One benchmark by itself, against the noise that it shows and what is known of such hosts already."""
    return compare(benchmark.trials, [server.name for server in benchmark.stores], benchmarks.floors(benchmark))


def together(measured: Sequence[Benchmark], force: bool = False) -> Comparison:
    """All their rounds as one benchmark's. Raises RefusedError when they were not measured alike, unless forced."""
    apart = environment.mismatches(measured)
    if apart and not force:
        raise RefusedError(
            "These benchmarks were not measured alike, so that a difference would be of anything: "
            f"{'; '.join(apart)}. Measure again under the same conditions, or mark the outcome with --force."
        )
    trials, rounds = [], 0
    for benchmark in measured:
        trials += [replace(trial, round=trial.round + rounds) for trial in benchmark.trials]
        rounds = max((trial.round for trial in trials), default=0)
    whole = judge(replace(measured[0], trials=tuple(trials)))
    return replace(whole, mark=f"Not measured alike: {'; '.join(apart)}." if apart else "")


def shown(comparison: Comparison) -> RenderableType:
    """The comparison as a table."""
    rows = []
    for row in comparison.rows:
        if row.ratio is None:
            continue
        spread = row.ratio.spread
        interval = f"{words.ratio(spread.low)} to {words.ratio(spread.high)}" if spread else ""
        ratio, seen = words.ratio(spread.median) if spread else "", words.percent(row.ratio.detectable)
        rows.append((row.metric.label, row.store, ratio, interval, str(len(row.ratio.rounds)), seen, row.ratio.verdict))
    columns = (
        "Metric",
        "Store",
        f"Ratio to {comparison.baseline}",
        "95 % interval",
        "Rounds",
        "Smallest seen",
        "Verdict",
    )
    capacities = [Text(words.capacity(row)) for row in comparison.rows if row.metric is CAPACITY]
    return Group(Text(comparison.headline), *capacities, "", plain_table(columns, rows))
