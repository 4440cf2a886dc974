"""Reading what a person wrote: every complaint says where, what is wrong, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class WorkloadError(ValueError):
    """A workload is wrong; the message names the file, the key, what is wrong with it and what it may be."""


class Place:
    """Where in which file something is read: every complaint begins with that."""

    def __init__(self, file: str, path: str = "") -> None:
        self._file, self._path = file, path

    def __str__(self) -> str:
        return f"{self._file} {self._path}".strip()

    def below(self, key: str) -> Place:
        return Place(self._file, f"{self._path}.{key}" if self._path else key)

    def wrong(self, key: str, what: str, remedy: str) -> None:
        raise WorkloadError(f"{self.below(key) if key else self} {what}. {remedy}")

    def mapping(self, key: str, given: Any, empty: bool = False) -> Mapping[str, Any]:
        if not isinstance(given, Mapping) or not (given or empty):
            self.wrong(key, "must be a mapping", "Indent `key: value` lines below it")
        return given  # type: ignore[no-any-return]

    def keys(self, given: Any, needed: set[str], known: set[str], empty: bool = False) -> None:
        """Every needed key, and none that is unknown."""
        found = set(self.mapping("", given, empty))
        for key in sorted(needed - found):
            self.wrong(key, "is missing", f"Needed are {', '.join(sorted(needed))}")
        for key in sorted(found - known, key=str):
            self.wrong(str(key), "is unknown", f"Known are {', '.join(sorted(known))}")

    def sequence(self, key: str, given: Any, empty: bool = False) -> list[Any]:
        if not isinstance(given, list) or not (given or empty):
            self.wrong(key, "must be a list", "Write it as [a, b] or as lines that begin with -")
        return given  # type: ignore[no-any-return]

    def choice(self, key: str, given: Any, known: Sequence[str]) -> str:
        if given not in known:
            self.wrong(key, f"is {given!r}", f"It may be {', '.join(known)}")
        return str(given)

    def flag(self, key: str, given: Any) -> bool:
        if not isinstance(given, bool):
            self.wrong(key, f"is {given!r}", "It may be true or false")
        return bool(given)

    def integer(self, key: str, given: Any, low: int, high: int) -> int:
        if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
            self.wrong(key, f"is {given!r}", f"Give a whole number from {low} to {high}")
        return int(given)

    def number(self, key: str, given: Any, low: float, high: float) -> float:
        if not isinstance(given, (int, float)) or isinstance(given, bool) or not low <= given <= high:
            self.wrong(key, f"is {given!r}", f"Give a number from {low:g} to {high:g}")
        return float(given)

    def pairs(self, key: str, given: Any, most: int) -> tuple[tuple[int, float], ...]:
        """Pairs of a whole number up to `most` and a share in per cent."""
        listed = self.sequence(key, given)
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in listed):
            self.wrong(key, f"is {given!r}", "Give pairs of a number and its share in per cent: [[10, 28], [40, 72]]")
        return tuple((self.integer(key, pair[0], 1, most), self.number(key, pair[1], 0.001, 100)) for pair in listed)
