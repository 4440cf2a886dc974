"""What the probes of a move saw: single attempts, and the gaps and latencies they come to."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchfly.errors import ResultsError
from benchfly.report.summary import PROBES, Gaps, Latencies, Latency


@dataclass(frozen=True)
class Attempt:
    """One attempt of a probe (enqueue, cache or http): when it was due (Unix time), how long until it was answered."""

    probe: str
    at: float
    ms: float
    error: str = ""

    @property
    def end(self) -> float:
        return self.at + self.ms / 1000


@dataclass(frozen=True)
class Gap:
    """A time without a success (Unix time), the pause between two attempts included."""

    begin: float
    end: float

    @property
    def ms(self) -> float:
        return round((self.end - self.begin) * 1000, 1)


def by_probe(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    """The attempts of each probe that made any."""
    found: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(attempt.probe, []).append(attempt)
    return {probe: found[probe] for probe in PROBES if probe in found}


def stretches(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """One probe's attempts by time, divided where it paused: where none was due for much longer than usual."""
    ordered = sorted(attempts, key=lambda attempt: attempt.at)
    steps = [after.at - before.at for before, after in itertools.pairwise(ordered)]
    pause = 20 * median(steps) if steps else 0.0
    ends = [number for number, step in enumerate(steps, 1) if step > pause]
    return [ordered[begin:end] for begin, end in itertools.pairwise([0, *ends, len(ordered)])]


def longest_gap(attempts: Iterable[Attempt], since: float = -math.inf, until: float = math.inf) -> Gap | None:
    """Of one probe, the longest gap that touches the interval; None when it had no two successes there."""
    found = []
    for stretch in stretches(attempts):
        ends = sorted(attempt.end for attempt in stretch if not attempt.error)
        found += [Gap(begin, end) for begin, end in itertools.pairwise(ends) if end > since and begin < until]
    return max(found, key=lambda gap: gap.ms, default=None)


def gaps(attempts: Iterable[Attempt], since: float = -math.inf, until: float = math.inf) -> Gaps:
    """The longest gap of each probe in the interval."""
    longest = {probe: longest_gap(some, since, until) for probe, some in by_probe(attempts).items()}
    return Gaps(**{probe: gap.ms for probe, gap in longest.items() if gap})


def latencies(attempts: Iterable[Attempt], since: float = -math.inf, until: float = math.inf) -> Latencies:
    """The latency of each probe's successes that were due in the interval."""
    good = [attempt for attempt in attempts if not attempt.error and since <= attempt.at < until]
    return Latencies(**{probe: _latency([attempt.ms for attempt in some]) for probe, some in by_probe(good).items()})


def read_attempts(path: Path) -> list[Attempt]:
    """The attempts in a canary's log, one JSON object a line. Raises ResultsError that names the file and the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    return [_attempt(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _attempt(line: str, where: str) -> Attempt:
    try:
        entry = json.loads(line)
        return Attempt(entry["probe"], float(entry["at"]), float(entry["ms"]), entry["error"])
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{where}: no line of a canary's log") from error


def _latency(values: list[float]) -> Latency:
    ranked = sorted(values)
    p50, p99 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.50, 0.99))
    return Latency(round(p50, 3), round(p99, 3))
