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
