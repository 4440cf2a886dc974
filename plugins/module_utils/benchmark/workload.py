"""A workload: what a benchmark asks of a store. Data (a YAML file each), checked here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import (
    HIGHEST,
    PERCENTILES,
    Objective,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.checked import Place, WorkloadError
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import (
    COMMANDS,
    HASH,
    PREFIX,
    SHAPES,
    Family,
    Keys,
    Operation,
)

__all__ = ["PREFIX", "Family", "Operation", "Workload", "WorkloadError", "parse"]

LOOPS = ("closed", "open")
# What makes a trial invalid; all of these unless the workload says otherwise.
RULES = (
    "errors", "evictions", "misses", "generator-cpu", "steal", "clock-step", "memory", "cpu-credits", "network",
)  # fmt: skip
# What no load generator can play, and the whole numbers each takes: name -> (default, least, most).
SCENARIOS: dict[str, dict[str, tuple[int, int, int]]] = {
    # Every so many ms KEYS and UNLINK of all that is cached; readers fill in again what they miss after so many ms.
    "storm": {"every_ms": (5000, 100, 3_600_000), "miss_ms": (5, 0, 60_000)},
    # Jobs of so many bytes for so many workers of RQ, each of which takes so long.
    "jobs": {"bytes": (500, 0, 1_000_000), "workers": (2, 1, 256), "job_ms": (0, 0, 600_000)},
    # Clients that cache what they read, and hear of writes.
    "tracking": {"writers": (1, 1, 1000)},
    # Subscribers to what clients publish.
    "fanout": {"subscribers": (20, 1, 10_000), "bytes": (300, 1, 1_000_000)},
}
_KEYS = {
    "description", "clients", "items", "keys", "families", "operations", "filled", "loop", "rate", "objective",
    "seconds", "rounds", "warm_up", "windows", "invalidated_by", *SCENARIOS,
}  # fmt: skip
_MOST_ITEMS = 100_000_000


@dataclass(frozen=True)
class Workload:
    """`clients` connections, without pipelining, in a closed loop or offering `rates` operations per second.

    Several clients or rates are the points of a sweep; with an `objective` the rate is where the search for the highest
    one begins. A trial of several `windows` is told of one by one, too. Of the
    scenarios at most one is there, in `scenario`, with its numbers in `numbers`; else it is a mix of operations.
    """

    name: str
    description: str
    clients: tuple[int, ...]
    families: tuple[Family, ...]
    operations: tuple[Operation, ...]
    filled: bool
    loop: str
    rates: tuple[float, ...]
    seconds: float
    rounds: int
    warm_up: float
    windows: int
    invalidated_by: tuple[str, ...]
    scenario: str = ""
    numbers: tuple[tuple[str, int], ...] = ()
    objective: Objective | None = None

    @property
    def bytes(self) -> int:
        """Payload of the whole dataset."""
        return sum(family.bytes for family in self.families)

    @property
    def items(self) -> int:
        """Items of the largest family."""
        return max((family.items for family in self.families), default=0)

    def number(self, name: str) -> int:
        """One of the scenario's numbers."""
        return dict(self.numbers)[name]

    @property
    def points(self) -> list[tuple[int, float]]:
        """The sweep: pairs of clients and of operations per second offered, 0 in a closed loop."""
        return [(clients, rate) for clients in self.clients for rate in self.rates or (0.0,)]

    def scaled(self, scale: float) -> Workload:
        """The same with data, clients, rates and time times `scale`, for a machine that is so much smaller."""
        if scale == 1:
            return self
        families = {family: replace(family, items=max(1, round(family.items * scale))) for family in self.families}
        return replace(
            self,
            clients=tuple(dict.fromkeys(max(1, round(clients * scale)) for clients in self.clients)),
            rates=tuple(dict.fromkeys(max(1.0, rate * scale) for rate in self.rates)),
            families=tuple(families.values()),
            operations=tuple(replace(each, family=families[each.family]) for each in self.operations),
            seconds=max(1.0, self.seconds * scale),
        )


