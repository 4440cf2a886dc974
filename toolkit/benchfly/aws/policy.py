"""Least-privilege policies of IAM, made of the table of calls in calls.yml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

# What a policy is for when nobody says more: everything of its kind, in any region of any account of AWS's own cloud.
SCOPE = {
    "partition": "aws",
    "region": "*",
    "account": "*",
    "bucket": "BUCKET",
    "prefix": "",
    "key": "arn:aws:kms:*:*:key/KEY",
    "parameters": "/benchfly/*",
    "secrets": "benchfly/*",
    "role": "arn:aws:iam::*:role/benchfly",
}


@dataclass(frozen=True)
class Call:
    """One call: the API's name for it and IAM's, on what, on which condition, and `by` whom if not by benchfly."""

    call: str
    action: str
    resource: str
    condition: Mapping[str, Any] | None = None
    by: str = ""


@dataclass(frozen=True)
class Use:
    """Something that benchfly does with AWS, and the calls it takes."""

    name: str
    what: str
    calls: tuple[Call, ...]


@cache
def uses() -> Mapping[str, Use]:
    """All of calls.yml, by name."""
    return {
        name: Use(name, use["what"], tuple(Call(**{"action": call["call"], **call}) for call in use["calls"]))
        for name, use in _table()["uses"].items()
    }


def document(wanted: Sequence[str], scope: Mapping[str, str]) -> dict[str, Any]:
    """The policy for some uses. scope: what of SCOPE is known better.

    Raises KeyError for a use that there is not.
    """
    values = {**SCOPE, **scope}
    return {"Version": "2012-10-17", "Statement": list(_statements([uses()[name] for name in wanted], values))}


def _statements(wanted: Sequence[Use], values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One for each use and resource."""
    for use in wanted:
        groups: dict[str, list[Call]] = {}
        for call in use.calls:
            groups.setdefault(f"{call.resource} {call.condition}", []).append(call)
        for number, calls in enumerate(groups.values()):
            resource = _table()["resources"].get(calls[0].resource, calls[0].resource).format(**values)
            name = "".join(word.capitalize() for word in use.name.split("-"))
            statement = {
                "Sid": f"{name}{number or ''}",
                "Effect": "Allow",
                "Action": sorted(call.action for call in calls),
                "Resource": resource,
            }
            yield {**statement, "Condition": calls[0].condition} if calls[0].condition else statement


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = yaml.safe_load(files("benchfly.aws").joinpath("calls.yml").read_text(encoding="utf-8"))
    return table
