"""What the evidence of tuning and schedules calls good: nothing that was not put to the test. Noise is made up here."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.tuning import changes
from tests.tuning.kills import good

KEPT = {"kills": 19, "left_changed": 7, "changed_without_journal": 0, "not_restored": 0, "kept_in_the_end": {"hz": 10}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"left_changed": 0}, False),
        ({"changed_without_journal": 1}, False),
        ({"not_restored": 1}, False),
        ({"kept_in_the_end": {}}, False),
    ],
)
def test_kills_are_good_only_if_some_fell_on_a_changed_store(change: dict[str, Any], expected: bool) -> None:
    assert good({**KEPT, **change}) is expected


def test_planted_changes_are_found_in_a_history_and_a_quiet_one_is_quiet() -> None:
    pytest.importorskip("otava", reason="Apache Otava is not installed")
    lot = random.Random(1)
    slower = {"slowed by 10 %": 1.1, "another setting": 1.3}

    def played(name: str) -> dict[str, float]:
        took = slower.get(name, 1.0)
        return {
            metric.field: (1 / took if metric.more_is_better else took) * lot.lognormvariate(0, 0.03)
            for metric in changes.MEASURED
        }

    runs = [{name: [played(name) for _ in range(8)] for name in changes.PLAYS} for _ in range(changes.RUNS)]
    found = changes.judged([runs], compared=True)
    assert found["quiet"] == {"histories": 4, "runs": 240, "alarms": 0}
    assert [found[name]["found"] for name in slower] == [found[name]["named"] for name in slower] == [4, 4]
    assert changes.good({"compared with a reference": found})
    missed = {**found, "another setting": {**found["another setting"], "found": 3}}
    assert not changes.good({"compared with a reference": missed})
    assert not changes.good({"compared with a reference": {**found, "quiet": {"alarms": 1}}})
