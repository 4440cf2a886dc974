"""What trials of two sets of settings say: how many rounds they should have, and whether the second is better. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.rounds import rounds_needed

from benchfly.benchmark.comparison import by_round, compare
from benchfly.benchmark.trials import Trial
from benchfly.tuning.objectives import OBJECTIVES, effects
from benchfly.tuning.plan import Plan
from benchfly.tuning.proof import Verdict

PRECISION = 0.02  # half the width of the interval that a proof goes on for
OF_DIFFERENCE = 0.25  # or this share of what rounds differ by, where that is more: what is clear needs no more rounds
Sides = tuple[str, str]  # names of the two in the trials


def rounds_wanted(trials: Sequence[Trial], sides: Sides, objectives: Sequence[str]) -> int:
    """How many rounds tell both sides apart in the objective that needs most; 0 where none was measured.

    Of an objective in which the second side looks worse, none: it will not be kept for that. How many else is told by
    the sizes of the differences, never by their signs, as `rounds_needed` does. So whoever goes on for it keeps no more
    of equal stores.
    """
    wanted = 0
    for name in objectives:
        metric = OBJECTIVES[name]
        one, other = (by_round(trials, side, metric) for side in sides)
        gains = [math.log(other[at] / one[at]) for at in one if min(one[at], other.get(at, 0)) > 0]
        if gains and (fmean(gains) > 0) == metric.more_is_better:
            size = fmean(abs(each) for each in gains)
            wanted = max(wanted, rounds_needed(gains, max(PRECISION, OF_DIFFERENCE * size)))
    return wanted


def verdict(trials: Sequence[Trial], sides: Sides, plan: Plan) -> Verdict:
    """Whether the second side is better than the first in an objective, and which guards it broke."""
    found = effects(compare(trials, sides, only=tuple(OBJECTIVES.values())).rows)
    slow = [each.measurement.p99_ms for each in trials if each.store == sides[1] and each.measurement]
    broken = []
    if plan.ceiling and slow and fmean(slow) > plan.ceiling:
        broken.append(f"p99 is {fmean(slow):.2f} ms, above the ceiling of {plan.ceiling:g} ms")
    for name, effect in found.items():
        loss = 1 / effect.ratio if OBJECTIVES[name].more_is_better else effect.ratio
        if effect.better is False and (name in plan.objectives or loss > 1 + plan.tolerance):
            broken.append(f"it is worse in {effect}")
    mine = [found[name] for name in plan.objectives if name in found]
    won = any(effect.better and abs(effect.ratio - 1) >= plan.smallest for effect in mine)
    return Verdict(found, won and not broken, tuple(broken))
