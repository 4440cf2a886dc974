"""Bytes a session: what a study keeps, against the best of an exhaustive grid, for five seeds from three beginnings.

The workload is session-churn in small: hashes of a session of 512 bytes on average each. The grid has every value of
three settings, also of those that the rules leave out of the search.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.tuning.store import ENGINES, Tuned, against_grid, good, grid, study, tuned, workload

from benchfly.tuning.plan import Plan
from benchfly.tuning.space import Settings, space

__all__ = ["good", "run"]  # a topic of the evidence

SCALE = 0.001
SECONDS = 0.1  # of a play, which is for the guards alone: bytes are read before it
GRID = ("listpack_value", "listpack_entries", "hz")
STARTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "as the server comes": {"listpack_value": 64},
    "bad": {"listpack_value": 0, "listpack_entries": 16, "hz": 200},
}
SEEDS, SHORT_SEEDS = range(5), range(1)
TRIALS, ROUNDS = 12, 8
REPEATS = 9


def run(folder: Path, short: bool) -> dict[str, Any]:
    """The grids and studies that are not done yet."""
    load, found = workload("session-churn", SCALE), []
    engines = ["redis"] if short else list(ENGINES)
    starts = ["default", "bad"] if short else list(STARTS)
    for engine in engines:
        for start in starts:
            place = folder / f"{engine}-{start.replace(' ', '-')}"
            place.mkdir(exist_ok=True)
            with tuned(engine, STARTS[start], load, SECONDS) as store:
                best, points = _grid(place / "grid.jsonl", store)
                for seed in SHORT_SEEDS if short else SEEDS:
                    found.append({"engine": f"{engine} {store.version}", "start": start, "seed": seed})
                    found[-1] |= _study(place / f"seed-{seed}", store, seed, best, points)
    return against_grid(found)


def _grid(file: Path, store: Tuned) -> tuple[Settings, int]:
    """The combination with the fewest bytes an item, and how many there are."""
    choices = {setting.name: setting.choices(store.facts) for setting in space() if setting.name in GRID}
    points = grid(file, choices, store.bytes_of, store.spec)
    return min(points, key=lambda point: float(point["found"]))["settings"], len(points)


def _study(folder: Path, store: Tuned, seed: int, best: Settings, points: int) -> dict[str, Any]:
    kept_in = folder.with_suffix(".json")
    if kept_in.exists():
        return dict(json.loads(kept_in.read_text()))
    outcome = study(
        folder, store, Plan("store", store.facts, ("bytes",), trials=TRIALS, rounds=ROUNDS, minutes=60, seed=seed)
    )
    kept = dict(outcome.kept.settings)
    # Each measured anew: the least of a grid is also the luckiest, and what was kept was chosen by its figure.
    today, after, fewest = (median(store.bytes_of(each) for _ in range(REPEATS)) for each in ({}, kept, best))
    to_gain = today - fewest
    lines = outcome.kept.lines.values() if outcome.kept.settings else ()
    figures = {
        "kept": kept,
        "because": outcome.kept.because,
        "bytes_today": round(today, 1),
        "bytes_kept": round(after, 1),
        "bytes_best_of_grid": round(fewest, 1),
        # Where there is not so much as the least gain worth a change to be had, having it all is changing nothing.
        "recovered": round(min(1.0, (today - after) / to_gain), 4) if to_gain > 0.01 * today else float(after <= today),
        "trials": outcome.trials,
        "share_of_grid": round(outcome.trials / points, 4),
        "unproved": sum(not _sure(line.effects["bytes"]) for line in lines),
        "seconds": outcome.seconds,
    }
    kept_in.write_text(json.dumps(figures, indent=2))
    return figures


def _sure(effect: Any) -> bool:
    """Whether its interval leaves out that nothing changed, on the right side."""
    return bool(effect.high < 1)
