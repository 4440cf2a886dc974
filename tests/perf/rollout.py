"""Wall time of a rollout against moving one bench after the other: python -m tests.perf.rollout [BENCHES]

Small stand-in benches on this machine (one gunicorn worker, two background workers, scheduler, socketio) move with
`benchfly migrate --all --canary 1 --batch 25%`, come back, and move again with a `benchfly migrate --bench` for each.
This machine is controller, bench hosts and store host at once, so what is computed there competes with what waits.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.rollout import Benches, running
from tests.perf.figures import keep

TIMEOUT = 7200.0


def timed(benches: Benches, *words: str) -> dict[str, Any]:
    """Run a command, which must succeed: seconds, seconds of processor time below it, and what it said."""
    used, began = _cpu(), time.monotonic()
    code, said = benches.run(*words, timeout=TIMEOUT)
    if code:
        raise SystemExit(f"{' '.join(words)} ended with {code}: {said.get('message')}")
    return {"seconds": time.monotonic() - began, "cpu_seconds": _cpu() - used, "said": said}


def measure(benches: Benches) -> dict[str, Any]:
    names = list(benches.benches)
    load = os.getloadavg()[0]
    rollout = timed(benches, "migrate", "--all", "--canary", "1", "--batch", "25%")
    moved = [row["seconds"] for row in rollout["said"]["benches"].values() if row["state"] == "moved"]
    back = timed(benches, "rollback", "--all", "--canary", "1", "--batch", "25%")
    singly = [timed(benches, "migrate", "--bench", name) for name in names]
    timed(benches, "verify")
    one_by_one = sum(single["seconds"] for single in singly)
    return {
        "benches": len(names),
        "load_before": round(load, 1),
        "parallel": rollout["said"]["parallel"],
        "steps": len({row["step"] for row in rollout["said"]["benches"].values()}),
        "moved": len(moved),
        "rollout_seconds": round(rollout["seconds"], 1),
        "rollout_cpu_seconds": round(rollout["cpu_seconds"], 1),
        "seconds_of_a_bench_in_the_rollout": round(median(moved), 1),
        "rollback_seconds": round(back["seconds"], 1),
        "one_by_one_seconds": round(one_by_one, 1),
        "one_by_one_cpu_seconds": round(sum(single["cpu_seconds"] for single in singly), 1),
        "seconds_of_a_bench_alone": round(median(single["seconds"] for single in singly), 1),
        "rollout_to_one_by_one": round(rollout["seconds"] / one_by_one, 2),
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    names = [f"bench{number:02}" for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), names) as benches:
        figures = measure(benches)
    keep("rollout", figures)


if __name__ == "__main__":
    main()
