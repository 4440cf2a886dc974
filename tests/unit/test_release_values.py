"""A release's values during a move, and that each change to them is taken back exactly."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.release_values import (
    held,
    put,
    rerun_jobs,
    undone,
    with_urls,
)

URLS = {"cache": "redis://10.0.0.9:11000", "queue": "redis://10.0.0.9:12000"}
VALUES: list[dict[str, Any]] = [
    {},
    {"externalRedis": None},
    {"externalRedis": {"cache": "redis://old:1", "queue": ""}, "dbHost": "db"},
    {"worker": {"default": {"replicaCount": 3, "resources": {}}, "scheduler": None}},
    {"jobs": {"configure": {"enabled": False, "jobName": "conf"}}, "worker": {"long": {"replicaCount": 0}}},
]


@pytest.mark.parametrize("values", VALUES)
def test_what_a_move_changes_is_taken_back_exactly(values: dict[str, Any]) -> None:
    switched, external = with_urls(values, URLS)
    assert switched["externalRedis"] == URLS
    without_consumers, away = held(switched)
    assert {without_consumers["worker"][one]["replicaCount"] for one in ("default", "short", "long", "scheduler")} == {
        0
    }
    assert undone(without_consumers, away) == switched
    assert undone(undone(without_consumers, away), external) == values


def test_what_somebody_changed_meanwhile_stays() -> None:
    switched, external = with_urls({"worker": {"short": {}}}, URLS)
    switched["image"] = {"tag": "v16"}
    assert undone(switched, external) == {"worker": {"short": {}}, "image": {"tag": "v16"}}
    del switched["externalRedis"]
    assert undone(switched, external) == {"worker": {"short": {}}, "image": {"tag": "v16"}}


def test_a_configure_job_that_is_off_or_has_a_name_of_its_own_runs_all_the_same() -> None:
    values, _ = held({"jobs": {"configure": {"enabled": False, "jobName": "conf"}}})
    assert values["jobs"]["configure"] == {"enabled": True, "jobName": ""}
    values, _ = held({})
    assert "jobs" not in values


def test_put_says_what_was_there() -> None:
    values: dict[str, Any] = {"a": {"b": 1}, "c": 2}
    assert put(values, ("a", "b"), 3) == {"path": ["a", "b"], "value": 1}
    assert put(values, ("c", "d"), 4) == {"path": ["c"], "value": 2}
    assert put(values, ("e", "f"), 5) == {"path": ["e"]}
    assert values == {"a": {"b": 3}, "c": {"d": 4}, "e": {"f": 5}}


def test_jobs_that_an_upgrade_would_run_again() -> None:
    jobs = {"configure": {"enabled": True}, "createSite": {"enabled": True}, "dropSite": {"enabled": False}, "x": None}
    assert rerun_jobs({"jobs": jobs}) == ["createSite"]
    assert rerun_jobs({}) == []
