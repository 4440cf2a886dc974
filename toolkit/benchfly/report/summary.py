"""The closing figures of a move, each against what it was before, as terminal, report and summary.json show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchfly.report import words

# Probe -> what people call it.
PROBES = {"enqueue": "enqueue", "cache": "cache", "http": "HTTP"}


@dataclass(frozen=True)
class Jobs:
    """Jobs that the queue acknowledged while the bench moved, and what became of them."""

    acknowledged: int
    executed: int
    lost: int
    duplicated: int


@dataclass(frozen=True)
class Enqueue:
    """Jobs that could not be enqueued."""

    refused: int


@dataclass(frozen=True)
class Http:
    """Requests to the bench's web tier."""

    requests: int
    failed: int


@dataclass(frozen=True)
class Gaps:
    """The longest time in milliseconds without a success, by probe; None where there was no such probe."""

    enqueue: float | None = None
    cache: float | None = None
    http: float | None = None

    @property
    def longest(self) -> float:
        return max((gap for gap in (self.enqueue, self.cache, self.http) if gap is not None), default=0.0)


@dataclass(frozen=True)
class Latency:
    """In milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Latencies:
    """Latency by probe; None where there was no such probe."""

    enqueue: Latency | None = None
    cache: Latency | None = None
    http: Latency | None = None


@dataclass(frozen=True)
class Before:
    """The same measured before anything was touched."""

    gap_ms: Gaps
    latency_ms: Latencies


@dataclass(frozen=True)
class Phase:
    """Seconds of one phase of migrate or rollback."""

    verb: str
    phase: str
    seconds: float


@dataclass(frozen=True)
class Target:
    """What the bench moved to, and why it was chosen."""

    engine: str
    version: str
    why: str

    @property
    def stand_in(self) -> bool:
        """Whether another program answers in the engine's place; then its version says so."""
        return "stand-in" in f"{self.engine} {self.version}".lower()

    def __str__(self) -> str:
        return f"{self.engine.capitalize()} {self.version}"


@dataclass(frozen=True)
class Count:
    """A number of the closing table. `good` is None where it is neither good nor bad."""

    what: str
    number: int
    good: bool | None = None


@dataclass(frozen=True)
class Figure:
    """A duration while the bench moved and before, in milliseconds; None where it was not measured."""

    during: float | None
    before: float | None


@dataclass(frozen=True)
class ProbeRow:
    """What one probe saw."""

    probe: str
    gap: Figure
    p50: Figure
    p99: Figure


@dataclass(frozen=True)
class Summary:
    """All of it. `benchmark` is the verdict in a sentence; `report` is the path of the HTML report."""

    jobs: Jobs
    enqueue: Enqueue
    http: Http
    gap_ms: Gaps
    latency_ms: Latencies
    before: Before
    phases: Sequence[Phase]
    target: Target
    benchmark: str = ""
    report: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, run twice, refused or failed."""
        return not (self.jobs.lost or self.jobs.duplicated or self.enqueue.refused or self.http.failed)

    @property
    def answer(self) -> str:
        """The outcome in one sentence."""
        jobs = self.jobs
        return (
            f"{words.count(jobs.lost)} of {words.count(jobs.acknowledged)} acknowledged jobs lost, "
            f"{words.count(jobs.duplicated)} run twice; longest gap {self.gap_ms.longest / 1000:.2f} s"
        )

    @property
    def counts(self) -> list[Count]:
        """The numbers of the closing table."""
        return [
            Count("jobs acknowledged", self.jobs.acknowledged),
            Count("jobs executed", self.jobs.executed),
            Count("lost", self.jobs.lost, good=not self.jobs.lost),
            Count("run twice", self.jobs.duplicated, good=not self.jobs.duplicated),
            Count("refused", self.enqueue.refused, good=not self.enqueue.refused),
            Count("HTTP requests", self.http.requests),
            Count("requests failed", self.http.failed, good=not self.http.failed),
        ]

    @property
    def probes(self) -> list[ProbeRow]:
        """The durations of the closing table, for each probe that there was."""
        rows = []
        for probe, label in PROBES.items():
            gap, gap_before = getattr(self.gap_ms, probe), getattr(self.before.gap_ms, probe)
            latency, latency_before = getattr(self.latency_ms, probe), getattr(self.before.latency_ms, probe)
            p50, p99 = (
                Figure(getattr(latency, percentile, None), getattr(latency_before, percentile, None))
                for percentile in ("p50", "p99")
            )
            if gap is not None:
                rows.append(ProbeRow(label, Figure(gap, gap_before), p50, p99))
        return rows

    @property
    def verbs(self) -> list[str]:
        """The verbs that were run, in order."""
        return list(dict.fromkeys(phase.verb for phase in self.phases))

    def seconds(self, verb: str) -> dict[str, float]:
        """Seconds of each phase of a verb, in order."""
        return {phase.phase: phase.seconds for phase in self.phases if phase.verb == verb}

    @property
    def phase_names(self) -> list[str]:
        """Every phase once, in order."""
        return list(dict.fromkeys(phase.phase for phase in self.phases))

    def to_json(self) -> str:
        """As summary.json has it."""
        return json.dumps({"answer": self.answer, **asdict(self)}, indent=2) + "\n"

    def write(self, path: Path) -> None:
        """Write summary.json."""
        path.write_text(self.to_json(), encoding="utf-8")