def parse(name: str, given: Any, scale: float = 1.0) -> Workload:
    """The workload in the file `name` (with or without folder and .yml), in small if wished. Raises WorkloadError."""
    stem = os.path.splitext(os.path.basename(name))[0]
    where = Place(f"{name}:")
    if not isinstance(scale, (int, float)) or not 0 < scale <= 1:
        raise WorkloadError(f"{name}: the scale is {scale!r}. Give a number above 0, up to 1")
    where.keys(given, {"description", "clients"}, _KEYS)
    scenario, numbers = _scenario(where, given)
    families = _families(where, given)
    operations = _operations(where, given, families)
    _fits(where, scenario, families, operations)
    loop = where.choice("loop", given.get("loop", "closed"), LOOPS)
    rates = _numbers(where, "rate", given.get("rate"), 0.001, HIGHEST) if "rate" in given else ()
    if (loop == "open") != bool(rates):
        where.wrong("rate", "goes with `loop: open`, and only with it", "Give both, or neither")
    rules = where.sequence("invalidated_by", given.get("invalidated_by", list(RULES)), empty=True)
    workload = Workload(
        name=stem,
        description=str(given["description"]),
        clients=tuple(int(each) for each in _numbers(where, "clients", given["clients"], 1, 100_000, whole=True)),
        families=tuple(families.values()),
        operations=operations,
        filled=where.flag("filled", given.get("filled", True)),
        loop=loop,
        rates=rates,
        seconds=where.number("seconds", given.get("seconds", 10), 0.1, 86_400),
        rounds=where.integer("rounds", given.get("rounds", 6), 1, 1000),
        warm_up=where.number("warm_up", given.get("warm_up", 1), 0, 3600),
        windows=where.integer("windows", given.get("windows", 1), 1, 1000),
        invalidated_by=tuple(where.choice("invalidated_by", rule, RULES) for rule in rules),
        scenario=scenario,
        numbers=numbers,
        objective=_objective(where, given["objective"]) if "objective" in given else None,
    )
    if workload.objective and (not rates or len(workload.points) > 1):
        where.wrong("objective", "takes one number of clients, and one rate to begin at", "Give `loop: open` and both")
    return workload.scaled(scale)


def _objective(where: Place, given: Any) -> Objective:
    place = where.below("objective")
    place.keys(given, {"percentile", "ms"}, {"percentile", "ms"})
    percentile = place.choice("percentile", given["percentile"], tuple(PERCENTILES))
    return Objective(percentile, place.number("ms", given["ms"], 0.001, 3_600_000))


def _scenario(where: Place, given: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, int], ...]]:
    found = [name for name in SCENARIOS if name in given]
    if not found:
        return "", ()
    if len(found) > 1:
        where.wrong(found[1], f"cannot be played together with {found[0]}", "Make two workloads of it")
    place, known = where.below(found[0]), SCENARIOS[found[0]]
    place.keys(given[found[0]] or {}, set(), set(known), empty=True)
    values = {**{key: default for key, (default, _, _) in known.items()}, **(given[found[0]] or {})}
    return found[0], tuple((key, place.integer(key, values[key], low, high)) for key, (_, low, high) in known.items())


def _families(where: Place, given: Mapping[str, Any]) -> dict[str, Family]:
    families = {}
    for name, value in (where.mapping("families", given["families"]) if "families" in given else {}).items():
        place = where.below("families").below(str(name))
        if not str(name).replace("_", "").replace("-", "").isalnum():
            place.wrong("", "has a name that keys cannot begin with", "Use letters, digits, _ and -")
        place.keys(value, {"shape", "bytes"}, {"shape", "bytes", "items", "ttl", "keys"})
        source = value if "items" in value else given
        if "items" not in source:
            place.wrong("items", "is missing", "Give it here, or `items` for all families")
        families[str(name)] = Family(
            name=str(name),
            shape=place.choice("shape", value["shape"], SHAPES),
            items=place.integer("items", source["items"], 1, _MOST_ITEMS),
            sizes=_sizes(place, value["bytes"]),
            ttl=_ttl(place, value["ttl"], value["shape"]) if "ttl" in value else None,
            keys=_distribution(place, value.get("keys", given.get("keys", "uniform"))),
        )
    return families


def _sizes(where: Place, given: Any) -> tuple[tuple[int, float], ...]:
    """One size, or pairs of a size and its share in per cent."""
    if not isinstance(given, list):
        return ((where.integer("bytes", given, 1, 512_000_000), 100.0),)
    sizes = where.pairs("bytes", given, 512_000_000)
    _add_up(where, "bytes", [share for _, share in sizes])
    return sizes


