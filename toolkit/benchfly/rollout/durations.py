"""How long moves took here before, and what that lets one expect of a rollout. Pure, but for `past_moves`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from statistics import median
from typing import Any

from benchfly.errors import ResultsError
from benchfly.results import Run, records
from benchfly.rollout.order import Step

_STOPPED, _STARTED = "Stop consumers", "Start consumers"  # phases between which a bench has no consumers
_RUNS = 200  # the last so many are looked at


@dataclass(frozen=True)
class PastMove:
    """A move that was made in one go. Seconds in all, by phase, and from the consumers' stop until they ran again."""

    bench: str
    seconds: float
    phases: Mapping[str, float]
    pause: float | None


@dataclass(frozen=True)
class Range:
    """Median and extremes of some seconds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Range | None:
        found = [round(value, 1) for value in values]
        return cls(round(median(found), 1), min(found), max(found)) if found else None

    def __str__(self) -> str:
        return f"{self.median:.1f} s ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True)
class Expectation:
    """What a bench's move will take, from so many `runs` of it, or of any bench; no figures without any."""

    runs: int
    own: bool
    seconds: Range | None
    phases: Mapping[str, Range]
    pause: Range | None

    @property
    def source(self) -> str:
        """Where the figures come from."""
        if not self.runs:
            return "no past runs"
        return f"{self.runs} past {'run' if self.runs == 1 else 'runs'}" + ("" if self.own else " of any bench")


def past_move(outcome: Mapping[str, Any]) -> PastMove | None:
    """The move in a run's outcome; None unless it moved one bench, from its beginning to its end."""
    moved: Mapping[str, Any] = outcome.get("data", {}).get(outcome.get("verb"), {})
    if outcome.get("status") != "ok" or len(moved) != 1:
        return None
    ((bench, entry),) = moved.items()
    if not entry["needed"] or entry["resumed"]:
        return None
    phases = {phase["name"]: float(phase["seconds"]) for phase in outcome["phases"]}
    return PastMove(bench, float(outcome["seconds"]), phases, _pause(entry["move"].get("phases", [])))


def _pause(journal: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds without consumers, from a journal's phases."""
    stops = [phase["started"] for phase in journal if phase["phase"] == _STOPPED]
    starts = [phase["started"] + phase["seconds"] for phase in journal if phase["phase"] == _STARTED]
    return max(starts) - min(stops) if stops and starts else None


def past_moves(verb: str) -> list[PastMove]:
    """Of the runs that were made from here, newest first."""
    found = []
    for record in records(verb, _RUNS):
        try:
            move = past_move(Run.open(record.id).outcome or {})
        except ResultsError:  # its folder was removed, or cannot be read
            continue
        found += [move] if move else []
    return found


def expectations(benches: Iterable[str], past: Sequence[PastMove]) -> dict[str, Expectation]:
    """For each bench, from its own past moves, else from those of all."""
    by_bench: defaultdict[str, list[PastMove]] = defaultdict(list)
    for move in past:
        by_bench[move.bench].append(move)
    return {bench: _expectation(by_bench.get(bench) or past, own=bench in by_bench) for bench in benches}


def _expectation(moves: Sequence[PastMove], own: bool) -> Expectation:
    names = dict.fromkeys(name for move in moves for name in move.phases)
    phases = {name: Range.of(move.phases[name] for move in moves if name in move.phases) for name in names}
    return Expectation(
        runs=len(moves),
        own=own,
        seconds=Range.of(move.seconds for move in moves),
        phases={name: seconds for name, seconds in phases.items() if seconds},
        pause=Range.of(move.pause for move in moves if move.pause is not None),
    )


def total(steps: Sequence[Step], parallel: int, expected: Mapping[str, Expectation]) -> float | None:
    """Seconds of the whole rollout by the medians; None when a bench has none.

    Moves at the same time slow each other down on a small machine, and past runs say nothing of that.
    """
    seconds = 0.0
    for step in steps:
        ends = [0.0] * parallel  # of the places, the earliest free one first
        for bench in step.benches:
            range_ = expected[bench].seconds
            if range_ is None:
                return None
            heappush(ends, heappop(ends) + range_.median)
        seconds += max(ends)
    return round(seconds, 1)
