"""`benchfly results`: the runs that were made from here."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption, YesOption
from benchfly.cli.output import Output
from benchfly.errors import RefusedError
from benchfly.fleet.table import plain_table
from benchfly.results import Record, Run, benchmarks, find, records
from benchfly.results.database import remove
from benchfly.results.s3 import VARIABLE, Bucket

_EPILOG = examples(
    ("benchfly results list --verb migrate", "the last migrations, newest first"),
    ("benchfly results show 3f2a", "the run whose id ends so"),
    ("benchfly results export trials --format csv > trials.csv", "every trial of every benchmark"),
    ("benchfly results prune --keep 20", "remove all benchmarks but the last 20, after asking"),
)


class Table(StrEnum):
    """What can be exported."""

    trials = "trials"
    comparisons = "comparisons"
    capacities = "capacities"


class Format(StrEnum):
    """How it is written."""

    csv = "csv"
    json = "json"


app = typer.Typer(invoke_without_command=True)


def register(parent: typer.Typer) -> None:
    """Add the group of commands."""
    parent.add_typer(app, name="results", epilog=_EPILOG)


@app.callback()
def results(context: typer.Context) -> None:
    """List past runs, or show one."""
    if context.invoked_subcommand is None:
        list_runs()


@app.command("list")
def list_runs(
    verb: Annotated[str | None, typer.Option(help="Only runs of this verb.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List past runs, newest first."""
    found = records(verb, limit)
    rows = [(record.id, record.verb, _local(record), record.status or "unfinished") for record in found]
    shown = plain_table(("Run", "Verb", "Started", "Status"), rows) if rows else Text("There are no runs yet.")
    Output(as_json).result({"status": "ok", "exit_code": 0, "runs": [asdict(record) for record in found]}, shown)


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its end.")],
    as_json: JsonOption = False,
) -> None:
    """Show what was asked for in a run and what came of it."""
    record = find(run)
    found = Run.open(record.id)
    outcome = found.outcome or {}
    data = {"id": record.id, "folder": str(found.folder), "inputs": found.inputs, "outcome": found.outcome}
    phases = [(phase["name"], f"{phase['seconds']:.1f} s") for phase in outcome.get("phases", [])]
    lines: list[RenderableType] = [
        Text(f"{record.id}: {record.status or 'unfinished'}, started {_local(record)}"),
        *([Text(outcome["message"])] if outcome.get("message") else []),
        *([plain_table(("Phase", "Took"), phases)] if phases else []),
        Text(f"Folder: {found.folder}"),
    ]
    Output(as_json).result({"status": "ok", "exit_code": 0, "run": data}, Group(*lines))


@app.command()
def export(
    table: Annotated[Table, typer.Argument(help="What to write out.")] = Table.trials,
    file_format: Annotated[Format, typer.Option("--format", help="As CSV, or as a list in JSON.")] = Format.csv,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only of this run.", show_default=False)] = None,
    bucket: Annotated[
        bool, typer.Option("--bucket", metavar="", help=f"What is in the bucket that {VARIABLE} names, not here.")
    ] = False,
) -> None:
    """Write trials, comparisons or capacities to standard output."""
    wanted = find(run).id if run and not bucket else run
    rows: Sequence[Mapping[str, Any]]
    if bucket:
        rows = [row for row in _bucket().rows(table) if wanted in (None, row.get("run"))]
    else:
        rows = [asdict(row) for row in getattr(benchmarks, table)(wanted)]
    sys.stdout.write(_csv(rows) if file_format is Format.csv else json.dumps(rows, indent=2) + "\n")


@app.command()
def push(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a benchmark, or its end.")],
    as_json: JsonOption = False,
) -> None:
    """Put a benchmark into the bucket again, as is done after each benchmark where one is configured."""
    found = Run.open(find(run).id)
    bucket = _bucket()
    keys = bucket.push(found.id, found.folder)
    data = {"status": "ok", "exit_code": 0, "bucket": str(bucket), "keys": keys}
    Output(as_json).result(data, Text(f"{found.id} is in {bucket}."))


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="How many of the last runs stay.")] = 20,
    days: Annotated[int, typer.Option(min=0, help="What is younger stays, too.")] = 0,
    verb: Annotated[str, typer.Option(help="Runs of which verb.")] = "benchmark",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the folders and rows of old runs. What is unfinished stays; nothing is removed from a bucket."""
    output, young = Output(as_json), datetime.now(UTC) - timedelta(days=days)
    old = [each for each in records(verb, limit=-1)[keep:] if each.status and each.started < young]
    if old and not yes:
        if not output.can_ask:
            raise RefusedError(f"{len(old)} runs would be removed, and there is nobody to ask. Repeat it with --yes.")
        output.console.print("\n".join(each.id for each in old), markup=False)
        if not typer.confirm(f"Remove these {len(old)} runs?"):
            raise RefusedError("Nothing was removed.")
    for each in old:
        remove(each.id)  # first the row: a folder without one is only space
        shutil.rmtree(Run.open(each.id).folder)
    data = {"status": "ok", "exit_code": 0, "removed": [each.id for each in old]}
    output.result(data, Text(f"{len(old)} runs were removed."))


def _bucket() -> Bucket:
    bucket = Bucket.configured()
    if bucket is None:
        raise RefusedError(f"No bucket is configured. Set {VARIABLE}=s3://bucket/prefix.")
    return bucket


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


def _local(record: Record) -> str:
    return f"{record.started.astimezone():%Y-%m-%d %H:%M:%S}"
