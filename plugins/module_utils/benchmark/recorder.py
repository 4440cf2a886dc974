"""What the Python client measures with: latencies, operations per second, and when each is due."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

_WOKEN = 0.02  # seconds in which threads that wait for the last one are awake

Prepared = TypeVar("Prepared")


class Recorder:
    """Of one thread. Latencies are counted by microsecond, operations by second since `started` (monotonic)."""

    def __init__(self, started: float = 0.0) -> None:
        self.started = started
        self.latencies: Counter[int] = Counter()
        self.seconds: Counter[int] = Counter()
        self.errors, self.trouble = 0, ""

    def add(self, due: float, done: float) -> None:
        """An operation that should have begun at `due`."""
        self.latencies[int((done - due) * 1_000_000)] += 1
        self.seconds[int(done - self.started)] += 1


class Beginning:
    """The moment at which so many threads begin together, once each of them has made its connection.

    What connecting takes would else be counted as latency of the first operations, and of a short play those are the
    slowest hundredth. On a busy machine it takes longer than any time one could allow for it.
    """

    def __init__(self, threads: int) -> None:
        self.at = 0.0
        self._all_there = threading.Barrier(threads, self._set)

    def _set(self) -> None:
        self.at = time.monotonic() + _WOKEN

    def after(self, prepare: Callable[[], Prepared]) -> Prepared:
        """Prepare, and wait until the moment `at`; every thread must, and one that raises has kept no other waiting."""
        try:
            return prepare()
        finally:
            self._all_there.wait()
            time.sleep(max(0.0, self.at - time.monotonic()))


def result(recorders: Sequence[Recorder], seconds: float, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """All threads' figures as JSON takes them."""
    latencies: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    for recorder in recorders:
        latencies.update(recorder.latencies)
        counts.update(recorder.seconds)
    troubles = [recorder.trouble for recorder in recorders if recorder.trouble]
    return {
        "seconds": seconds,
        "errors": sum(recorder.errors for recorder in recorders) + len(troubles),
        "trouble": troubles[:1],
        "microseconds": dict(latencies),
        "series": [counts[second] for second in range(max(counts, default=0) + 1)],
        "details": details or {},
    }


def due_times(started: float, deadline: float, rate: float, number: int, of: int) -> Iterator[float]:
    """When each operation of client `number` should begin: at once in a closed loop (`rate` 0), else in a fixed rhythm.

    In an open loop the time is yielded when it has come, or at once if it is past: whoever times from it counts what
    an operation waited for those before it, which is what users wait too (no coordinated omission).
    """
    count = 0
    while True:
        due = started + (number + count * of) / rate if rate else time.monotonic()
        if due >= deadline:
            return
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        elif time.monotonic() >= deadline:
            return
        yield due
        count += 1


def run_threads(work: Callable[[int], None], number: int) -> None:
    """So many threads, each with its number, to their ends.

    What this process had before is no garbage: to look through it would halt all of them for milliseconds.
    """
    threads = [threading.Thread(target=work, args=(at,), daemon=True) for at in range(number)]
    gc.collect()
    gc.freeze()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.unfreeze()
