"""`benchfly results`: the runs that were made from here, or from every controller that has the same bucket."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
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

from benchfly.cli import db_load
from benchfly.cli.bucket import configured_bucket
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption, YesOption
from benchfly.cli.output import Output
from benchfly.cli.run import ask
from benchfly.errors import RefusedError
from benchfly.fleet.table import plain_table
from benchfly.results import Record, Run, benchmarks, find, records
from benchfly.results.bucket import make
from benchfly.results.database import remove
from benchfly.results.s3 import KEY, Bucket

_EPILOG = examples(
    ("benchfly results list --verb migrate", "the last migrations, newest first"),
    ("benchfly results show 3f2a", "the run whose id ends so"),
    ("benchfly results export trials --format csv > trials.csv", "every trial of every benchmark"),
    ("benchfly results export statements > statements.csv", "what every run of db-load came to"),
    ("benchfly results prune --keep 20", "remove all benchmarks but the last 20, after asking"),
    ("benchfly results --from s3://bucket/prefix", "the runs of every controller that puts them there"),
)


class Table(StrEnum):
    """What can be exported."""

    trials = "trials"
    comparisons = "comparisons"
    capacities = "capacities"
    statements = "statements"


class Format(StrEnum):
    """How it is written."""

    csv = "csv"
    json = "json"


app = typer.Typer(invoke_without_command=True)


def register(parent: typer.Typer) -> None:
    """Add the group of commands."""
    parent.add_typer(app, name="results", epilog=_EPILOG)


FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="S3", help="What is there, as s3://bucket/prefix, not here.", show_default=False),
]


@app.callback()
def results(context: typer.Context, source: FromOption = None) -> None:
    """List past runs, or show one."""
    if context.invoked_subcommand is None:
        list_runs(source=source)
    elif source:
        raise RefusedError(f"Say --from behind {context.invoked_subcommand}.")


@app.command("list")
def list_runs(
    verb: Annotated[str | None, typer.Option(help="Only runs of this verb.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    source: FromOption = None,
    as_json: JsonOption = False,
) -> None:
    """List past runs, newest first."""
    if source:
        found = Bucket.named(source, "--from").records(verb, limit)
    else:
        found = [(record, platform.node()) for record in records(verb, limit)]
    columns = ("Run", "Verb", "Started", "Status", "Controller")
    rows = [(each.id, each.verb, _local(each), each.status or "unfinished", controller) for each, controller in found]
    shown = plain_table(columns, rows) if rows else Text("There are no runs yet.")
    data = [{**asdict(each), "controller": controller} for each, controller in found]
    Output(as_json).result({"status": "ok", "exit_code": 0, "runs": data}, shown)


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its end.")],
    source: FromOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was asked for in a run and what came of it."""
    data: dict[str, Any]
    if source:
        record, controller, kept = Bucket.named(source, "--from").find(run)
        data = {"id": record.id, "controller": controller, "outcome": kept}
        where = f"Controller: {controller}"
    else:
        record = find(run)
        found = Run.open(record.id)
        data = {"id": record.id, "folder": str(found.folder), "inputs": found.inputs, "outcome": found.outcome}
        where = f"Folder: {found.folder}"
    outcome = data["outcome"] or {}
    phases = [(phase["name"], f"{phase['seconds']:.1f} s") for phase in outcome.get("phases", [])]
    lines: list[RenderableType] = [
        Text(f"{record.id}: {record.status or 'unfinished'}, started {_local(record)}"),
        *([Text(outcome["message"])] if outcome.get("message") else []),
        *([plain_table(("Phase", "Took"), phases)] if phases else []),
        Text(where),
        *(["", db_load.shown(counted)] if (counted := outcome.get("data", {}).get(db_load.DATA)) else []),
    ]
    Output(as_json).result({"status": "ok", "exit_code": 0, "run": data}, Group(*lines))


@app.command()
def export(
    table: Annotated[Table, typer.Argument(help="What to write out.")] = Table.trials,
    file_format: Annotated[Format, typer.Option("--format", help="As CSV, or as a list in JSON.")] = Format.csv,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only of this run.", show_default=False)] = None,
    source: FromOption = None,
) -> None:
    """Write trials, comparisons, capacities, or the statements that db-load counted, to standard output."""
    rows: Sequence[Mapping[str, Any]]
    if table is Table.statements:
        if source:
            raise RefusedError("Statements are exported where they were counted. Leave out --from.")
        wanted = [find(run)] if run else records("db-load", limit=-1)[::-1]
        rows = [row for record in wanted for row in db_load.rows(Run.open(record.id))]
    elif source:
        rows = [row for row in Bucket.named(source, "--from").rows(table) if run in (None, row.get("run"))]
    else:
        rows = [asdict(row) for row in getattr(benchmarks, table)(find(run).id if run else None)]
    sys.stdout.write(_csv(rows) if file_format is Format.csv else json.dumps(rows, indent=2) + "\n")


@app.command()
def push(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its end.")],
    as_json: JsonOption = False,
) -> None:
    """Put a run into the bucket again, as is done at the end of each where a bucket is configured."""
    found = Run.open(find(run).id)
    bucket = configured_bucket()
    keys = bucket.push(found)
    data = {"status": "ok", "exit_code": 0, "bucket": str(bucket), "keys": keys}
    Output(as_json).result(data, Text(f"{found.id} is in {bucket}."))


@app.command("bucket")
def make_bucket(
    region: Annotated[str, typer.Option(help="Region of the bucket.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, help="How long raw outputs stay; rows stay for ever.")] = 365,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the bucket that is configured: closed to the public, encrypted, and with an end for raw outputs."""
    bucket, output = configured_bucket(), Output(as_json)
    output.console.print(
        f"{bucket} is made in {region} unless it exists, closed to the public and encrypted.\n"
        f"What is below its runs/ is removed after {days} days.",
        markup=False,
    )
    if not yes:
        ask(output, "`benchfly results bucket` changes a bucket", "Go on?")
    make(bucket, days, region, os.environ.get(KEY, ""))
    output.result({"status": "ok", "exit_code": 0, "bucket": str(bucket), "days": days}, Text(f"{bucket} is ready."))


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
        output.console.print("\n".join(each.id for each in old), markup=False)
        ask(output, f"{len(old)} runs would be removed", f"Remove these {len(old)} runs?")
    for each in old:
        remove(each.id)  # first the row: a folder without one is only space
        shutil.rmtree(Run.open(each.id).folder)
    data = {"status": "ok", "exit_code": 0, "removed": [each.id for each in old]}
    output.result(data, Text(f"{len(old)} runs were removed."))


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


def _local(record: Record) -> str:
    return f"{record.started.astimezone():%Y-%m-%d %H:%M:%S}"
