"""`benchfly schedule`: benchmarks that a timer starts, on a control host."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from benchfly.cli import plan, scheduled, verbs
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption, Options, with_common
from benchfly.cli.output import Output
from benchfly.cli.run import Verb, chosen, run_verb
from benchfly.fleet.table import plain_table
from benchfly.playbook.outcome import Outcome
from benchfly.results import Run
from benchfly.schedule import settings
from benchfly.schedule.equivalents import Scheduler, equivalent

_EPILOG = examples(
    ("benchfly schedule -i inventories/prod --check --diff", "show what would change on the control hosts"),
    ("benchfly schedule -i inventories/prod", "install the timers of the group control"),
    ("benchfly schedule -i inventories/prod --print cron", "the same for cron, AWX or Semaphore; changes nothing"),
    ("benchfly schedule run nightly", "what the timer starts; on the control host"),
    ("benchfly schedule list", "on the control host: what came of the last runs"),
)

app = typer.Typer(invoke_without_command=True)


def _summary(run: Run, outcome: Outcome) -> Text | Group:
    rows = [
        (host, name, calendar)
        for host, calendars in outcome.data.get("schedule", {}).items()
        for name, calendar in calendars.items()
    ]
    return Group(plain_table(("Host", "Schedule", "When"), rows)) if rows else Text("No schedule is installed.")


VERB = Verb(
    "schedule", plan=plan.schedule_plan, locks=lambda benches: ("schedule",), needs_benches=False, summary=_summary
)


def register(parent: typer.Typer) -> None:
    """Add the group of commands."""
    parent.add_typer(app, name="schedule", epilog=_EPILOG)


@app.callback()
@with_common
def schedule(
    options: Options,
    context: typer.Context,
    printed: Annotated[
        Scheduler | None,
        typer.Option("--print", help="Only print what another scheduler needs.", show_default=False),
    ] = None,
) -> None:
    """Benchmark stores on a schedule, and be told when one has changed its speed.

    Installs a timer of systemd for each of the benchmark_schedules of the hosts in group control.
    """
    if context.invoked_subcommand is not None:
        return
    if printed is None:
        run_verb(VERB, options)
        return
    fleet, benches = chosen(VERB, options)
    plan.schedule_plan(fleet, benches)
    found = [one for schedules in fleet.schedules.values() for one in schedules]
    sys.stdout.write("".join(equivalent(printed, one) for one in found))


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A schedule of this host.")],
    as_json: JsonOption = False,
) -> None:
    """Run a schedule once, as its timer does: guard, benchmark, history, notification.

    Exit codes: 0 measured, 4 failed, 10 a store has become slower, 11 put off by a blackout window, 12 missed because
    somebody else was at work; 3 and 6 as of every command.
    """
    output = Output(as_json)
    benchmark = next(command.verb for command in verbs.COMMANDS if command.verb.name == "benchmark")
    data = scheduled.run(settings.read(name), benchmark, output)
    texts = [finding["text"] for finding in data["findings"]] or [data["message"] or "Measured; nothing has changed."]
    output.result(data, Group(*(Text(text) for text in [*texts, *data["problems"]])))
    if data["exit_code"]:
        raise typer.Exit(data["exit_code"])


@app.command("list")
def list_schedules(as_json: JsonOption = False) -> None:
    """Say what the schedules of this host are, and what came of the last run of each."""
    rows = []
    for name in settings.names():
        found = settings.read(name)
        last = scheduled.last(found)
        rows.append((name, found.schedule.calendar, ", ".join(found.schedule.stores), *last))
    columns = ("Schedule", "When", "Stores", "Last run", "Outcome", "Findings")
    keys = ("schedule", "calendar", "stores", "last_run", "outcome", "findings")
    data = [dict(zip(keys, row, strict=True)) for row in rows]
    shown = plain_table(columns, rows) if rows else Text(f"There are no schedules in {settings.folder()}.")
    Output(as_json).result({"status": "ok", "exit_code": 0, "schedules": data}, shown)
