"""`benchfly results`: the runs that were made from here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.fleet.table import plain_table
from benchfly.results import Record, Run, find, records

_EPILOG = examples(
    ("benchfly results list --verb migrate", "the last migrations, newest first"),
    ("benchfly results show 3f2a", "the run whose id ends so"),
)

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


def _local(record: Record) -> str:
    return f"{record.started.astimezone():%Y-%m-%d %H:%M:%S}"
