"""What the evidence of tuning calls good: nothing that was not put to the test."""

from __future__ import annotations

from typing import Any

import pytest
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
