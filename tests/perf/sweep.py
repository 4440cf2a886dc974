"""What the sweep costs, against the floor of the same keys in the same run: python -m tests.perf.sweep

Queues of 1,000 to 100,000 jobs, and caches whose cold part grows while what has to move stays the same, there and back.
The trial itself runs on the libraries of the bench, see sweep_trial.py. With DRAGONFLY they go to that one and back.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import linear_regression, median

from demo.standin.environment import BenchEnv, ensure_env
from tests.perf.figures import ROOT, keep
from tests.stores.binaries import version
from tests.stores.servers import DragonflyServer, Server

TRIAL = Path(__file__).with_name("sweep_trial.py")
JOBS = (1_000, 10_000, 100_000)
MEGABYTES = (0, 100, 1_000)
ROUNDS = int(os.environ.get("ROUNDS", "3"))
WAYS = ("there", "back")
DRAGONFLY = os.environ.get("DRAGONFLY")

Seconds = dict[str, float]


def trial(env: BenchEnv, purpose: str, size: int) -> Seconds:
    """Seconds of one trial on two new servers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "old", "--enable-debug-command", "local") as old,
        target(Path(folder) / "new", purpose) as new,
    ):
        command = [str(env.python), str(TRIAL), old.url, new.url, purpose, str(size)]
        variables = env.variables | {"PYTHONPATH": str(ROOT / "collections")}
        done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    seconds: Seconds = json.loads(done.stdout)
    return seconds


def target(folder: Path, purpose: str) -> Server:
    return DragonflyServer(folder, DRAGONFLY, purpose, memory="3gb") if DRAGONFLY else Server(folder)


def row(purpose: str, size: int, trials: list[Seconds]) -> dict[str, object]:
    """Medians of the trials of one size, and each way's median ratio to its own floor."""
    middle = {name: round(median(seconds[name] for seconds in trials), 3) for name in trials[0]}
    ratios = {way: round(median(each[way] / each[f"{way} floor"] for each in trials), 2) for way in WAYS}
    return {"purpose": purpose, "size": size, "trials": len(trials), "seconds": middle, "ratio": ratios}


def growth(rows: list[dict[str, object]], way: str) -> float:
    """The exponent e of seconds = c * jobs ** e; 1 is linear."""
    sizes = [math.log(each["size"]) for each in rows]  # type: ignore[arg-type]
    seconds = [math.log(each["seconds"][way]) for each in rows]  # type: ignore[index]
    return round(linear_regression(sizes, seconds).slope, 2)


def main() -> None:
    env = ensure_env()
    # Sizes take turns, so that a busy minute of the machine is no size's own.
    trials: dict[tuple[str, int], list[Seconds]] = {}
    for _ in range(ROUNDS):
        for purpose, sizes in (("queue", JOBS), ("cache", MEGABYTES)):
            for size in sizes:
                trials.setdefault((purpose, size), []).append(trial(env, purpose, size))
    rows = [row(purpose, size, found) for (purpose, size), found in trials.items()]
    queues = [each for each in rows if each["purpose"] == "queue"]
    figures = {"rows": rows, "exponent": {way: growth(queues, way) for way in WAYS}}
    if DRAGONFLY:
        keep("sweep-dragonfly", {"target": version(Path(DRAGONFLY)), **figures})
    else:
        keep("sweep", figures)


if __name__ == "__main__":
    main()
