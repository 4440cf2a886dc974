"""What was proved, written into an inventory: only those lines, each with its reason and its way back."""

from __future__ import annotations

import pytest
import yaml

from benchfly.errors import RefusedError
from benchfly.tuning.change import Line, diff, document, edited, lines
from benchfly.tuning.objectives import Effect
from benchfly.tuning.proof import Kept, Verdict

LISTPACK = Line("listpack_value", 1024, 64, "bytes -15.0 % (-15.3 to -14.5)", "Compact")
HZ = Line("hz", 100, 10, "p99 -9.0 % (-12.0 to -5.0)", "Expired keys are found sooner")
CPUS = Line("cpus", "1-3", None, "throughput +5.0 % (+2.0 to +7.0)", "Caches")
INVENTORY = """---
# our stores
stores:
  shop-queue: {engine: redis, purpose: queue, port: 1, memory: 64mb}
  shop-cache:
    engine: redis # of the distribution
    purpose: cache
    port: 2
    memory: 64mb
    listpack_value: 64 # once measured
    password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      6162

  # the other one
  erp-cache:
    engine: redis
    purpose: cache
    port: 3
    memory: 64mb"""


def test_a_key_that_stands_there_is_replaced_and_one_that_does_not_is_added() -> None:
    after = edited(INVENTORY, "shop-cache", 5, [LISTPACK, HZ])
    assert after.splitlines() == [
        *INVENTORY.splitlines()[:9],
        "    # bytes -15.0 % (-15.3 to -14.5); was 64, which takes it back. Compact.",
        "    listpack_value: 1024 # once measured",
        *INVENTORY.splitlines()[10:13],
        "    # p99 -9.0 % (-12.0 to -5.0); was 10, which takes it back. Expired keys are found sooner.",
        "    hz: 100",
        *INVENTORY.splitlines()[13:],
    ]


def test_the_last_line_of_a_file_may_lack_its_end() -> None:
    after = edited(INVENTORY, "erp-cache", 16, [CPUS])
    assert after.startswith(INVENTORY + "\n")
    assert yaml.safe_load(after.replace("!vault ", ""))["stores"]["erp-cache"]["cpus"] == "1-3"


@pytest.mark.parametrize(
    ("store", "line", "said"),
    [("shop-queue", 4, "not written as a block"), ("shop-cache", 4, "not written as a block"), ("nobody", 5, "block")],
)
def test_what_is_written_otherwise_is_left_to_people(store: str, line: int, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        edited(INVENTORY, store, line, [HZ])


def test_it_stands_by_itself_and_as_a_diff() -> None:
    text = document("shop-cache", [LISTPACK, CPUS])
    assert yaml.safe_load(text) == {"stores": {"shop-cache": {"listpack_value": 1024, "cpus": "1-3"}}}
    assert "was null, which takes it back" in text
    changed = diff(INVENTORY, edited(INVENTORY, "shop-cache", 5, [HZ]), "host_vars/a.yml")
    assert [line for line in changed.splitlines() if line.startswith("+")][1:] == [
        "+" + row for row in HZ.written("    ")
    ]


def test_a_long_reason_is_wrapped_within_the_line() -> None:
    long = Line("hz", 100, 10, "p99 -9.0 % (-12.0 to -5.0)", "Expired " * 40)
    assert max(map(len, long.written(" " * 20))) <= 120
    assert all(row.strip().startswith(("#", "hz:")) for row in long.written("    "))


def test_lines_tell_only_what_is_claimed() -> None:
    told = {
        "bytes": Effect("bytes", 0.85, 0.84, 0.86, better=True),
        "throughput": Effect("throughput", 0.97, 0.8, 1.2, better=None),
    }
    verdict = Verdict(told, better=True)
    (line,) = lines(Kept({"hz": 100}, {"hz": verdict}, verdict), {"hz": 10})
    assert (line.effect, line.was, line.value) == ("bytes -15.0 % (-16.0 to -14.0)", 10, 100)
