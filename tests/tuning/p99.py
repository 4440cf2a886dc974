"""p99 at a rate, against an exhaustive grid: tests.tuning.load. Needs memtier_benchmark.

The p99 of two plays in a row swings by a tenth or more where threads of Python make the load, and by some per cent with
memtier_benchmark. The rate is one at which a store with an I/O thread for each CPU, the bad beginning, is slower here
than one without; at 30,000 a second it is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tuning import load
from tests.tuning.store import good

__all__ = ["good", "run"]  # a topic of the evidence

P99 = load.Objective("p99", "memtier_benchmark", rate=10_000.0, seconds=0.3, times=30, seconds_anew=1.0)


def run(folder: Path, short: bool) -> dict[str, Any]:
    return load.run(P99, folder, short)
