"""What is kept of a candidate, where it is known what each key does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchfly.tuning.objectives import Effect
from benchfly.tuning.proof import Kept, Pair, Verdict, prove
from benchfly.tuning.space import Settings

Truth = Callable[[Settings], float]  # how good settings are; more is better


def kept_of(candidate: Settings, truth: Truth) -> tuple[Kept, list[Pair]]:
    """What is kept, and what was compared for it."""
    going, pairs = prove(candidate), []
    pair = next(going)
    while True:
        pairs.append(pair)
        try:
            pair = going.send(Verdict({}, truth(pair.other) > truth(pair.base) + 0.01))
        except StopIteration as end:
            return end.value, pairs


def by_key(**worth: float) -> Truth:
    return lambda settings: sum(worth.get(key, 0.0) for key in settings)


@pytest.mark.parametrize(
    ("candidate", "truth", "expected"),
    [
        ("a", by_key(a=1), "a"),
        ("a", by_key(), ""),
        ("a", by_key(a=-1), ""),
        ("abcdefgh", by_key(a=1), "a"),
        ("abcdefgh", by_key(h=1), "h"),
        ("abcdefgh", by_key(b=1, g=1), "bg"),
        ("abcdefgh", dict.__len__, "abcdefgh"),
        ("abcd", by_key(a=2, b=-1), "a"),
        ("ab", lambda settings: float({"a", "b"} <= set(settings)), "ab"),  # only both together
        ("ab", lambda settings: float(bool(settings)), "b"),  # either will do
    ],
)
def test_what_brings_nothing_is_not_kept(candidate: str, truth: Truth, expected: str) -> None:
    kept, pairs = kept_of(dict.fromkeys(candidate, 1), truth)
    assert "".join(sorted(kept.settings)) == expected
    assert set(kept.lines) == set(kept.settings)
    assert pairs[0] == Pair({}, dict.fromkeys(candidate, 1))
    if expected:
        assert pairs[-1] == Pair({}, kept.settings) and len(pairs) > 1 and kept.because == ""
    else:
        assert kept.because


def test_what_is_not_seen_again_is_not_kept() -> None:
    going = prove({"a": 1})
    next(going)
    assert going.send(Verdict({}, better=True)) == Pair({}, {"a": 1})
    with pytest.raises(StopIteration) as end:
        going.send(Verdict({}, better=False))
    assert end.value.value.settings == {} and "not seen again" in end.value.value.because


def test_a_broken_guard_says_so() -> None:
    going = prove({"a": 1})
    next(going)
    with pytest.raises(StopIteration) as end:
        going.send(Verdict({}, better=False, broken=("3 keys evicted",)))
    assert end.value.value.because == "3 keys evicted"


def test_a_key_without_which_the_others_cannot_be_has_the_effect_of_all() -> None:
    told = {"throughput": Effect("throughput", 1.2, 1.1, 1.3, better=True)}
    going = prove({"cpus": "1-7", "threads": 2})
    pair = next(going)
    while True:
        alone = pair.base == {"threads": 2}  # more threads than CPUs: no such store can be declared
        try:
            pair = going.send(Verdict({} if alone else told, better=True))
        except StopIteration as end:
            assert {key: line.effects for key, line in end.value.lines.items()} == {"cpus": told, "threads": told}
            break


def test_few_comparisons_find_the_one_key_among_many() -> None:
    _, pairs = kept_of(dict.fromkeys("abcdefghijklmnop", 1), by_key(k=1))
    assert len(pairs) <= 2 + 2 * 4
