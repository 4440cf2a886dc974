"""What instances cost on demand: from AWS's price API, else from a dated list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from benchfly import aws
from benchfly.errors import AwsError, RefusedError

CURRENCY = "USD"
# The API is asked here, whichever region the prices are of.
_ENDPOINT = "us-east-1"
# Linux without licences, nothing reserved: one product for each type and region.
_PRODUCT = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}


@dataclass(frozen=True)
class Prices:
    """Currency per hour by instance type, in one region, with the day and the source."""

    region: str
    currency: str
    as_of: date
    source: str
    hourly: Mapping[str, float]


def on_demand(types: Iterable[str], region: str, file: Path | None = None) -> list[Prices]:
    """What is known of those types, from the API, or from prices.yml where it cannot be asked.

    file: a list of one's own, which comes first; AWS is not asked for its types. Raises RefusedError if it is none.
    """
    wanted = sorted(set(types))
    lists = [one for one in (_read(file) if file else []) if one.region == region]
    missing = [name for name in wanted if all(name not in one.hourly for one in lists)]
    try:
        return [*lists, asked(missing, region)] if missing else lists
    except AwsError:
        kept = _read(files("benchfly.aws").joinpath("prices.yml"))
        return [*lists, *(one for one in kept if one.region == region)]


def price(name: str, known: Sequence[Prices]) -> tuple[float, Prices] | None:
    """The price of a type, and the list that has it; None when none has."""
    return next(((one.hourly[name], one) for one in known if name in one.hourly), None)


def asked(types: Sequence[str], region: str) -> Prices:
    """What AWS itself asks today. Raises AwsError."""
    hourly = {}
    with aws.client("pricing", region=_ENDPOINT, what="prices of instances") as pricing:
        for name in types:
            wanted = {**_PRODUCT, "instanceType": name, "regionCode": region}
            filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
            answer = pricing.get_products(ServiceCode="AmazonEC2", FormatVersion="aws_v1", Filters=filters)
            found = {amount for product in answer["PriceList"] for amount in _amounts(json.loads(product))}
            if len(found) == 1:  # of several none could be chosen
                hourly[name] = found.pop()
    return Prices(region, CURRENCY, datetime.now(UTC).date(), "AWS's price API", hourly)


def listed(prices: Prices) -> str:
    """A list as prices.yml has it."""
    return "---\n" + yaml.safe_dump([{**vars(prices), "hourly": dict(prices.hourly)}], sort_keys=False)


def _amounts(product: Mapping[str, Any]) -> Iterator[float]:
    """What an hour on demand costs; what is reserved is another term of the same product."""
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] == "Hrs" and CURRENCY in dimension["pricePerUnit"]:
                yield float(dimension["pricePerUnit"][CURRENCY])


def _read(file: Traversable) -> list[Prices]:
    try:
        return [
            Prices(**{**each, "hourly": {name: float(one) for name, one in each["hourly"].items()}})
            for each in yaml.safe_load(file.read_text("utf-8")) or []
        ]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{file} is no list of prices: {error!r}. `benchfly aws prices TYPE --region REGION` writes one"
        raise RefusedError(message) from error
