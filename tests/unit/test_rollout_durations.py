"""What past runs let one expect."""

from __future__ import annotations

from typing import Any

import pytest

from benchfly.rollout import Batch, steps
from benchfly.rollout.durations import PastMove, Range, expectations, past_move, total


def outcome(**changes: Any) -> dict[str, Any]:
    entry = {
        "needed": True,
        "resumed": False,
        "move": {
            "phases": [
                {"phase": "Stop consumers", "started": 100.0, "seconds": 1.5},
                {"phase": "Sweep", "started": 103.0, "seconds": 1.0},
                {"phase": "Start consumers", "started": 104.5, "seconds": 2.0},
            ]
        },
    }
    entry |= changes.pop("entry", {})
    phases = [{"name": "Check", "seconds": 2.0}, {"name": "Sweep", "seconds": 1.25}]
    whole = {"verb": "migrate", "status": "ok", "seconds": 20.0, "phases": phases, "data": {"migrate": {"shop": entry}}}
    return whole | changes


def test_a_move_from_its_outcome() -> None:
    assert past_move(outcome()) == PastMove("shop", 20.0, {"Check": 2.0, "Sweep": 1.25}, 6.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed"},
        {"entry": {"needed": False}},
        {"entry": {"resumed": True}},
        {"data": {"migrate": {"shop": {}, "erp": {}}}},
        {"data": {}},
    ],
    ids=str,
)
def test_what_is_no_measure(changes: dict[str, Any]) -> None:
    assert past_move(outcome(**changes)) is None


def test_its_own_runs_else_those_of_any_else_none() -> None:
    past = [PastMove("shop", seconds, {"Sweep": 1.0}, None) for seconds in (10.0, 30.0, 14.0)]
    found = expectations(["shop", "erp"], past)
    assert (found["shop"].seconds, found["shop"].source) == (Range(14.0, 10.0, 30.0), "3 past runs")
    assert (found["erp"].seconds, found["erp"].source) == (Range(14.0, 10.0, 30.0), "3 past runs of any bench")
    assert found["shop"].pause is None
    (unknown,) = expectations(["shop"], []).values()
    assert (unknown.seconds, unknown.phases, unknown.source) == (None, {}, "no past runs")


def test_the_whole_by_medians() -> None:
    order = steps(["a", "b", "c", "d"], 1, Batch(3))
    past = [PastMove(bench, seconds, {}, None) for bench, seconds in {"a": 5.0, "b": 10.0, "c": 20.0, "d": 3.0}.items()]
    expected = expectations(["a", "b", "c", "d"], past)
    assert total(order, 1, expected) == 38.0
    assert total(order, 2, expected) == 25.0, "5, then 10 + 3 beside 20"
    assert total(order, 8, expected) == 25.0
    assert total(order, 2, expectations(["a", "b", "c", "d"], [])) is None
