"""`benchfly inventory`: how benchfly reads an inventory, and what is wrong with it."""

from __future__ import annotations

import typer

from benchfly.cli.help import examples
from benchfly.cli.options import BenchOption, ExtraVarsOption, InventoryOption, JsonOption
from benchfly.cli.output import Output
from benchfly.fleet.inventory import default_sources
from benchfly.fleet.loader import load
from benchfly.fleet.table import fleet_table

_EPILOG = examples(
    ("benchfly inventory -i inventories/example", "the fleet as tables, or every problem with file, host and key"),
    ("benchfly inventory -i inventories/prod --json", "for a machine to read, without passwords"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inventory", epilog=_EPILOG)(inventory)


def inventory(
    inventory: InventoryOption = None,
    extra_vars: ExtraVarsOption = None,
    bench: BenchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the fleet that an inventory describes, or every problem it has. Reaches no host."""
    fleet = load(inventory or default_sources(), extra_vars or (), bench or ())
    Output(as_json).result({"status": "ok", "exit_code": 0, **fleet.as_dict()}, fleet_table(fleet))
