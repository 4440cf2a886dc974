"""Whether a benchmark whose controller is killed, stage after stage, still comes to its end with each round once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stores.servers import Server
from tests.stores.test_benchmark_killed import FEW, STAGES, kill_at


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Kill one benchmark at each stage; what it left for the next attempt is checked each time."""
    stages = FEW if short else STAGES
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        with Server(place / "old") as old, Server(place / "new") as new:
            measured = kill_at(place, (old, new), stages)
    return {"killed_at": [task for task, _ in stages], "rounds": len({trial.round for trial in measured.trials})}


def good(found: Mapping[str, Any]) -> bool:
    """It came to its end with all rounds; anything else has failed before."""
    return bool(found["rounds"] == 3)
