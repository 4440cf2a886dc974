"""What the values of a specification may be: each type reads one, says what it takes, and what to give instead."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MIB = 1024 * 1024


def closest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like `word`, if any is."""
    return next(iter(difflib.get_close_matches(word.lower(), known, 1)), None)


@dataclass(frozen=True)
class Choice:
    """One of some words; `nearest` has what other programs call them."""

    values: tuple[str, ...]
    nearest: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "one of " + ", ".join(self.values)

    def read(self, value: object) -> str:
        if value not in self.values:
            raise ValueError(value)
        return str(value)

    def remedy(self, value: object) -> str:
        word = self.nearest.get(str(value).lower()) or closest(str(value), self.values)
        return f"Say {word}" if word else f"Say {self.text}"


@dataclass(frozen=True)
class Flag:
    """true or false, also in the other words that Ansible has for them."""

    text = "true or false"
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

    def read(self, value: object) -> bool:
        word = str(value).lower()
        if word not in self.words:
            raise ValueError(value)
        return self.words[word]

    def remedy(self, value: object) -> str:
        return "Say true or false"


@dataclass(frozen=True)
class Integer:
    """A whole number in a range, also as a string of digits (the command line gives strings)."""

    low: int
    high: int
    unit: str = ""

    @property
    def text(self) -> str:
        return f"a whole number{self.unit and ' of ' + self.unit} from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        number = int(value) if isinstance(value, str) and value.isdigit() else value
        if not isinstance(number, int) or isinstance(number, bool) or not self.low <= number <= self.high:
            raise ValueError(value)
        return int(number)

    def remedy(self, value: object) -> str:
        return "Give a number in that range, without a unit"


@dataclass(frozen=True)
class Size:
    """Bytes, or a number with kb, mb, gb or tb in powers of 1024. Plain k and m, 1000s to Redis, are refused."""

    text = "an amount of memory such as 512mb or 2gb"
    pattern = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b", re.IGNORECASE)

    def read(self, value: object) -> int:
        match = self.pattern.fullmatch(str(value).strip())
        if match:
            size = float(match.group(1)) * 1024 ** (1 + "kmgt".index(match.group(2).lower()))
        else:
            size = Integer(1, 2**62).read(value)
        if size < MIB or size != int(size):
            raise ValueError(value)
        return int(size)

    def remedy(self, value: object) -> str:
        return "Give at least 1mb, in kb, mb, gb or tb (powers of 1024), or a number of bytes"


@dataclass(frozen=True)
class Address:
    """One IP address of the host."""

    text = "an IP address"

    def read(self, value: object) -> str:
        return str(ipaddress.ip_address(str(value)))

    def remedy(self, value: object) -> str:
        return "Give one address, such as 127.0.0.1; 0.0.0.0 or :: stands for all, and then needs a password"


@dataclass(frozen=True)
class Text:
    """A string without blanks, quotes and backslashes, so that it means the same in every file it is written to."""

    text: str
    pattern: str = r"[!-~]+"
    example: str = ""

    def read(self, value: object) -> str:
        if not re.fullmatch(self.pattern, str(value)) or set(str(value)) & set("'\"`\\"):
            raise ValueError
        return str(value)

    def remedy(self, value: object) -> str:
        return f"Give for example {self.example}"


@dataclass(frozen=True)
class CpuSet:
    """Numbers of CPUs as the kernel and systemd write them; read as such a text, in order."""

    text = "a set of CPUs such as 0-1,4"
    pattern = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")

    def read(self, value: object) -> str:
        if isinstance(value, bool) or not self.pattern.fullmatch(str(value)):
            raise ValueError(value)
        numbers = sorted(cpus_in(str(value)))
        if not numbers:
            raise ValueError(value)
        starts = [number for number in numbers if number - 1 not in numbers]
        ends = [number for number in numbers if number + 1 not in numbers]
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in zip(starts, ends))

    def remedy(self, value: object) -> str:
        return "Give numbers from 0 and ranges of them, with commas and no blanks between"


def cpus_in(text: str) -> frozenset[int]:
    """The numbers in a set of CPUs."""
    ranges = (part.partition("-")[::2] for part in text.split(","))
    return frozenset(number for first, last in ranges for number in range(int(first), int(last or first) + 1))


@dataclass(frozen=True)
class Users:
    """User -> rules as in an ACL file of Redis. Wrong rules are named by user alone, since they hold passwords."""

    text = "a mapping of users to rules such as shop: 'on >PASSWORD ~rq:* +@all -@admin'"
    name = re.compile(r"[A-Za-z0-9._@-]+")
    rule = re.compile(
        r"on|off|nopass|resetpass|reset|allkeys|resetkeys|allchannels|resetchannels|allcommands|nocommands"
        r"|clearselectors|(skip-)?sanitize-payload"
        r"|[<>]\S+|[#!][0-9a-f]{64}|%(R|W|RW)~\S+|[~&]\S+|[+-]@?[A-Za-z0-9|._-]+|\([^()]+\)"
    )
    words = re.compile(r"\([^()]*\)|\S+")

    def read(self, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping) or not value:
            raise ValueError
        for name, rules in value.items():
            if not self.name.fullmatch(str(name)) or not self._can_be_read(rules):
                raise ValueError
        return {str(name): " ".join(rules.split()) for name, rules in value.items()}

    def remedy(self, value: object) -> str:
        if not isinstance(value, Mapping) or not value:
            return "Give each user its rules in one string"
        wrong = [str(name) for name, rules in value.items() if not self._can_be_read(rules)]
        return f"Look at the rules of {', '.join(wrong)}" if wrong else "Name users with letters, digits, . _ @ and -"

    def _can_be_read(self, rules: object) -> bool:
        if not isinstance(rules, str) or not rules.strip() or not rules.isprintable():
            return False
        return all(self.rule.fullmatch(word) for word in self.words.findall(rules))
