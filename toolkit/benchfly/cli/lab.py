"""A test bed in your own AWS account, for as long as benchmarks take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Group
from rich.text import Text

from benchfly.aws import client
from benchfly.cli import lab_run
from benchfly.cli.help import examples
from benchfly.cli.lab_options import AllLabsOption, AllRegionsOption, LabArgument, RegionOption, read_bed
from benchfly.cli.lab_words import COLUMNS, as_dict, bill, planned, row
from benchfly.cli.options import JsonOption, YesOption, merged
from benchfly.cli.output import Output
from benchfly.cli.run import ask
from benchfly.errors import AwsError, RefusedError
from benchfly.fleet.table import plain_table
from benchfly.lab import Bed, Lab, hosts
from benchfly.lab.bed import lab_id
from benchfly.lab.bill import prices, prices_of
from benchfly.lab.found import find
from benchfly.lab.life import make, take_down
from benchfly.lab.site import look

_EPILOG = examples(
    ("benchfly lab run --ssh-from 203.0.113.7/32", "build the published test bed, measure everything, remove it"),
    ("benchfly lab up --ssh-from 203.0.113.7/32 --hours 3", "only build it"),
    ("benchfly lab run --lab lab-3fa91c --workload frappe-site", "measure something in a lab that is up"),
    ("benchfly lab down lab-3fa91c", "remove it"),
    ("benchfly lab sweep --all-regions", "remove whatever is left of labs whose time is over"),
)

app = typer.Typer(no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group of commands."""
    parent.add_typer(app, name="lab", epilog=_EPILOG, help=__doc__)
    app.command("up")(merged(read_bed, up))
    app.command("status")(status)
    app.command("run")(merged(read_bed, lab_run.run))
    app.command("down")(down)
    app.command("sweep")(sweep)


def up(bed: Bed, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Build a lab: hosts for stores and load in one zone, close together, and an inventory of them.

    Says what it costs, and asks. The hosts end themselves when their time is over; all else of a lab costs nothing.
    """
    output = Output(as_json)
    with client("ec2", region=bed.region, what="the lab") as ec2:
        site = look(bed, ec2)
        known = prices(ec2, bed.types(), bed.spot)
        if not yes:
            output.console.print(planned(bed, site, known), end="\n\n")
            ask(output, "`benchfly lab up` builds hosts that cost money", "Build it?")
        with lab_run.interruptible(output):
            lab = make(ec2, bed, site, output.console.print)
    inventory = hosts.inventory(lab.id)
    data = {"status": "ok", "exit_code": 0, **as_dict(lab, site.region, known), "inventory": str(inventory)}
    shown = [
        f"{lab.id} is up. `benchfly lab run --lab {lab.id}` measures there, `benchfly lab down {lab.id}` removes it.",
        f"Inventory: {inventory}",
    ]
    output.result(data, Group(*map(Text, shown)))


def status(region: RegionOption = None, all_regions: AllRegionsOption = False, as_json: JsonOption = False) -> None:
    """List the labs of the account, whoever made them, with their hosts and what they have cost."""
    rows, told = [], []
    for each in _regions(region, all_regions):
        with client("ec2", region=each, what=f"the labs of {each or 'the region'}") as ec2:
            for lab in (each for each in find(ec2).values() if each.things):
                shown = (lab, ec2.meta.region_name, prices_of(ec2, lab))
                rows.append(row(*shown))
                told.append(as_dict(*shown))
    table = plain_table(COLUMNS, rows) if rows else Text("There is no lab.")
    Output(as_json).result({"status": "ok", "exit_code": 0, "labs": told}, table)


def down(lab: LabArgument, region: RegionOption = None, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Remove a lab, and say what it has cost. One that is gone already is no mistake."""
    output, wanted = Output(as_json), lab_id(lab)
    with client("ec2", region=region, what=wanted) as ec2:
        found = find(ec2, [wanted])
        removed = _remove(output, yes, ec2, found.values())
    if found:  # else it may be up in another region or account, and its key is here alone
        hosts.forget(wanted)
    shown = Text("" if removed else f"Nothing is left of {wanted} in this region.")
    output.result({"status": "ok", "exit_code": 0, "removed": removed}, shown)


def sweep(
    every: AllLabsOption = False,
    region: RegionOption = None,
    all_regions: AllRegionsOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what is left of labs whose time is over, whoever made them and whatever became of that controller.

    It goes by the tags of what is in the account, and needs no memory of any lab.
    """
    output, now, removed = Output(as_json), datetime.now(UTC), []
    for each in _regions(region, all_regions):
        with client("ec2", region=each, what=f"the labs of {each or 'the region'}") as ec2:
            labs = [lab for lab in find(ec2).values() if every or lab.expired(now)]
            removed += _remove(output, yes, ec2, labs)
    shown = Text("" if removed else "There is nothing to remove.")
    output.result({"status": "ok", "exit_code": 0, "removed": removed}, shown)


def _remove(output: Output, yes: bool, ec2: Any, labs: Iterable[Lab]) -> list[dict[str, Any]]:
    """Remove those of which something is left, after asking; what was removed. One that stays does not keep another."""
    left, region = [lab for lab in labs if lab.things], ec2.meta.region_name
    if not left:
        return []
    known = {lab.id: prices_of(ec2, lab) for lab in left}
    if not yes:
        rows = [(*row(lab, region, known[lab.id]), str(len(lab.things))) for lab in left]
        output.console.print(plain_table((*COLUMNS, "Things"), rows), end="\n\n")
        ask(output, "This ends hosts", "Remove them?")
    removed, problems = [], []
    for lab in left:
        cost = bill(lab, known[lab.id])
        try:
            with lab_run.interruptible(output), client("ec2", region=region, what=lab.id) as own:
                take_down(own, lab.id, output.console.print)
        except AwsError as error:
            problems.append(error)
            continue
        output.console.print(f"{lab.id} is gone. {cost}")
        removed.append(as_dict(lab, region, known[lab.id]))
    if problems:
        raise AwsError("\n".join(map(str, problems)), problems[0].code)
    return removed


def _regions(region: str | None, every: bool) -> Iterable[str | None]:
    """The region that is meant, None for that of the AWS tools, or all that the account has."""
    if region and every:
        raise RefusedError("--region and --all-regions are both given. Say which regions are meant.")
    if not every:
        return [region]
    with client("ec2", what="the regions of the account") as ec2:
        return sorted(each["RegionName"] for each in ec2.describe_regions()["Regions"])
