"""What a benchmark asks of a store: families of keys, and the shares in which they are read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Every key a benchmark makes begins so; nothing else is ever removed.
PREFIX = "benchfly:bench:"

_COMMANDS = {"GET": "string", "SET": "string", "HGET": "hash", "HSET": "hash"}
_KEYS = {"description", "clients", "items", "families", "operations"}


class WorkloadError(ValueError):
    """A workload is wrong; the message names the key and what it may be."""


@dataclass(frozen=True)
class Family:
    """Keys of one kind: a `string` family has one key per item, a `hash` family is one key with a field per item."""

    name: str
    type: str
    bytes: int  # of each value

    @property
    def key(self) -> str:
        """The hash, or what the keys of strings begin with."""
        return PREFIX + self.name + (":" if self.type == "string" else "")


@dataclass(frozen=True)
class Operation:
    """One command on a random item of a family. `share` is in per cent of all operations."""

    command: str
    family: Family
    share: int

    @property
    def writes(self) -> bool:
        return self.command in ("SET", "HSET")

    def words(self, item: str) -> list[str]:
        """The command on `item`, without the value that a write ends with."""
        if self.family.type == "hash":
            return [self.command, self.family.key, item]
        return [self.command, self.family.key + item]


@dataclass(frozen=True)
class Workload:
    """`clients` connections without pipelining; every family has `items` items."""

    name: str
    description: str
    clients: int
    items: int
    families: tuple[Family, ...]
    operations: tuple[Operation, ...]

    @property
    def bytes(self) -> int:
        """Payload of the whole dataset."""
        return self.items * sum(family.bytes for family in self.families)


def parse(name: str, given: Any) -> Workload:
    """The workload `name` as its YAML file says. Raises WorkloadError."""
    _keys(name, given, _KEYS)
    families = {}
    for family, value in _mapping(f"{name}.families", given["families"]).items():
        where = f"{name}.families.{family}"
        _keys(where, value, {"type", "bytes"})
        kind = _choice(f"{where}.type", value["type"], ("string", "hash"))
        families[family] = Family(family, kind, _integer(f"{where}.bytes", value["bytes"], 1, 1_000_000))
    if not isinstance(given["operations"], list):
        raise WorkloadError(f"{name}.operations must be a list")
    operations = tuple(
        _operation(f"{name}.operations[{index}]", value, families) for index, value in enumerate(given["operations"])
    )
    total = sum(operation.share for operation in operations)
    if total != 100:
        raise WorkloadError(f"{name}.operations: the shares add up to {total}; they must add up to 100")
    return Workload(
        name,
        str(given["description"]),
        _integer(f"{name}.clients", given["clients"], 1, 10_000),
        _integer(f"{name}.items", given["items"], 1, 10_000_000),
        tuple(families.values()),
        operations,
    )


def _operation(where: str, given: Any, families: Mapping[str, Family]) -> Operation:
    _keys(where, given, {"command", "family", "share"})
    command = _choice(f"{where}.command", given["command"], tuple(_COMMANDS))
    family = families[_choice(f"{where}.family", given["family"], tuple(families))]
    if family.type != _COMMANDS[command]:
        raise WorkloadError(f"{where}: {command} needs a family of type {_COMMANDS[command]}; {family.name} is not")
    return Operation(command, family, _integer(f"{where}.share", given["share"], 1, 100))


def _mapping(where: str, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise WorkloadError(f"{where} must be a mapping")
    return given


def _keys(where: str, given: Any, known: set[str]) -> None:
    found = set(_mapping(where, given))
    for key in sorted(found ^ known):
        raise WorkloadError(f"{where}.{key} is " + ("unknown" if key in found else "missing"))


def _choice(where: str, given: Any, known: tuple[str, ...]) -> str:
    if given not in known:
        raise WorkloadError(f"{where}: {given!r} is not one of {', '.join(known)}")
    return str(given)


def _integer(where: str, given: Any, low: int, high: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
        raise WorkloadError(f"{where}: {given!r} is not a whole number from {low} to {high}")
    return given
