"""In which order benches move: canaries, then batches. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchfly.errors import RefusedError


@dataclass(frozen=True)
class Batch:
    """How many benches are a batch: a number, or a share of all of them in per cent."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Benches of a batch, of so many in all: rounded down, as Ansible's `serial`, and at least one."""
        return max(1, total * self.number // 100 if self.percent else self.number)

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


@dataclass(frozen=True)
class Step:
    """Benches that may move at the same time; the next step begins when all of them have moved."""

    name: str
    benches: tuple[str, ...]


def parse_batch(text: str) -> Batch:
    """`10` or `25%`. Raises RefusedError."""
    found = re.fullmatch(r"(\d+)(%?)", text)
    batch = Batch(int(found[1]), bool(found[2])) if found else Batch(0)
    if batch.number < 1 or (batch.percent and batch.number > 100):
        raise RefusedError(f"--batch {text}: neither a number of benches nor a share of them. Say 10, or 25%.")
    return batch


def steps(benches: Sequence[str], canaries: int, batch: Batch) -> tuple[Step, ...]:
    """All benches in the order given: the first `canaries` one after the other, the rest in batches."""
    alone, rest, size = benches[:canaries], benches[canaries:], batch.of(len(benches))
    batches = [tuple(rest[start : start + size]) for start in range(0, len(rest), size)]
    return (
        *(Step("canary", (bench,)) for bench in alone),
        *(Step(f"batch {number}", members) for number, members in enumerate(batches, 1)),
    )
