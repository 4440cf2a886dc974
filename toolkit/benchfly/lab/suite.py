"""What is measured in a lab: a benchmark for each workload that the published figures speak of, for each tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import workload as workloads

from benchfly.errors import RefusedError
from benchfly.lab.bed import TUNINGS
from benchfly.paths import collection

# As playbooks/benchmark.yml has it: how often as many rounds as at first, and what a trial takes besides.
_ROUNDS_MOST, _BESIDES = 5, 10.0


@dataclass(frozen=True)
class Benchmark:
    """One of the suite; `variables` are those of playbooks/benchmark.yml."""

    tuning: str
    workload: str
    variables: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.workload}, {self.tuning}"

    def longest(self, stores: int, scale: float) -> float:
        """Seconds that its trials take at most; those of a benchmark that knows enough sooner are fewer."""
        file = collection() / f"playbooks/workloads/{self.workload}.yml"
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        wanted = workloads.parse(self.workload, given, scale)
        points = len(wanted.points)
        first = (self.variables.get("benchmark_rounds") or wanted.rounds) * points
        most = self.variables.get("benchmark_rounds_most") or first * _ROUNDS_MOST
        played = 2 if self.variables.get("benchmark_twin", True) else 1
        return max(first, most) * stores * played * (wanted.seconds + _BESIDES)


def suite(only: Sequence[str] = (), tunings: Sequence[str] = ()) -> list[Benchmark]:
    """All of it, or some workloads and tunings. Raises RefusedError for one that is not in it."""
    entries = yaml.safe_load(files("benchfly.lab").joinpath("suite.yml").read_text(encoding="utf-8"))
    known = [entry["workload"] for entry in entries]
    for option, given, names in (("--workload", only, known), ("--tuning", tunings, TUNINGS)):
        if unknown := set(given) - set(names):
            raise RefusedError(f"{option}: there is no {', '.join(sorted(unknown))}. Known are {', '.join(names)}.")
    return [
        Benchmark(tuning, entry["workload"], entry.get("variables", {}))
        for tuning in TUNINGS
        if not tunings or tuning in tunings
        for entry in entries
        if not only or entry["workload"] in only
    ]
