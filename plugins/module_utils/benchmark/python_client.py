"""The last resort where no load generator is installed: threads of this Python, one connection each.

Python is the bottleneck, not the store, so its figures show only differences that are large.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from platform import python_version

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Measurement,
    Output,
    OutputError,
    Program,
    Target,
    value,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.store import connect
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError

_FILE = "python-client.json"


class PythonClient(Generator):
    name = "python-client"
    caveat = "A loop in Python: slow, and itself the limit. Only large differences between stores show."
    takes_password = True

    def find(self, path: str = "") -> Program | None:
        return Program(sys.executable, python_version())

    def run(self, program: Program, target: Target, workload: Workload, seconds: float, rate: float) -> Output:
        clients = [_Client(target, workload, number) for number in range(workload.clients)]
        started = time.monotonic()
        for client in clients:
            client.deadline = started + seconds
            client.start()
        for client in clients:
            client.join()
        troubles = [client.trouble for client in clients if client.trouble]
        result = {
            "seconds": time.monotonic() - started,
            "errors": sum(client.errors for client in clients) + len(troubles),
            "trouble": troubles[:1],
            # How many operations took so many microseconds.
            "microseconds": _histogram([latency for client in clients for latency in client.latencies]),
        }
        line = f"python-client --clients {workload.clients} --seconds {seconds:g} {workload.name}"
        return Output((line,), {_FILE: json.dumps(result)})

    def parse(self, output: Output) -> Measurement:
        try:
            result = json.loads(output.files.get(_FILE, ""))
            histogram = sorted((int(latency), count) for latency, count in result["microseconds"].items())
            operations = sum(count for _, count in histogram)
            if not operations:
                raise OutputError("python-client completed no operation. " + "".join(result["trouble"]))
            return Measurement(
                operations=operations,
                seconds=round(result["seconds"], 3),
                ops_per_second=round(operations / result["seconds"], 2),
                p50_ms=_percentile(histogram, operations, 0.50),
                p95_ms=_percentile(histogram, operations, 0.95),
                p99_ms=_percentile(histogram, operations, 0.99),
                errors=int(result["errors"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError("this is no output of python-client") from error


class _Client(threading.Thread):
    """One connection that plays the mix until its deadline."""

    def __init__(self, target: Target, workload: Workload, number: int) -> None:
        super().__init__(daemon=True)
        self._target, self._workload, self._random = target, workload, random.Random(number)
        self.deadline = 0.0
        self.latencies: list[int] = []
        self.errors, self.trouble = 0, ""

    def run(self) -> None:
        shares = [operation.share for operation in self._workload.operations]
        values = {family.bytes: value(family.bytes) for family in self._workload.families}
        try:
            with connect(self._target) as connection:
                while time.monotonic() < self.deadline:
                    operation = self._random.choices(self._workload.operations, shares)[0]
                    words = operation.words(PythonClient.item_format % self._random.randrange(self._workload.items))
                    words += [values[operation.family.bytes]] if operation.writes else []
                    before = time.perf_counter_ns()
                    try:
                        connection.call(*words)
                    except ReplyError:
                        self.errors += 1
                    self.latencies.append((time.perf_counter_ns() - before) // 1000)
        except (OSError, ReplyError) as error:
            self.trouble = str(error)


def _histogram(latencies: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for latency in latencies:
        counts[latency] = counts.get(latency, 0) + 1
    return counts


def _percentile(histogram: list[tuple[int, int]], operations: int, share: float) -> float:
    """The smallest latency, in ms, that `share` of the operations did not exceed."""
    seen = 0
    for latency, count in histogram:
        seen += count
        if seen >= share * operations:
            return latency / 1000
    raise ValueError("an empty histogram has no percentile")
