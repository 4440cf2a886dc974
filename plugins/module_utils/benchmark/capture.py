"""A workload that does what a live store was seen to do, without a name or a value of it.

Keys become families, which have numbers for names; keys and fields are told apart by hashes with a salt that is
forgotten; of values their length is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import HASH, ITEM, LIST, STRING

# 1700000000.123456 [0 127.0.0.1:4711] "HGET" "key" "field"
_LINE = re.compile(r'^[\d.]+ \[\d+ (\S+)\] "([^"]+)"(.*)$')
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\x[0-9a-f]{2}|\\.|[^\\]", re.DOTALL)
_ALIASES = {"SETEX": "SET", "PSETEX": "SET", "SETNX": "SET", "HSETNX": "HSET", "HMSET": "HSET", "HMGET": "HGET"}
_ALIASES.update({"UNLINK": "DEL", "RPUSH": "LPUSH", "LPOP": "RPOP"})
_SHAPES = {"GET": STRING, "SET": STRING, "HGET": ITEM, "HSET": ITEM, "HDEL": ITEM}
_SHAPES.update(dict.fromkeys(("LPUSH", "RPOP", "LLEN", "LRANGE"), LIST))
# Which word after the command is the value.
_VALUES = {"SET": 1, "SETNX": 1, "SETEX": -1, "PSETEX": -1, "LPUSH": -1, "RPUSH": -1}
_ANY = ("DEL", "EXISTS")  # of whatever shape other commands tell
_FAMILIES, _ASKED = 16, 50  # the most families kept, and items of each whose length is asked
_TIERS = (1, 10, 50, 200)  # ranks that end a tier of the hot list
Lengths = Callable[[str, Sequence[tuple[str, str]]], tuple[Sequence[int], Sequence[int]]]


@dataclass
class _Seen:
    """One family: what was done to it, how often to each of its items, and a few of these to ask for their lengths."""

    commands: Counter[str] = field(default_factory=Counter)
    items: Counter[bytes] = field(default_factory=Counter)
    keys: set[bytes] = field(default_factory=set)
    lengths: list[int] = field(default_factory=list)
    some: dict[bytes, tuple[str, str]] = field(default_factory=dict)


class Census:
    """Counts what MONITOR tells. Names are in memory only, and of no more items than have their lengths asked."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._seen: dict[tuple[str, bytes], _Seen] = defaultdict(_Seen)
        self._clients: set[bytes] = set()
        self.commands = 0
        self.others: Counter[str] = Counter()

    def add(self, line: str) -> None:
        """One line of MONITOR."""
        match = _LINE.match(line)
        if not match:
            return
        address, command, rest = match.groups()
        name, words = _ALIASES.get(command.upper(), command.upper()), _WORD.findall(rest)
        self.commands += 1
        self._clients.add(self._hash(address))
        if not words or (name not in _SHAPES and name not in _ANY):
            self.others[command.upper()] += 1
        elif name in _ANY:
            for key in words:
                self._count(name, STRING, key, "")
        elif _SHAPES[name] == ITEM:
            step = 2 if name == "HSET" else 1
            for at in range(1, len(words), step):
                self._count(
                    name, ITEM, words[0], words[at], words[at + 1] if step == 2 and at + 1 < len(words) else None
                )
        else:
            at = _VALUES.get(command.upper())
            self._count(name, _SHAPES[name], words[0], "", words[at] if at is not None and len(words) > 1 else None)

    def _count(self, command: str, shape: str, key: str, part: str, value: str | None = None) -> None:
        template = self._hash(_template(key))
        if command in _ANY:  # belongs to what other commands have shown the key to be
            shape = next((known for known in (STRING, ITEM, LIST) if (known, template) in self._seen), STRING)
        seen, item = self._seen[shape, template], self._hash(f"{key}\0{part}")
        seen.commands[command] += 1
        seen.items[item] += 1
        seen.keys.add(self._hash(key))
        if value is not None:
            seen.lengths.append(len(_ESCAPED.findall(value)))
        if "\\" not in key + part and (len(seen.some) < _ASKED or item in seen.some):
            seen.some[item] = (key, part)

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2s(text.encode(), key=self._salt, digest_size=8).digest()

    def workload(self, seconds: float, lengths: Lengths) -> dict[str, Any]:
        """As a workload's YAML has it. `lengths` asks the store for lengths and lives of some items of a shape.

        Raises ValueError when nothing was seen that could be replayed.
        """
        ranked = sorted(self._seen.items(), key=lambda each: -sum(each[1].commands.values()))[:_FAMILIES]
        families, counts = {}, {}
        for number, ((shape, _), seen) in enumerate(ranked, 1):
            # Many fields for each key: those of one site's hash.
            several = shape == ITEM and len(seen.items) > 2 * len(seen.keys)
            shape, name = HASH if several else shape, f"family{number}"
            commands = {each: count for each, count in seen.commands.items() if not (several and each in _ANY)}
            if commands:
                families[name] = _family(shape, seen, *lengths(shape, list(seen.some.values())))
                counts.update({(command, name): count for command, count in commands.items()})
        if not counts:
            raise ValueError("none of the commands seen can be replayed")
        replayed = sum(counts.values())
        rate = round(self.commands / seconds)
        return {
            "description": f"Captured: {self.commands} commands in {seconds:.0f} s ({rate}/s), {replayed} of them here",
            "clients": max(1, len(self._clients)),
            "seconds": 10,
            "rounds": 6,
            # What the store's clients remove they do not find again.
            "invalidated_by": ["errors", "evictions", "generator-cpu", "steal", "clock-step", "memory"],
            "families": families,
            "operations": [
                {"command": command, "family": name, "share": share}
                for (command, name), share in _shares(counts).items()
            ],
        }


