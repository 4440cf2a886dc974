"""Throughput and p99 under load: what a study keeps, against the best of an exhaustive grid, for five seeds.

session-churn and frappe-site in small. Whatever the machine does meanwhile it does to both sides: whatever is played is
played beside the settings of the beginning, and the ratio counts. The best of a grid and what a study kept are played
anew, many times, so that neither figure is the one that it was chosen by: the best of many is also the luckiest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.evidence.interval import interval
from tests.tuning.store import ENGINES, Tuned, against_grid, good, grid, study, tuned, workload

from benchfly.tuning.objectives import OBJECTIVES, gain
from benchfly.tuning.plan import Plan, Step, result
from benchfly.tuning.space import Settings, space

__all__ = ["good", "run"]  # a topic of the evidence

WORKLOADS = {"session-churn": 0.001, "frappe-site": 1.0}
OBJECTIVE = ("throughput", "p99")
GRID = ("threads", "hz", "listpack_value")
STARTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "bad": {"threads": 4, "hz": 200, "listpack_value": 8192, "listpack_entries": 2048},
}
SECONDS = {"throughput": 0.2, "p99": 0.5}
RATE = 500.0  # a second, for p99
ANEW = 30  # times that the best and what was kept are played
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
                    load, open_loop = workload(name, scale), objective == "p99"
                    with tuned(engine, declared, load, SECONDS[objective], open_loop) as store:
                        about = {"engine": f"{engine} {store.version}", "workload": name, "start": start}
                        best = _best(place, store, objective)
                        for seed in SHORT_SEEDS if short else SEEDS:
                            found.append({**about, "objective": objective, "seed": seed})
                            found[-1] |= _study(place, store, objective, seed, best)
    return against_grid(found)


def _best(place: Path, store: Tuned, objective: str) -> dict[str, Any]:
    """The best point of the grid: its settings, what they gain, and how many points there are."""
    kept_in = place / "best.json"
    if not kept_in.exists():
        choices = {setting.name: setting.choices(store.facts) for setting in space() if setting.name in GRID}
        points = grid(place / "grid.jsonl", choices, lambda point: _gains(store, objective, point, 1)[0], store.spec)
        best = max(points, key=lambda point: float(point["found"]))["settings"]
        gains = _gains(store, objective, best, ANEW)
        kept_in.write_text(json.dumps({"settings": best, "gains": gains, "points": len(points)}))
    return dict(json.loads(kept_in.read_text()))


def _study(place: Path, store: Tuned, objective: str, seed: int, best: Mapping[str, Any]) -> dict[str, Any]:
    kept_in = place / f"seed-{seed}.json"
    if kept_in.exists():
        return dict(json.loads(kept_in.read_text()))
    plan = Plan("store", store.facts, (objective,), only=GRID, trials=TRIALS, minutes=60, seed=seed)
    outcome = study(place / f"seed-{seed}", store, plan)
    kept = dict(outcome.kept.settings)
    reached = _gains(store, objective, kept, ANEW) if kept else [0.0]
    lines = outcome.kept.lines.values() if kept else ()
    least, most = interval(best["gains"])
    figures = {
        "kept": kept,
        "because": outcome.kept.because,
        "gain_kept": round(math.expm1(median(reached)), 4),
        "best_of_grid": best["settings"],
        "gain_best_of_grid": [round(math.expm1(each), 4) for each in (median(best["gains"]), least, most)],
        # Of what the best point of the grid reaches. Where its interval has no gain at all, there is none to be had.
        "recovered": round(min(1.0, math.exp(median(reached) - (median(best["gains"]) if least > 0 else 0.0))), 4),
        "trials": outcome.trials,
        "share_of_grid": round(outcome.trials / best["points"], 4),
        "unproved": sum(not line.effects[objective].better for line in lines),
        "seconds": outcome.seconds,
    }
    kept_in.write_text(json.dumps(figures, indent=2))
    return figures


def _gains(store: Tuned, objective: str, settings: Settings, times: int) -> list[float]:
    """Gains over the settings of the beginning, each time played beside them; none where a play is none."""
    rate = RATE if objective == "p99" else 0.0
    found = []
    for _ in range(times):
        before, after = (result(each).measured for each in store.measure([Step({}, rate), Step(settings, rate)]))
        found.append(gain(OBJECTIVES[objective], after, before) if before and after else -math.inf)
    return found
