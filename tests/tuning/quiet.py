"""From settings that are tuned already: how often a study keeps something all the same. In twenty, never."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tuning.store import study, tuned, workload

from benchfly.tuning.plan import Plan

STUDIES, SHORT = 20, 2
OBJECTIVES = ("throughput", "bytes")
SETTINGS = ("listpack_value", "hz")
TRIALS = 6
SECONDS = 0.1


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Tune once from the defaults, declare what was kept, and tune that again and again."""
    load, file = workload("session-churn", 0.001), folder / "tuned.json"
    if not file.exists():
        with tuned("redis", {}, load, SECONDS) as store:
            first = study(folder / "first", store, _plan(store, 1000))
        file.write_text(json.dumps(dict(first.kept.settings)))
    declared, found = json.loads(file.read_text()), []
    with tuned("redis", declared, load, SECONDS) as store:
        for seed in range(SHORT if short else STUDIES):
            outcome = study(folder / f"seed-{seed}", store, _plan(store, seed))
            found.append({"kept": dict(outcome.kept.settings), "because": outcome.kept.because})
    return {
        "studies": len(found),
        "tuned": declared,
        "false_wins": sum(bool(each["kept"]) for each in found),
        "of_each": found,
    }


def good(found: Mapping[str, Any]) -> bool:
    """Not one."""
    return bool(found["false_wins"] == 0)


def _plan(store: Any, seed: int) -> Plan:
    return Plan("store", store.facts, OBJECTIVES, only=SETTINGS, trials=TRIALS, minutes=60, seed=seed)