def _family(shape: str, seen: _Seen, asked: Sequence[int], lives: Sequence[int]) -> dict[str, Any]:
    family: dict[str, Any] = {"shape": shape, "items": len(seen.items), "bytes": _sizes([*asked, *seen.lengths])}
    if lives and shape != HASH:
        family["ttl"] = [max(1, min(lives)), max(1, max(lives))]
    tiers = _tiers(seen.items)
    if tiers:
        family["keys"] = {"hot": tiers}
    return family


def _sizes(lengths: Sequence[int]) -> Any:
    """The middles of four quarters; one number where they are alike."""
    ordered = sorted(max(1, length) for length in lengths) or [1]
    middles = Counter(ordered[int((quarter + 0.5) / 4 * len(ordered))] for quarter in range(4))
    if len(middles) == 1:
        return ordered[len(ordered) // 2]
    return [[size, 25 * count] for size, count in sorted(middles.items())]


def _tiers(items: Counter[bytes]) -> list[list[float]]:
    """The hot list: how many items, hottest first, have which share; the rest has what is left."""
    counts, tiers, first = [count for _, count in items.most_common()], [], 0
    for end in _TIERS:
        if end < len(counts):
            share = round(100 * sum(counts[first:end]) / sum(counts), 2)
            if share > 0:
                tiers.append([end - first, share])
            first = end
    return tiers


def _shares(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], float]:
    """In per cent, to two digits, adding up to 100; what is rarer than that is left out."""
    whole = sum(counts.values())
    shares = {each: round(100 * count / whole, 2) for each, count in counts.items() if count / whole >= 0.0001}
    most = max(shares, key=lambda each: shares[each])
    shares[most] = round(shares[most] + 100 - sum(shares.values()), 2)
    return shares


def _template(key: str) -> str:
    """What keys of one kind have in common: the first words of it, without the site and without numbers."""
    words = [word for word in re.split(r":+", key.rpartition("|")[2] if "|" in key else key) if word]
    first = words[:2] if words and len(words[0]) <= 3 else words[:1]
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", ":".join(first))
