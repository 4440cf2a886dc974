"""An objective under load: what a study keeps, against the best of an exhaustive grid, for five seeds.

session-churn and frappe-site in small. Whatever the machine does meanwhile it does to both sides: whatever is played is
played beside what it is compared with, and the ratio counts. The best of many is also the luckiest, so the first few of
the grid are played again before one is called its best, and what a study kept is held against that one in plays anew.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from tests.evidence.interval import interval
from tests.tuning.store import ENGINES, Tuned, against_grid, grid, study, tuned, workload

from benchfly.tuning.objectives import OBJECTIVES, gain
from benchfly.tuning.plan import Plan, Step, result
from benchfly.tuning.space import Settings, space

# Scale, and clients instead of the one that so few sessions would leave.
WORKLOADS = {"session-churn": (0.001, 16), "frappe-site": (1.0, None)}
GRID = ("threads", "hz", "listpack_value")
STARTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    # As many threads as CPUs leave none to whoever makes the load: here it does half of what one thread does.
    "bad": {"threads": os.cpu_count(), "hz": 200, "listpack_value": 8192, "listpack_entries": 2048},
}
FEW, AGAIN = 6, 5  # of the grid's first, and times that each is played before the best is chosen
SEEDS, SHORT_SEEDS = range(5), range(1)
TRIALS = 16


@dataclass(frozen=True)
class Objective:
    """How it is measured: by which generator, at which rate (0: in a closed loop), and in plays of how many seconds.

    The best of the grid is played `times` times beside the beginning, and what was kept beside that best, for
    `seconds_anew` each: as often and as long as tell 5 %.
    """

    name: str
    generator: str
    rate: float
    seconds: float
    times: int
    seconds_anew: float


def run(objective: Objective, folder: Path, short: bool) -> dict[str, Any]:
    """The grids and studies that are not done yet."""
    found: list[dict[str, Any]] = []
    cases = itertools.product(ENGINES, WORKLOADS, STARTS)
    for engine, name, start in (("redis", "session-churn", start) for start in STARTS) if short else cases:
        place = folder / f"{engine}-{name}-{start}"
        place.mkdir(exist_ok=True)
        with tuned(engine, STARTS[start], _load(name), objective.seconds, objective.generator) as store:
            about = {"engine": f"{engine} {store.version}", "workload": name, "start": start}
            best = _best(place, store, objective)
            seeds = SHORT_SEEDS if short else SEEDS
            found += [{**about, "seed": seed, **_study(place, store, objective, seed, best)} for seed in seeds]
    return {
        "generator": f"{store.generator.name} {store.program.version}",
        "rate": objective.rate,
        **against_grid(found),
    }


def _load(name: str) -> Workload:
    scale, clients = WORKLOADS[name]
    load = workload(name, scale)
    return replace(load, clients=(clients,)) if clients else load


def _best(place: Path, store: Tuned, objective: Objective) -> dict[str, Any]:
    """The best point of the grid: its settings, what they gain, and how many points there are."""
    kept_in = place / "best.json"
    if not kept_in.exists():
        choices = {setting.name: setting.choices(store.facts) for setting in space() if setting.name in GRID}
        points = grid(place / "grid.jsonl", choices, lambda point: _gains(store, objective, point, 1)[0], store.spec)
        first = sorted(points, key=lambda point: -float(point["found"]))[:FEW]
        best = max(
            (point["settings"] for point in first), key=lambda each: median(_gains(store, objective, each, AGAIN))
        )
        gains = _anew(store, objective, best)
        kept_in.write_text(json.dumps({"settings": best, "gains": gains, "points": len(points)}))
    return dict(json.loads(kept_in.read_text()))


def _study(place: Path, store: Tuned, objective: Objective, seed: int, best: Mapping[str, Any]) -> dict[str, Any]:
    kept_in = place / f"seed-{seed}.json"
    if kept_in.exists():
        return dict(json.loads(kept_in.read_text()))
    asked: dict[str, Any] = {"only": GRID, "trials": TRIALS, "minutes": 60, "rate": objective.rate, "seed": seed}
    plan = Plan("store", store.facts, (objective.name,), **asked)
    outcome = study(place / f"seed-{seed}", store, plan)
    kept = dict(outcome.kept.settings)
    least, most = interval(best["gains"])
    # Where the interval of the best point has no gain at all, there is none to be had, and the beginning is as good.
    beside = best["settings"] if least > 0 else {}
    missed = [0.0] if kept == beside else _anew(store, objective, kept, beside)
    lines = outcome.kept.lines.values() if kept else ()
    figures = {
        "kept": kept,
        "because": outcome.kept.because,
        "best_of_grid": best["settings"],
        "gain_best_of_grid": [round(math.expm1(each), 4) for each in (median(best["gains"]), least, most)],
        "recovered": round(min(1.0, math.exp(median(missed))), 4),
        "recovered_interval": [round(math.exp(end), 4) for end in interval(missed)],
        "trials": outcome.trials,
        "share_of_grid": round(outcome.trials / best["points"], 4),
        "unproved": sum(not line.effects[objective.name].better for line in lines),
        "seconds": outcome.seconds,
    }
    kept_in.write_text(json.dumps(figures, indent=2))
    return figures


def _anew(store: Tuned, objective: Objective, settings: Settings, beside: Settings | None = None) -> list[float]:
    """Gains as `_gains` has them, of as many plays, and as long ones, as tell 5 % of this objective."""
    store.seconds = objective.seconds_anew
    try:
        return _gains(store, objective, settings, objective.times, beside)
    finally:
        store.seconds = objective.seconds


def _gains(
    store: Tuned, objective: Objective, settings: Settings, times: int, beside: Settings | None = None
) -> list[float]:
    """Gains over others, the settings of the beginning if none are given, each time played beside them; none where a
    play is none."""
    if not objective.rate:
        _settle(store)
    found = []
    for _ in range(times):
        steps = [Step(each, (objective.rate,)) for each in (beside or {}, settings)]
        before, after = (result(each).measured for each in store.measure(steps))
        found.append(gain(OBJECTIVES[objective.name], after, before) if before and after else -math.inf)
    return found


def _settle(store: Tuned) -> None:
    """Know how much it does in a second, for what plays a number of requests; after what is assumed at first, twice."""
    if store.expected:
        return
    for _ in range(3):
        played = result(store.measure([Step({})])[0]).measured
        store.expected = played.ops_per_second if played else 0.0
