"""What of a candidate is kept: nothing that was not compared with its absence and found better. Pure.

A candidate is compared with today's settings. If it is better, halves of its keys are taken back, and halves of these,
as long as nothing is lost by it; what is left at the end is compared with today's settings again. So every key that is
kept has an interval of its own that leaves out zero (that of all, where the others cannot be without it), and the whole
has two, from different trials.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchfly.tuning.objectives import Effect
from benchfly.tuning.space import Settings


@dataclass(frozen=True)
class Pair:
    """Two sets of settings that are to be compared: whether `other` is better than `base`."""

    base: Settings
    other: Settings


@dataclass(frozen=True)
class Verdict:
    """What came of it; `broken` says which guards `other` broke, and then it is not better."""

    effects: Mapping[str, Effect]
    better: bool
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What is kept of a candidate: key -> value, the verdict on each key, and on all of them together.

    Nothing is kept where `settings` is empty; `because` says why.
    """

    settings: Settings = field(default_factory=dict)
    lines: Mapping[str, Verdict] = field(default_factory=dict)
    whole: Verdict | None = None
    because: str = ""


Proof = Generator[Pair, Verdict, Any]


def prove(candidate: Settings) -> Generator[Pair, Verdict, Kept]:
    """Yields pairs to compare, takes the verdict on each, and returns what is kept."""
    first = yield Pair({}, candidate)
    if not first.better:
        return Kept(whole=first, because="; ".join(first.broken) or "its interval does not show that it is better")
    lines: dict[str, Verdict] = {}
    kept = dict(candidate)
    if len(candidate) > 1:
        keys = sorted(candidate)
        for half in _halves(keys):
            kept = yield from _reduced(kept, half, lines)
    if not kept:
        return Kept(whole=first, because="none of its keys is better than its absence")
    final = yield Pair({}, kept)
    if not final.better:
        return Kept(whole=final, because="; ".join(final.broken) or "what was seen first was not seen again")
    # A key alone, and one without which the others cannot be declared, has no other effect than that of all.
    return Kept(kept, {key: lines[key] if key in lines and lines[key].effects else final for key in kept}, final)


def _reduced(
    settings: dict[str, Any], keys: Sequence[str], lines: dict[str, Verdict]
) -> Generator[Pair, Verdict, dict[str, Any]]:
    """The settings without those of `keys` that bring nothing; `lines` gets the verdict on each that does."""
    without = {key: value for key, value in settings.items() if key not in keys}
    verdict = yield Pair(without, settings)
    if not verdict.better:
        return without
    if len(keys) == 1:
        lines[keys[0]] = verdict
        return settings
    for half in _halves(keys):
        settings = yield from _reduced(settings, half, lines)
    return settings


def _halves(keys: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    return keys[: len(keys) // 2], keys[len(keys) // 2 :]
