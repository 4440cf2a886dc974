"""Workloads are data; a wrong one is refused with the key that is wrong."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.filter.benchmark_load import benchmark_workload
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import Keys
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import PREFIX, WorkloadError, parse

WORKLOADS = sorted((Path(__file__).parents[2] / "playbooks/workloads").glob("*.yml"))

GIVEN: dict[str, Any] = {
    "description": "a mix",
    "clients": 4,
    "items": 10,
    "families": {
        "session": {"shape": "hash-per-site", "bytes": 400},
        "document": {"shape": "string", "bytes": [[100, 75], [5000, 25]], "ttl": [60, 120]},
        "basket": {"shape": "hash-per-item", "bytes": 30, "items": 1000, "keys": {"zipf": 1.0}},
    },
    "operations": [
        {"command": "HGET", "family": "session", "share": 50},
        {"command": "SET", "family": "document", "share": 30},
        {"command": "HSET", "family": "basket", "share": 15.5},
        {"command": "DEL", "family": "basket", "share": 4.5},
    ],
}


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_the_workloads_that_come_along(path: Path) -> None:
    given = yaml.safe_load(path.read_text())
    workload = parse(str(path), given)
    assert workload.name == path.stem
    small = parse(str(path), given, 0.001)
    assert small.bytes < 2_000_000
    assert small.seconds < 2 and max(small.clients) <= 2


def test_the_published_workloads_are_as_published() -> None:
    published = {path.stem: parse(path.stem, yaml.safe_load(path.read_text())) for path in WORKLOADS}
    shares = {
        "session-churn": {"HSET": 70, "HGET": 30},
        "steady-state": {"HGET": 90, "HSET": 10},
        "burst-fill": {"HSET": 100},
    }
    for name in ("session-churn", "steady-state", "burst-fill", "long-run"):
        (session,) = published[name].families
        assert (session.items, session.shape, session.ttl) == (3_000_000, "hash-per-item", (1800, 7200))
        assert session.mean_bytes == 512
    for name, expected in shares.items():
        assert {each.command: each.share for each in published[name].operations} == expected
        assert published[name].rounds == 3
    assert published["session-churn"].clients[::2] == (256, 1024)
    assert published["steady-state"].clients[-1] == 2048
    assert (published["long-run"].seconds, published["long-run"].windows) == (1800, 6)
    assert not published["burst-fill"].filled


def test_every_key_has_the_prefix() -> None:
    hget, put, hset, delete = parse("mix", GIVEN).operations
    assert hget.words("000000000007") == ["HGET", PREFIX + "session", "000000000007"]
    assert put.words("7") == ["SET", PREFIX + "document:7"]
    assert hset.words("7") == ["HSET", PREFIX + "basket:7", "data"]
    assert delete.words("7") == ["DEL", PREFIX + "basket:7"]
    assert [each.writes for each in (hget, put, hset, delete)] == [False, True, True, False]


def test_sizes_and_lives_are_spread_as_said() -> None:
    document = parse("mix", GIVEN).families[1]
    sizes = Counter(document.size(number) for number in range(10_000))
    assert sizes[100] == pytest.approx(7500, rel=0.02)
    assert document.mean_bytes == 1325
    lives = [document.seconds(number) for number in range(1000)]
    assert (min(lives), max(lives)) == (60, 120)


@pytest.mark.parametrize(
    ("keys", "top", "share"),
    [
        (Keys(), 10, 0.01),
        (Keys("zipf", exponent=1.0), 1, 0.134),
        (Keys("hot", tiers=((10, 28.0), (40, 31.0))), 10, 0.28),
        (Keys("hot", tiers=((10, 28.0), (40, 31.0))), 50, 0.59),
        (Keys("hot", tiers=((5000, 100.0),)), 100, 0.1),
    ],
)
def test_hot_items_are_asked_for_as_often_as_said(keys: Keys, top: int, share: float) -> None:
    chance, choose = random.Random(1), keys.chooser(1000)
    chosen = [choose(chance.random()) for _ in range(20_000)]
    assert sum(item < top for item in chosen) / 20_000 == pytest.approx(share, abs=0.01)
    assert max(chosen) < 1000 and min(chosen) == 0
    assert choose(0.0) == 0 and choose(0.999999999) < 1000


def test_scale_shrinks_data_clients_and_time_together() -> None:
    given = {**GIVEN, "clients": [256, 1024], "seconds": 180, "loop": "open", "rate": [1000, 5000]}
    small = parse("mix", given, 0.05)
    assert (small.clients, small.seconds, small.rates) == ((13, 51), 9.0, (50.0, 250.0))
    assert [family.items for family in small.families] == [1, 1, 50]
    assert small.points == [(13, 50.0), (13, 250.0), (51, 50.0), (51, 250.0)]
    assert {each.family for each in small.operations} == set(small.families)
    for wrong in (0, -1, 2, "x"):
        with pytest.raises(WorkloadError, match="above 0, up to 1"):
            parse("mix", GIVEN, wrong)  # type: ignore[arg-type]


def test_numbers_of_one_run_replace_those_of_the_file() -> None:
    nothing = {"rounds": 0, "seconds": 0, "warm_up": -1, "clients": [], "rates": []}
    assert benchmark_workload(GIVEN, nothing) == GIVEN
    assert benchmark_workload(GIVEN, {**nothing, "rounds": "0", "clients": "", "rates": ""}) == GIVEN
    given = benchmark_workload(GIVEN, {**nothing, "rounds": "3", "warm_up": 0, "clients": "2,4", "rates": 500})
    workload = parse("mix", given)
    assert (workload.rounds, workload.warm_up, workload.clients) == (3, 0, (2, 4))
    assert (workload.loop, workload.rates) == ("open", (500.0,))


WRONG: list[tuple[tuple[str | int, ...], object, str]] = [
    (("operations", 0, "share"), 60, "operations has shares that add up to 110. They are in per cent"),
    (("operations", 0, "share"), "60", r"operations\[0\].share is '60'. Give a number from 0.001 to 100"),
    (("operations", 0, "command"), "FLUSHALL", r"operations\[0\].command is 'FLUSHALL'. It may be GET, SET"),
    (("operations", 0, "command"), "GET", r"GET is for string; session is hash-per-site. Change one"),
    (("operations", 0, "family"), "nobody", "is 'nobody'. It may be session, document, basket"),
    (("operations",), {}, "operations must be a list"),
    (("families",), [], "families must be a mapping"),
    (("families", "session", "bytes"), "400", "families.session.bytes is '400'. Give a whole number"),
    (("families", "document", "bytes"), [[100, 50]], "families.document.bytes has shares that add up to 50"),
    (("families", "document", "bytes"), [100], "Give pairs of a number and its share"),
    (("families", "session", "ttl"), [1, 2], "families.session.ttl is for keys"),
    (("families", "document", "ttl"), [7200, 1800], r"Give the least and the most seconds: \[1800, 7200\]"),
    (("families", "document", "ttl"), 60, "Give the least and the most seconds"),
    (("families", "session", "colour"), 3, "families.session.colour is unknown. Known are bytes, items"),
    (("families", "basket", "keys"), {"zipf": 9}, "families.basket.keys.zipf is 9. Give a number"),
    (("families", "basket", "keys"), "some", "families.basket keys: 'some' is no distribution. Give uniform"),
    (("families", "basket", "keys"), {"hot": [[1, 70], [1, 70]]}, "is no distribution"),
    (("families", "basket", "keys"), "sequence", "keys sequence is for a workload of one family"),
    (("families", "a key"), {"shape": "string", "bytes": 1}, "has a name that keys cannot begin with"),
    (
        ("families", "spare"),
        {"shape": "string", "bytes": 1},
        "families.spare is in no operation. Use it, or leave it out",
    ),
    (("clients",), 0, "clients is 0. Give a whole number from 1"),
    (("clients",), [1, True], "clients is True"),
    (("loop",), "open", "rate goes with `loop: open`"),
    (("rate",), 500, "rate goes with `loop: open`"),
    (("loop",), "half", "loop is 'half'. It may be closed, open"),
    (("filled",), "no", "filled is 'no'. It may be true or false"),
    (("invalidated_by",), ["luck"], "invalidated_by is 'luck'. It may be errors, evictions"),
    (("pipeline",), 8, "pipeline is unknown"),
    (("fanout",), {}, "operations is for a mix; fanout says itself"),
    (("jobs",), {"workers": 0}, "jobs.workers is 0"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path[-1]}-{value}" for path, value, _ in WRONG])
def test_a_wrong_workload_names_the_file_and_the_key(path: tuple[str | int, ...], value: object, message: str) -> None:
    given: Any = deepcopy(GIVEN)
    *parents, last = path
    place = given
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(WorkloadError, match=rf"^/etc/mix\.yml: .*{message}"):
        parse("/etc/mix.yml", given)


def test_what_is_missing() -> None:
    for key in ("description", "clients"):
        with pytest.raises(WorkloadError, match=f"{key} is missing. Needed are clients, description"):
            parse("mix", {name: value for name, value in GIVEN.items() if name != key})
    with pytest.raises(WorkloadError, match=r"families.session.items is missing. Give it here, or `items` for all"):
        parse("mix", {name: value for name, value in GIVEN.items() if name != "items"})
    with pytest.raises(WorkloadError, match="operations is missing"):
        parse("mix", {"description": "none", "clients": 1})


@pytest.mark.parametrize("given", [None, [], "text", {}])
def test_what_is_no_mapping(given: object) -> None:
    with pytest.raises(WorkloadError, match="mix: must be a mapping"):
        parse("mix", given)
