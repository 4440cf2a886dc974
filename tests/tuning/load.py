"""Throughput and p99 under load: what a study keeps, against the best of an exhaustive grid, for five seeds.

session-churn and frappe-site in small. Whatever the machine does meanwhile it does to both sides: a point of the grid
and what a study kept are each played beside the settings of the beginning, and the ratio counts. What was kept is
played anew for that, so its figure is not the one that it was chosen by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.tuning.store import ENGINES, Tuned, against_grid, good, grid, study, tuned, workload

from benchfly.tuning.objectives import OBJECTIVES, gain
from benchfly.tuning.plan import Plan, Step, result
from benchfly.tuning.space import Settings, space

__all__ = ["good", "run"]  # a topic of the evidence

WORKLOADS = {"session-churn": 0.001, "frappe-site": 1.0}
OBJECTIVE = ("throughput", "p99")
GRID = ("threads", "hz", "listpack_value", "listpack_entries")
STARTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "bad": {"threads": 4, "hz": 200, "listpack_value": 8192, "listpack_entries": 2048},
}
SECONDS = 0.3
REPEATS = 3
SEEDS, SHORT_SEEDS = range(5), range(1)
TRIALS = 16


def run(folder: Path, short: bool) -> dict[str, Any]:
    """The grids and studies that are not done yet."""
    found = []
    for engine in ["redis"] if short else ENGINES:
        for name, scale in list(WORKLOADS.items())[: 1 if short else None]:
            for start, declared in STARTS.items():
                for objective in OBJECTIVE[: 1 if short else None]:
                    place = folder / f"{engine}-{name}-{start}-{objective}"
                    place.mkdir(exist_ok=True)
                    load = workload(name, scale)
                    with tuned(engine, declared, load, SECONDS, open_loop=objective == "p99") as store:
                        for seed in SHORT_SEEDS if short else SEEDS:
                            about = {"engine": f"{engine} {store.version}", "workload": name, "start": start}
                            found.append({**about, "objective": objective, "seed": seed})
                            found[-1] |= _study(place, store, objective, seed)
    return against_grid(found)


def _study(place: Path, store: Tuned, objective: str, seed: int) -> dict[str, Any]:
    kept_in = place / f"seed-{seed}.json"
    if kept_in.exists():
        return dict(json.loads(kept_in.read_text()))
    plan = Plan("store", store.facts, (objective,), only=GRID, trials=TRIALS, minutes=60, seed=seed)
    choices = {setting.name: setting.choices(store.facts) for setting in space() if setting.name in GRID}
    points = grid(place / "grid.jsonl", choices, lambda point: _gain(store, objective, point, REPEATS), store.spec)
    gains = [point["found"] for point in points]
    outcome = study(place / f"seed-{seed}", store, plan)
    kept = dict(outcome.kept.settings)
    best, reached = max(gains), _gain(store, objective, kept, 3 * REPEATS) if kept else 0.0
    lines = outcome.kept.lines.values() if kept else ()
    figures = {
        "kept": kept,
        "because": outcome.kept.because,
        "gain_kept": round(math.expm1(reached), 4),
        "gain_best_of_grid": round(math.expm1(best), 4),
        # Of what the best point of the grid reaches, what is reached: both over the settings of the beginning.
        "recovered": round(min(1.0, math.exp(reached - max(best, 0.0))), 4),
        "trials": outcome.trials,
        "share_of_grid": round(outcome.trials / len(gains), 4),
        "unproved": sum(not line.effects[objective].better for line in lines),
        "seconds": outcome.seconds,
    }
    kept_in.write_text(json.dumps(figures, indent=2))
    return figures


def _gain(store: Tuned, objective: str, settings: Settings, repeats: int) -> float:
    """The median gain over the settings of the beginning, each time played beside them."""
    rate = 500.0 if objective == "p99" else 0.0
    found = []
    for _ in range(repeats):
        before, after = (result(each).measured for each in store.measure([Step({}, rate), Step(settings, rate)]))
        if before and after:
            found.append(gain(OBJECTIVES[objective], after, before))
    return median(found) if found else -math.inf
