"""Clearing a cache under its readers: KEYS and UNLINK of everything, and what all of them then miss at once."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import PREFIX, Operation
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Load, Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.mix import Client, play_with
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_FILLS = {"GET": "SET", "HGET": "HSET"}
# The cache is back when of so many reads in a row so many are hits.
_READS, _HITS = 100, 90


def play(target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    """The mix, cleared every so often; `details` has each storm's keys and times in ms (null: not back in time)."""
    ended, storms = threading.Event(), []
    every = workload.number("every_ms") / 1000
    # However late its last reads are: a store is cleared within the seconds of the play.
    deadline = time.monotonic() + load.seconds
    clearing = threading.Thread(target=_clear, args=(target, every, deadline, ended, storms), daemon=True)
    clearing.start()
    try:
        result = play_with(_Reader, target, workload, load)
    finally:
        ended.set()
        clearing.join()
    reads = result["details"].pop("reads")
    times = [at for at, _ in reads]
    for storm in storms:
        storm["recovered_ms"] = _recovered(reads[bisect_left(times, storm.pop("at")) :])
    result["details"]["storms"] = storms
    return result


def _clear(target: Target, every: float, deadline: float, ended: threading.Event, storms: list[dict[str, Any]]) -> None:
    """As Frappe does it: KEYS over the whole store, and one UNLINK of all that it names."""
    while time.monotonic() + every < deadline and not ended.wait(every):
        try:
            with store.connect(target) as connection:
                started = time.monotonic()
                keys = connection.call("KEYS", PREFIX + "*")
                found = time.monotonic()
                if keys:
                    connection.call("UNLINK", *keys)
                at = time.monotonic()
            milliseconds = {"keys_ms": (found - started) * 1000, "unlink_ms": (at - found) * 1000}
            storms.append({"keys": len(keys), **milliseconds, "at": at})
        except (OSError, ReplyError):
            return  # the readers meet the same, and say so


def _recovered(reads: list[tuple[float, bool]]) -> float | None:
    """Milliseconds until the hits were back."""
    hits = 0
    for number, (at, hit) in enumerate(reads):
        hits += hit - (reads[number - _READS][1] if number >= _READS else 0)
        if number >= _READS - 1 and hits >= _HITS:
            return round((at - reads[0][0]) * 1000, 1)
    return None


class _Reader(Client):
    """A client that fills in what it misses, after the time that SQL would take."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.reads: list[tuple[float, bool]] = []

    @classmethod
    def details(cls, clients: list[Any]) -> dict[str, Any]:
        return {"reads": sorted(read for client in clients for read in client.reads)}

    def operate(self, connection: Connection, due: float, operation: Operation, item: str) -> Any:
        reply = super().operate(connection, due, operation, item)
        if operation.command in _FILLS:
            self.reads.append((time.monotonic(), reply is not None))
            if reply is None:
                time.sleep(self.workload.number("miss_ms") / 1000)
                fill = Operation(_FILLS[operation.command], operation.family, 0)
                super().operate(connection, time.monotonic(), fill, item)
        return reply
