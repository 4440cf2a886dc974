"""The commands of `benchfly`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from benchfly import __version__
from benchfly.cli import aws, claims, compare, cost, history, inventory, lab, report, results, schedule, verbs
from benchfly.cli.help import DEBUG, examples, exit_codes

_EPILOG = "\n\n".join(
    [
        examples(
            ("benchfly inventory -i inventories/example", "see how benchfly reads an inventory"),
            ("benchfly check -i inventories/prod", "may the benches move, and what speaks against it"),
            ("benchfly migrate -i inventories/prod --bench shop", "move one bench to the stores of the inventory"),
            ("benchfly rollback -i inventories/prod --bench shop", "take that back, with all written since"),
        ),
        exit_codes(),
    ]
)

app = typer.Typer(
    name="benchfly",
    epilog=_EPILOG,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
verbs.register(app)
inventory.register(app)
compare.register(app)
claims.register(app)
cost.register(app)
schedule.register(app)
history.register(app)
report.register(app)
results.register(app)
aws.register(app)
lab.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"benchfly {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", is_eager=True, callback=_version, help="Print the version and end."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", help=f"Show where in the code an error comes from; or set {DEBUG}=1.")
    ] = False,
) -> None:
    """Move Frappe benches between Redis, Valkey and Dragonfly without losing a job, and measure what it brings."""
    if debug:
        os.environ[DEBUG] = "1"
