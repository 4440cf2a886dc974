"""`benchfly cost`: what the work of a benchmark costs on the hosts it ran on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from benchfly.aws.prices import on_demand
from benchfly.benchmark.cost import Cost, costs, types
from benchfly.cli.compare import judge, load, wanted
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.fleet.table import plain_table
from benchfly.results import Run

_EPILOG = examples(
    ("benchfly cost --region eu-central-1", "the last benchmark, by what AWS asks today"),
    ("benchfly cost 3f2a --region eu-central-1 --prices ours.yml", "by prices that were agreed with AWS"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cost", epilog=_EPILOG)(command)


def command(
    region: Annotated[str, typer.Option(help="Region of the hosts.", show_default=False)],
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of a benchmark, or its end; by default the last.")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Your own prices, as `benchfly aws prices` lists them."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what operations, data and sessions cost on each store's host, on demand."""
    record = wanted(run)
    benchmark = load(Run.open(record.id))
    known = on_demand(filter(None, types(benchmark).values()), region, prices)
    found = costs(benchmark, judge(benchmark), known)
    rows = [_row(each) for each in found]
    columns = ("Store", "Engine", "Type", "Hour", "Million operations", "GB for a month", "1,000 items for a month")
    reasons = dict.fromkeys(f"{each.store}: {each.why}." for each in found if each.why)
    sources = dict.fromkeys(f"Prices in {each.currency}: {each.source}." for each in found if each.source)
    data = {
        "status": "ok",
        "exit_code": 0,
        "run": record.id,
        "region": region,
        "costs": [asdict(each) for each in found],
    }
    Output(as_json).result(data, Group(plain_table(columns, rows), *map(Text, [*reasons, *sources])))


def _row(cost: Cost) -> tuple[str, ...]:
    spread = cost.operations
    operations = f"{spread.median:.4f} ({spread.low:.4f} to {spread.high:.4f})" if spread else "unknown"
    figures = (
        "no price" if cost.hourly is None else f"{cost.hourly:.4f}",
        operations,
        _said(cost.data),
        _said(cost.items),
    )
    return (cost.store, cost.engine, cost.type or "unknown", *figures)


def _said(figure: float | None) -> str:
    return "unknown" if figure is None else f"{figure:.4f}"
