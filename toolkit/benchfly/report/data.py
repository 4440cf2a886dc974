"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from benchfly.benchmark import Benchmark, Comparison
from benchfly.benchmark.claims import Judgement
from benchfly.report.attempts import Attempt
from benchfly.report.summary import Summary


@dataclass(frozen=True)
class Span:
    """When a phase of a verb ran (Unix time)."""

    verb: str
    phase: str
    start: float
    end: float


@dataclass(frozen=True)
class Need:
    """One line of the gate: what the bench needs of a store, and whether it has it (ok, note, setting or no)."""

    purpose: str
    need: str
    used_by: str
    answer: str
    verdict: str
    remedy: str = ""


@dataclass(frozen=True)
class Move:
    """A bench that moved, and perhaps moved back.

    `attempts` are those that the summary's gaps were computed from: the timeline marks the longest. Without attempts
    there is no timeline, without spans none with phases.
    """

    bench: str
    source: str
    summary: Summary
    attempts: Sequence[Attempt] = ()
    spans: Sequence[Span] = ()
    gate: Sequence[Need] = ()


@dataclass(frozen=True)
class File:
    """A file kept with the results; `path` is relative to the report."""

    path: str
    what: str
    sha256: str = ""


@dataclass(frozen=True)
class ReportData:
    """One report. Either of `move` and `benchmark` may be left out."""

    title: str
    created: datetime
    run_id: str = ""
    move: Move | None = None
    benchmark: Benchmark | None = None
    comparison: Comparison | None = None
    claims: Mapping[str, Mapping[tuple[str, str], Judgement]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[File] = ()
    notes: Sequence[str] = ()

    @property
    def answer(self) -> str:
        """What the reader came for, in a sentence."""
        if self.move:
            return self.move.summary.answer
        return self.comparison.headline if self.comparison else self.title