def _ttl(where: Place, given: Any, shape: str) -> tuple[int, int]:
    if shape == HASH:
        where.wrong("ttl", "is for keys, and a hash-per-site is one key of all items", "Leave it out")
    low, high = (
        _numbers(where, "ttl", given, 1, 31_536_000, whole=True)[:2]
        if isinstance(given, list) and len(given) == 2
        else (2, 1)
    )
    if low > high:
        where.wrong("ttl", f"is {given!r}", "Give the least and the most seconds: [1800, 7200]")
    return int(low), int(high)


def _distribution(where: Place, given: Any) -> Keys:
    """`uniform`, `sequence`, {zipf: exponent} or {hot: [[items, share in per cent], ...]}."""
    if given in ("uniform", "sequence"):
        return Keys(given)
    if isinstance(given, Mapping) and set(given) == {"zipf"}:
        return Keys("zipf", exponent=where.below("keys").number("zipf", given["zipf"], 0.01, 4.99))
    if isinstance(given, Mapping) and set(given) == {"hot"}:
        tiers = where.below("keys").pairs("hot", given["hot"], _MOST_ITEMS)
        if sum(share for _, share in tiers) <= 100.001:
            return Keys("hot", tiers=tiers)
    raise WorkloadError(
        f"{where} keys: {given!r} is no distribution. Give uniform, sequence, {{zipf: 1.0}} or "
        "{hot: [[10, 28], [40, 31]]}: so many items, hottest first, and their share of all in per cent"
    )


def _operations(where: Place, given: Mapping[str, Any], families: Mapping[str, Family]) -> tuple[Operation, ...]:
    if "operations" not in given:
        return ()
    listed = where.sequence("operations", given["operations"])
    operations = tuple(_operation(where.below(f"operations[{at}]"), each, families) for at, each in enumerate(listed))
    _add_up(where, "operations", [operation.share for operation in operations])
    return operations


def _operation(where: Place, given: Any, families: Mapping[str, Family]) -> Operation:
    where.keys(given, {"command", "family", "share"}, {"command", "family", "share"})
    command = where.choice("command", given["command"], tuple(COMMANDS))
    family = families[where.choice("family", given["family"], tuple(families))]
    shapes = COMMANDS[command][0]
    if family.shape not in shapes:
        where.wrong(
            "command", f"{command} is for {' and '.join(shapes)}; {family.name} is {family.shape}", "Change one"
        )
    return Operation(command, family, where.number("share", given["share"], 0.001, 100))


def _fits(where: Place, scenario: str, families: Mapping[str, Family], operations: Sequence[Operation]) -> None:
    """Whether what is there is what such a workload needs."""
    mixed = scenario in ("", "storm")
    if mixed and not operations:
        where.wrong("operations", "is missing", "Say what is asked, as {command: GET, family: one, share: 100}")
    if not mixed and operations:
        where.wrong("operations", f"is for a mix; {scenario} says itself what it sends", "Leave it out")
    if scenario == "tracking" and [family.shape for family in families.values()] != ["string"]:
        where.wrong("families", "must be one family of strings for tracking", "Name what is cached")
    if scenario in ("jobs", "fanout") and families:
        where.wrong("families", f"is for a mix; {scenario} has no data", "Leave it out")
    unused = [name for name, family in families.items() if mixed and family not in [each.family for each in operations]]
    if unused:
        where.wrong(f"families.{unused[0]}", "is in no operation", "Use it, or leave it out")
    sequences = {family.name for family in families.values() if family.keys.kind == "sequence"}
    if sequences and len(families) > 1:
        where.wrong("keys", "sequence is for a workload of one family", "Leave the other families out")


def _numbers(where: Place, key: str, given: Any, low: float, high: float, whole: bool = False) -> tuple[float, ...]:
    """One number, or a list of them."""
    listed = where.sequence(key, given) if isinstance(given, list) else [given]
    read = where.integer if whole else where.number
    return tuple(read(key, each, low, high) for each in listed)


def _add_up(where: Place, key: str, shares: Sequence[float]) -> None:
    if abs(sum(shares) - 100) > 0.01:
        where.wrong(key, f"has shares that add up to {sum(shares):g}", "They are in per cent, and must add up to 100")
