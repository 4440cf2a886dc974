"""`benchfly history`: what scheduled benchmarks came to over the months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from benchfly import paths
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.errors import ResultsError
from benchfly.report import history as page
from benchfly.results import history as kept
from benchfly.schedule import findings

_EPILOG = examples(
    ("benchfly history", "write the page of all schedules, and list their changes"),
    ("benchfly history nightly --json", "one schedule, for a machine to read"),
)
_PAGE = "history.html"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history", epilog=_EPILOG)(command)


def command(
    schedule: Annotated[
        str | None, typer.Argument(metavar="[SCHEDULE]", help="One of them.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say where the speed of stores changed, by all scheduled runs, and write it as one HTML page."""
    names = kept.schedules()
    if schedule is not None and schedule not in names:
        raise ResultsError(f"No run of {schedule} is kept here. There are runs of {', '.join(names) or 'no schedule'}")
    chosen = [schedule] if schedule else names
    path = write(chosen)
    changes = {name: findings.changed(kept.runs(name)) for name in chosen}
    lines = [Text(f"{name}: {finding.text}") for name, found in changes.items() for finding in found]
    data = {"status": "ok", "exit_code": 0, "page": str(path)}
    data |= {"changes": {name: findings.facts(found) for name, found in changes.items()}}
    Output(as_json).result(data, Group(*(lines or [Text("No change in any schedule.")]), Text(f"Page: {path}")))


def write(names: Sequence[str]) -> Path:
    """Write the page of those schedules; where it is."""
    path = paths.home() / _PAGE
    text = page.render([page.history(name, kept.runs(name)) for name in names], datetime.now(UTC))
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path
