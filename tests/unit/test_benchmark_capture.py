"""What a capture makes of lines of MONITOR: the same mix, and not a name or a value."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capture import Census
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import parse


def line(*words: str, client: int = 1) -> str:
    return f"1700000000.123456 [0 10.0.0.{client}:4711] " + " ".join(f'"{word}"' for word in words)


def no_lengths(shape: str, items: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
    return [], []


def test_a_site_becomes_families_of_the_same_mix_sizes_and_hot_keys() -> None:
    census, chance = Census(), random.Random(1)
    for number in range(3000):
        user = int(chance.paretovariate(0.7)) % 500
        census.add(line("HGET", "_5e58|session", f"sid-{user}", client=number % 4))
        census.add(line("GET", f"_5e58|document_cache::ToDo::{number % 90:08x}"))
        if number % 10 == 0:
            census.add(line("SET", f"_5e58|document_cache::ToDo::{number % 90:08x}", "secret-value" * 30, "EX", "60"))
            census.add(line("HSET", "_5e58|session", f"sid-{user}", "\\x80\\x04p" * 50))
            census.add(line("UNLINK", f"_5e58|document_cache::ToDo::{number % 90:08x}"))
        census.add(line("PING"))

    def lengths(shape: str, items: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
        return ([100, 100, 4000, 5000], [60, 120]) if shape == "string" else ([319], [])

    given = census.workload(10.0, lengths)
    text = json.dumps(given)
    for name in ("session", "document", "ToDo", "5e58", "sid", "secret", "10.0.0"):
        assert name not in text
    workload = parse("captured", json.loads(text))
    assert workload.clients == (4,)
    shapes = {family.shape: family for family in workload.families}
    assert sorted(shapes) == ["hash-per-site", "string"]
    assert shapes["string"].items == 90
    assert shapes["string"].ttl == (60, 120)
    shares = {(each.command, each.family.shape): each.share for each in workload.operations}
    assert shares["HGET", "hash-per-site"] == pytest.approx(100 / 2.3, abs=0.1)
    assert shares["SET", "string"] == shares["DEL", "string"] == pytest.approx(10 / 2.3, abs=0.1)
    (hottest, share), *_ = shapes["hash-per-site"].keys.tiers
    assert hottest == 1 and 30 < share < 60  # 38 % of all users drawn are the first
    assert census.others == {"PING": 3000}
    assert "1140 in" not in text and "in 10 s" in given["description"]


def test_lengths_are_of_bytes_and_not_of_their_spelling() -> None:
    census = Census()
    for _ in range(10):
        census.add(line("SET", "flag", '\\x80\\x04\\"a\\n'))
    assert census.workload(1, no_lengths)["families"]["family1"]["bytes"] == 5


def test_one_key_for_each_item_is_told_from_one_key_for_all() -> None:
    census = Census()
    for number in range(100):
        census.add(line("HSET", f"session:{number}", "data", "x" * 512))
        census.add(line("HGET", f"session:{number}", "data"))
    (family,) = census.workload(1, no_lengths)["families"].values()
    assert (family["shape"], family["items"], family["bytes"]) == ("hash-per-item", 100, 512)


@pytest.mark.parametrize("text", ["", "OK", line("PING"), line("EVAL", "return 1"), "1700 garbage"])
def test_nothing_to_replay(text: str) -> None:
    census = Census()
    census.add(text)
    with pytest.raises(ValueError, match="none of the commands seen can be replayed"):
        census.workload(1, no_lengths)
