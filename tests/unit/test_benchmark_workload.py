"""Workloads are data; a wrong one is refused with the key that is wrong."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import PREFIX, WorkloadError, parse

WORKLOADS = sorted((Path(__file__).parents[2] / "playbooks/workloads").glob("*.yml"))

GIVEN: dict[str, Any] = {
    "description": "a mix",
    "clients": 4,
    "items": 10,
    "families": {"session": {"type": "hash", "bytes": 400}, "document": {"type": "string", "bytes": 5000}},
    "operations": [
        {"command": "HGET", "family": "session", "share": 70},
        {"command": "SET", "family": "document", "share": 30},
    ],
}


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_the_workloads_that_come_along(path: Path) -> None:
    workload = parse(path.stem, yaml.safe_load(path.read_text()))
    assert workload.bytes < 50_000_000
    assert {operation.family for operation in workload.operations} == set(workload.families)


def test_every_key_has_the_prefix() -> None:
    hget, put = parse("mix", GIVEN).operations
    assert hget.words("000000000007") == ["HGET", PREFIX + "session", "000000000007"]
    assert put.words("7") == ["SET", PREFIX + "document:7"]
    assert (hget.writes, put.writes) == (False, True)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("operations", 0, "share"), 60, "shares add up to 90"),
        (("operations", 0, "command"), "DEL", r"operations\[0\].command: 'DEL' is not one of"),
        (("operations", 0, "command"), "GET", "GET needs a family of type string; session is not"),
        (("operations", 0, "family"), "nobody", "'nobody' is not one of session, document"),
        (("operations",), {}, "must be a list"),
        (("families",), [], "families must be a mapping"),
        (("families", "session", "bytes"), "400", "'400' is not a whole number"),
        (("families", "session", "ttl"), 3, "families.session.ttl is unknown"),
        (("clients",), 0, "clients: 0 is not a whole number from 1"),
        (("clients",), True, "clients: True"),
        (("pipeline",), 8, "mix.pipeline is unknown"),
    ],
)
def test_a_wrong_workload_names_the_key(path: tuple[str | int, ...], value: object, message: str) -> None:
    given: Any = deepcopy(GIVEN)
    *parents, last = path
    place = given
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(WorkloadError, match=message):
        parse("mix", given)


@pytest.mark.parametrize("given", [None, [], "text", {}])
def test_what_is_no_mapping(given: object) -> None:
    with pytest.raises(WorkloadError, match="mix must be a mapping"):
        parse("mix", given)
