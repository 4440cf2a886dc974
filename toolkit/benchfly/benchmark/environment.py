"""What must be the same before two benchmarks may be put side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchfly.benchmark.trials import Benchmark

# Of a host; what else an environment has (its name, its packages) may differ.
HOST_FIELDS = ("kernel", "cpu_model", "cpus", "memory", "thp", "governor", "instance_type", "clocksource")


def hosts(benchmark: Benchmark) -> list[dict[str, Any]]:
    """What counts of each host, without its name: hosts of the same kind may stand in for each other."""
    found = [{key: each.get(key) for key in HOST_FIELDS} for each in benchmark.environments.values()]
    return sorted(found, key=lambda each: json.dumps(each, default=str))


def host_class(benchmark: Benchmark) -> str:
    """A short name for that kind of hosts; where nothing is known of them, for these very hosts."""
    known: Any = hosts(benchmark) or sorted({server.at.rpartition(":")[0] for server in benchmark.stores})
    return hashlib.sha256(json.dumps(known, default=str).encode()).hexdigest()[:12]


def load(benchmark: Benchmark) -> dict[str, Any]:
    """How load was made: with another load there is nothing to compare."""
    objective = benchmark.workload.objective
    return {
        "workload": benchmark.workload.name,
        "scale": benchmark.scale,
        "generator": f"{benchmark.generator} {benchmark.version}",
        "loop": benchmark.loop,
        "seconds": benchmark.seconds,
        **({"objective": str(objective)} if objective else {"rate": benchmark.rate}),
    }


def load_class(benchmark: Benchmark) -> str:
    """A line that is the same where the load was."""
    return json.dumps(load(benchmark), sort_keys=True)


def mismatches(benchmarks: Sequence[Benchmark]) -> list[str]:
    """What must match and does not, each as a sentence without its full stop; empty when all may be compared."""
    found: list[str] = []
    for other in benchmarks[1:]:
        found += _different(load(benchmarks[0]), load(other))
        if benchmarks[0].workload != other.workload:
            found.append(f"workload {other.workload.name} is another one under the same name")
        if host_class(benchmarks[0]) != host_class(other):
            pairs = list(zip(hosts(benchmarks[0]), hosts(other), strict=False))
            apart = [text for one, two in pairs for text in _different(one, two)]
            found += apart or ["the hosts are others, or of another number"]
        found += _different(_stores(benchmarks[0]), _stores(other))
    return list(dict.fromkeys(found))


def _stores(benchmark: Benchmark) -> dict[str, Any]:
    return {
        f"store {server.name}": f"{server.engine} {server.version} {dict(server.settings) or ''}".strip()
        for server in benchmark.stores
    }


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key in {**one, **other}:
        if one.get(key) != other.get(key):
            yield f"{key} is {_said(one.get(key))} in one and {_said(other.get(key))} in another"


def _said(value: object) -> str:
    return "none" if value in (None, "") else str(value)
