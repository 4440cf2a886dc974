"""What a lab costs: its hosts by the hour. Volumes and traffic are not in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchfly.aws.prices import on_demand, price
from benchfly.lab.found import Lab


@dataclass(frozen=True)
class Prices:
    """US dollars per hour, by instance type; what is not there nobody knows. `source` is where they are from."""

    hourly: Mapping[str, float]
    source: str

    def rate(self, types: Mapping[str, int]) -> float | None:
        """Of so many of each type together; None where one of them is unknown."""
        if set(types) - set(self.hourly):
            return None
        return sum(self.hourly[name] * count for name, count in types.items())

    def missing(self, types: Iterable[str]) -> str:
        return " and ".join(sorted(set(types) - set(self.hourly)))


def prices(ec2: Any, types: Iterable[str], spot: bool) -> Prices:
    """What hosts of these types cost now, in the client's region."""
    wanted = list(types)
    if not wanted:
        return Prices({}, "")
    if spot:
        return Prices(_spot(ec2, wanted), "spot prices of this moment, the dearest zone's")
    lists = on_demand(wanted, ec2.meta.region_name)
    found = {name: known for name in wanted if (known := price(name, lists))}
    sources = dict.fromkeys(f"{source.source}, {source.as_of}" for _, source in found.values())
    return Prices({name: amount for name, (amount, _) in found.items()}, "; ".join(sources))


def prices_of(ec2: Any, lab: Lab) -> Prices:
    """Of the types that the lab has; its hosts are all spot instances, or none is."""
    return prices(ec2, {each.type for each in lab.instances}, any(each.spot for each in lab.instances))


def _spot(ec2: Any, types: list[str]) -> dict[str, float]:
    """The last price of each type, of the zone that asks most."""
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=types, ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now().astimezone()
    )
    for page in pages:
        for entry in page["SpotPriceHistory"]:
            key = (entry["InstanceType"], entry["AvailabilityZone"])
            if key not in last or entry["Timestamp"] > last[key]["Timestamp"]:
                last[key] = entry
    return {
        name: max(float(entry["SpotPrice"]) for (kind, _), entry in last.items() if kind == name)
        for name in {kind for kind, _ in last}
    }


def spent(lab: Lab, known: Prices, now: datetime) -> float | None:
    """Dollars so far; None where a price is unknown, or the end of a host that is gone."""
    total = 0.0
    for instance in lab.instances:
        end = now if instance.alive else instance.ended
        if end is None or instance.type not in known.hourly:
            return None
        # By the second, and a minute at least.
        total += max(60.0, (end - instance.launched).total_seconds()) / 3600 * known.hourly[instance.type]
    return total
