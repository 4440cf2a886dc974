"""Families of keys, how their items are chosen, and the commands on them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

# Every key a benchmark makes begins so; nothing else is ever removed.
PREFIX = "benchfly:bench:"
# What a hash of one item has its value under.
FIELD = "data"

ITEM, HASH, STRING, LIST = "hash-per-item", "hash-per-site", "string", "list"
SHAPES = (ITEM, HASH, STRING, LIST)

# Command -> the shapes it is for, what stands after the key (and the field), and whether a value ends it.
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "GET": ((STRING,), (), False),
    "SET": ((STRING,), (), True),
    "HGET": ((ITEM, HASH), (), False),
    "HSET": ((ITEM, HASH), (), True),
    "HDEL": ((ITEM, HASH), (), False),
    "DEL": ((STRING, ITEM, LIST), (), False),
    "EXISTS": ((STRING, ITEM, LIST), (), False),
    "LPUSH": ((LIST,), (), True),
    "RPOP": ((LIST,), (), False),
    "LLEN": ((LIST,), (), False),
    "LRANGE": ((LIST,), ("0", "9"), False),
}
WHOLE_KEY = ("DEL", "EXISTS")  # these take no field
REMOVES = ("DEL", "HDEL", "RPOP")


@dataclass(frozen=True)
class Keys:
    """Which items are asked for: all alike, by Zipf's law, a hot list in tiers of (items, share), or one by one."""

    kind: str = "uniform"  # or zipf, hot, sequence
    exponent: float = 0.0
    tiers: tuple[tuple[int, float], ...] = ()

    def chooser(self, items: int) -> Callable[[float], int]:
        """What turns a number from 0 to below 1 into an item, counted from 0; the first are the hottest."""
        if self.kind == "zipf":
            table = array("d", accumulate(rank**-self.exponent for rank in range(1, items + 1)))
            return lambda chance: min(bisect_right(table, chance * table[-1]), items - 1)
        if self.kind == "hot":
            return self._hot(items)
        return lambda chance: int(chance * items)

    def _hot(self, items: int) -> Callable[[float], int]:
        """Tiers from the hottest on; what they leave of the shares goes to the items they leave."""
        tiers, share, first = [], 0.0, 0
        rest = (items - sum(count for count, _ in self.tiers), 100 - sum(share for _, share in self.tiers))
        for count, part in [*self.tiers, rest]:
            count = min(count, items - first)
            if count > 0 and part > 0:
                tiers.append((share, part, first, count))
                share, first = share + part, first + count
        starts = [start for start, *_ in tiers]

        def choose(chance: float) -> int:
            point = chance * share
            start, part, first, count = tiers[bisect_right(starts, point) - 1]
            return first + min(int((point - start) / part * count), count - 1)

        return choose


@dataclass(frozen=True)
class Family:
    """Keys of one kind. `sizes` are pairs of a value's bytes and their share in per cent; `ttl` is in seconds."""

    name: str
    shape: str
    items: int
    sizes: tuple[tuple[int, float], ...]
    ttl: tuple[int, int] | None = None
    keys: Keys = Keys()

    @property
    def key(self) -> str:
        """The one hash of a site, or what the keys of items begin with."""
        return PREFIX + self.name + ("" if self.shape == HASH else ":")

    @property
    def mean_bytes(self) -> float:
        return sum(size * share for size, share in self.sizes) / 100

    @property
    def bytes(self) -> int:
        """Payload of all items."""
        return round(self.items * self.mean_bytes)

    def size(self, number: int) -> int:
        """Bytes of that item's value when it is filled in: spread as `sizes` say, and the same every time."""
        point = (number * 2654435761 % 2**32) / 2**32 * 100
        for size, share in self.sizes:
            point -= share
            if point < 0:
                return size
        return self.sizes[-1][0]

    def seconds(self, number: int) -> int:
        """How long that item lives when it is filled in."""
        low, high = self.ttl or (0, 0)
        return low + number * 2654435761 % (high - low + 1)


@dataclass(frozen=True)
class Operation:
    """One command on an item of a family. `share` is in per cent of all operations."""

    command: str
    family: Family
    share: float

    @property
    def writes(self) -> bool:
        return COMMANDS[self.command][2]

    @property
    def removes(self) -> bool:
        return self.command in REMOVES

    def words(self, item: str) -> list[str]:
        """The command on `item`, without the value that a write ends with."""
        more = list(COMMANDS[self.command][1])
        if self.family.shape == HASH:
            return [self.command, self.family.key, item, *more]
        if self.family.shape == ITEM and self.command not in WHOLE_KEY:
            return [self.command, self.family.key + item, FIELD, *more]
        return [self.command, self.family.key + item, *more]


@dataclass(frozen=True)
class Variant:
    """An operation with one size of value, for programs that send a command as it is typed."""

    operation: Operation
    bytes: int
    share: float


def variants(operations: Sequence[Operation]) -> Iterator[Variant]:
    """Every operation, a write once for each size of its values; the shares are still in per cent of all."""
    for operation in operations:
        sizes = operation.family.sizes if operation.writes else ((0, 100.0),)
        for size, share in sizes:
            yield Variant(operation, size, operation.share * share / 100)
