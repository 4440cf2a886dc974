"""The options of `benchfly lab`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from benchfly.lab.bed import IMAGES, LIFE, PUBLISHED, Bed

RegionOption = Annotated[
    str | None,
    typer.Option("--region", metavar="NAME", help="By default that of the AWS tools (AWS_REGION).", show_default=False),
]
LabArgument = Annotated[str, typer.Argument(metavar="LAB", help="Its id, such as lab-3fa91c.", show_default=False)]
LabOption = Annotated[
    str | None,
    typer.Option(
        "--lab", metavar="LAB", help="Run in this lab, and leave it up; the options that build one have no part then."
    ),
]
WorkloadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--workload", metavar="NAME", help="Only this workload; may be given several times.", show_default=False
    ),
]
TuningOption = Annotated[
    list[str] | None,
    typer.Option("--tuning", metavar="untuned|tuned", help="Only with stores so; by default both.", show_default=False),
]
AllLabsOption = Annotated[bool, typer.Option("--all", metavar="", help="Also labs whose time is not over.")]
AllRegionsOption = Annotated[bool, typer.Option("--all-regions", metavar="", help="In every region of the account.")]


def read_bed(
    ssh_from: Annotated[
        str,
        typer.Option(
            "--ssh-from", metavar="NETWORK", help="Who may log in, such as 203.0.113.7/32.", show_default=False
        ),
    ] = "",
    region: RegionOption = None,
    store_type: Annotated[str, typer.Option("--store-type", metavar="TYPE", help="Of the stores' host.")] = PUBLISHED,
    load_type: Annotated[str, typer.Option("--load-type", metavar="TYPE", help="Of what makes the load.")] = PUBLISHED,
    load_hosts: Annotated[int, typer.Option("--load-hosts", min=1, metavar="N", help="So many make the load.")] = 1,
    engines: Annotated[
        str, typer.Option("--engines", metavar="NAMES", help="A store of each; the first is the baseline.")
    ] = "redis,dragonfly",
    image: Annotated[str, typer.Option("--image", metavar="NAME", help=f"{', '.join(IMAGES)}.")] = "debian-12",
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            metavar="N",
            help="After so many the hosts end themselves; "
            f"by default {LIFE / timedelta(hours=1):g}, or what the suite may take.",
            show_default=False,
        ),
    ] = None,
    spot: Annotated[bool, typer.Option("--spot", metavar="", help="Spot instances, which EC2 may take back.")] = False,
    subnet: Annotated[
        str | None,
        typer.Option("--subnet", metavar="ID", help="In place of the default VPC's.", show_default=False),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", metavar="", help="No public addresses: the controller is in the VPC.")
    ] = False,
    disk: Annotated[int, typer.Option("--disk", min=8, metavar="GIB", help="Of each host.")] = 20,
) -> Bed:
    """The bed that a command line describes. Raises RefusedError."""
    return Bed(
        ssh_from=ssh_from,
        region=region,
        store_type=store_type,
        load_type=load_type,
        load_hosts=load_hosts,
        engines=tuple(engine.strip() for engine in engines.split(",")),
        image=image,
        life=None if hours is None else timedelta(hours=hours),
        spot=spot,
        subnet=subnet,
        private=private,
        disk=disk,
    )
