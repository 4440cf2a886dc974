"""Which verb leads from one version to another, and whose data cannot be taken back."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.filter.store_versions import store_changes_of_version
from ansible_collections.benchfly.stores.plugins.module_utils.store_format import (
    FORMATS,
    NAMES,
    direction,
    unreadable,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import numbers


@pytest.mark.parametrize(
    ("running", "wanted", "verb"),
    [
        ("7.0.15", "8.0.2", "upgrade"),
        ("7.0.9", "7.0.15", "upgrade"),
        ("8.0.2", "7.0.15", "downgrade"),
        ("8.1.1", "8.1.1", ""),
        ("1.40.1-434478e00", "1.40.1", ""),
    ],
)
def test_versions_are_compared_by_number(running: str, wanted: str, verb: str) -> None:
    assert direction(running, wanted) == verb


def test_only_stores_on_another_version_are_moved() -> None:
    running = {"one": "8.0.1", "two": "8.1.1", "three": "8.1.3"}
    assert store_changes_of_version(running, "8.1.1") == [
        {"store": "one", "from": "8.0.1", "to": "8.1.1", "verb": "upgrade"},
        {"store": "three", "from": "8.1.3", "to": "8.1.1", "verb": "downgrade"},
    ]


@pytest.mark.parametrize(
    ("engine", "running", "wanted"),
    [
        ("redis", "6.2.14", "8.0.2"),
        ("redis", "7.0.15", "7.0.11"),
        ("redis", "8.0.2", "7.4.1"),
        ("valkey", "8.1.1", "8.0.1"),
        ("valkey", "8.1.1", "7.2.5"),
        ("dragonfly", "1.40.1", "1.39.0"),
        ("valkey", "99.1.2", "99.1.1"),  # the same series, known or not
        ("redis", "7.0.15", "99.0.0"),  # newer ones read what older ones wrote
    ],
)
def test_what_can_be_read(engine: str, running: str, wanted: str) -> None:
    assert unreadable(engine, running, wanted) == ""


@pytest.mark.parametrize(
    ("engine", "running", "wanted", "words"),
    [
        ("redis", "8.0.2", "7.0.15", "redis 8.0.2 writes RDB 12, and 7.0.15 reads up to RDB 10"),
        ("redis", "7.0.15", "6.2.14", "writes RDB 10, and 6.2.14 reads up to RDB 9"),
        ("valkey", "9.0.0", "8.1.1", "writes RDB 80, and 8.1.1 reads up to RDB 11"),
        ("dragonfly", "1.40.1", "1.38.2", "writes snapshots of kind 2, and 1.38.2 reads up to snapshots of kind 1"),
        ("redis", "99.1.0", "99.0.0", "what redis 99.1.0 writes and reads is not known here"),
        ("redis", "8.0.2", "5.0.14", "what redis 5.0.14 writes and reads is not known here"),
    ],
)
def test_what_cannot_be_read_says_why(engine: str, running: str, wanted: str, words: str) -> None:
    assert words in unreadable(engine, running, wanted)


def test_the_table_is_in_order_and_reads_what_it_writes() -> None:
    for one, other in pairwise(FORMATS):
        assert one.writes <= one.reads
        if one.engine == other.engine:
            assert numbers(one.series) < numbers(other.series)
            assert one.reads <= other.reads and one.writes <= other.writes


def test_the_documentation_has_the_same_table() -> None:
    text = (Path(__file__).parents[2] / "docs/versions.md").read_text()
    rows = re.findall(r"^\| (redis|valkey|dragonfly) \| ([\d.]+) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [
        (each.engine, each.series, NAMES[each.engine].format(each.writes), NAMES[each.engine].format(each.reads))
        for each in FORMATS
    ]
