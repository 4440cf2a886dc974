"""What plays every workload, with the standard library alone: threads of this Python, one connection each.

Python is the bottleneck, not the store, so its closed loop shows only differences that are large. Its open loop is the
honest one: operations have intended times, and are timed from those.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from platform import python_version
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import (
    fanout,
    histogram,
    jobs,
    mix,
    storm,
    tracking,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Load,
    Measurement,
    Output,
    OutputError,
    Program,
    Reading,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

_FILE = "python-client.json"
_PLAYERS: Mapping[str, Callable[[Target, Workload, Load], dict[str, Any]]] = {
    "": mix.play,
    "storm": storm.play,
    "tracking": tracking.play,
    "fanout": fanout.play,
}


class PythonClient(Generator):
    name = "python-client"
    caveat = "A loop in Python: slow, and itself the limit. Only large differences between stores show."
    takes_password = True
    item_format = mix.ITEM_FORMAT

    def find(self, path: str = "") -> Program | None:
        """`path` is a Python that has RQ, for the workloads that need it: that of a bench, env/bin/python."""
        return Program(path or sys.executable, python_version()) if not path or shutil.which(path) else None

    def objection(self, workload: Workload) -> str:
        return ""

    def approximations(self, workload: Workload) -> list[str]:
        if not workload.rates:
            return []
        return ["Timed from the intended moment of each operation; what Python itself was late is in the latencies."]

    def run(self, program: Program, target: Target, workload: Workload, load: Load) -> Output:
        if workload.scenario == "jobs":
            result = jobs.play(program.path, target, workload, load)
        else:
            result = _PLAYERS[workload.scenario](target, workload, load)
        line = f"python-client --clients {load.clients} --seconds {load.seconds:g} --rate {load.rate:g} {workload.name}"
        return Output((line,), {_FILE: json.dumps(result)})

    def parse(self, output: Output) -> Reading:
        try:
            result = json.loads(output.files.get(_FILE, ""))
            counts = sorted((int(latency), count) for latency, count in result["microseconds"].items())
            operations = sum(count for _, count in counts)
            if not operations:
                raise OutputError("python-client completed no operation. " + "".join(result["trouble"]))
            p50, p95, p99, p999, longest = (
                _percentile(counts, operations, part) for part in (0.5, 0.95, 0.99, 0.999, 1)
            )
            measurement = Measurement(
                operations=operations,
                seconds=round(result["seconds"], 3),
                ops_per_second=round(operations / result["seconds"], 2),
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
                errors=int(result["errors"]),
                p999_ms=p999,
                max_ms=longest,
                histogram=histogram.encode(dict(counts)),
            )
            return Reading(measurement, tuple(result.get("series", ())), details=result.get("details", {}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError("this is no output of python-client") from error


def _percentile(counts: list[tuple[int, int]], operations: int, share: float) -> float:
    """The smallest latency, in ms, that `share` of the operations did not exceed."""
    seen = 0
    for latency, count in counts:
        seen += count
        if seen >= share * operations:
            return latency / 1000
    raise ValueError("an empty histogram has no percentile")
