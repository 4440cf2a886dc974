"""What is said of labs: the plan of one, what there is of it, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.fleet.table import plain_table
from benchfly.lab import Bed, Lab
from benchfly.lab.bed import LIFE
from benchfly.lab.bill import Prices, spent
from benchfly.lab.site import Site

COLUMNS = ("Lab", "Region", "Hosts", "Made", "Ends", "By", "So far")


def planned(bed: Bed, site: Site, known: Prices) -> RenderableType:
    """What would be built, and what it would cost."""
    life = (bed.life or LIFE).total_seconds() / 3600
    rows = []
    for what, name, count in (("stores", bed.store_type, 1), ("load", bed.load_type, bed.load_hosts)):
        machine = site.machines[name]
        shape = f"{machine.architecture}, {machine.cpus} CPUs, {machine.mib / 1024:g} GiB"
        rows.append((what, str(count), name, shape, money(known.hourly.get(name), "an hour")))
    close = (
        "in one cluster placement group" if site.clusters else "in no placement group, which these types cannot join"
    )
    lines = [
        f"In {site.region}, zone {' or '.join(site.subnets)}, {close}; {bed.image}, {bed.disk} GiB gp3 each; SSH from "
        f"{bed.ssh_from}.",
        f"Engines: {', '.join(bed.engines)}. All hosts end by themselves {life:g} hours after they were made.",
        _cost(bed, known, life),
    ]
    return Group(plain_table(("For", "Hosts", "Type", "Each", "Price"), rows), "", *map(Text, lines))


def _cost(bed: Bed, known: Prices, hours: float) -> str:
    rate = known.rate(bed.types())
    if rate is None:
        missing = known.missing(bed.types())
        return f"What it costs is not known: no price known of {missing}. Look it up before you go on."
    most = f"{money(rate, 'an hour')}, {money(rate * hours)} at most"
    return f"It costs {most}, besides volumes and traffic ({known.source})."


def row(lab: Lab, region: str, known: Prices) -> tuple[str, ...]:
    """A line of a table with COLUMNS."""
    now = datetime.now(UTC)
    alive = ", ".join(f"{each.group} {each.type} {each.public or each.address}" for each in lab.alive)
    ends = "its time is over" if lab.expired(now) else _local(lab.label.expires)
    return (
        lab.id,
        region,
        alive or "none",
        _local(lab.label.created),
        ends,
        lab.label.owner.rpartition(":")[2],
        money(spent(lab, known, now)),
    )


def as_dict(lab: Lab, region: str, known: Prices) -> dict[str, Any]:
    """The same for machines."""
    return {
        "lab": lab.id,
        "region": region,
        "owner": lab.label.owner,
        "created": f"{lab.label.created:%Y-%m-%dT%H:%M:%SZ}",
        "expires": f"{lab.label.expires:%Y-%m-%dT%H:%M:%SZ}",
        "instances": [_instance(each) for each in lab.instances],
        "things": list(lab.things),
        "spent": spent(lab, known, datetime.now(UTC)),
    }


def bill(lab: Lab, known: Prices) -> str:
    """What it has cost, in a sentence."""
    cost = spent(lab, known, datetime.now(UTC))
    if cost is None:
        hours = sum((datetime.now(UTC) - each.launched).total_seconds() for each in lab.alive) / 3600
        return f"{lab.id} had its hosts for {hours:.2f} hours together; what that costs is not known."
    return f"{lab.id} has cost {money(cost)}, besides volumes and traffic ({known.source})."


def lost(lab: Lab, now: Lab | None) -> str:
    """Which of its hosts are no longer there, and why; empty while all are."""
    alive = {each.id for each in now.alive} if now else set()
    gone = [each for each in (now or lab).instances if each.id not in alive]
    if not gone:
        return ""
    names = ", ".join(f"{each.id} ({each.group})" for each in gone)
    if any(each.interrupted for each in gone):
        return f"EC2 took back {names}, a spot instance. What was measured is kept; run it again, or without --spot."
    return f"{names} has ended ({gone[0].why or 'EC2 does not say why'}). What was measured is kept."


def money(amount: float | None, per: str = "") -> str:
    """An amount in US dollars."""
    if amount is None:
        return "no price known"
    return f"${amount:,.2f} {per}".rstrip() if amount >= 0.1 or not amount else f"${amount:,.4f} {per}".rstrip()


def _instance(instance: Any) -> Mapping[str, Any]:
    return {
        "id": instance.id,
        "group": instance.group,
        "type": instance.type,
        "zone": instance.zone,
        "state": instance.state,
        "address": instance.address,
        "public": instance.public,
        "spot": instance.spot,
    }


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
