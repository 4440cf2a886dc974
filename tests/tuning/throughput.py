"""Throughput under load, against an exhaustive grid: tests.tuning.load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tuning import load
from tests.tuning.store import good

__all__ = ["good", "run"]  # a topic of the evidence

THROUGHPUT = load.Objective("throughput", "auto", rate=0.0, seconds=0.2, times=30, seconds_anew=0.2)


def run(folder: Path, short: bool) -> dict[str, Any]:
    return load.run(THROUGHPUT, folder, short)
