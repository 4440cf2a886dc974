"""What a study is asked, what it has measured in steps, and what it comes to: its data, without a rule of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchfly.benchmark.statistics import rounds_for
from benchfly.errors import RefusedError
from benchfly.tuning import rules
from benchfly.tuning.objectives import OBJECTIVES, Measured
from benchfly.tuning.proof import Kept
from benchfly.tuning.space import Facts, Settings, open_to

ATTEMPTS = 3  # candidates that are proved, one after the other, until one is kept


@dataclass(frozen=True)
class Plan:
    """What is asked for. Settings are keys of a store that differ from `facts.spec`, its declared specification.

    trials: most of the search. minutes: budget, of which nothing is left to chance at the end. smallest: the least
    gain worth a change, as a share. tolerance: what anything that is no objective may lose. ceiling: p99 in ms that
    a store may not exceed, 0 for none; in a store that others use, exceeding it ends the study. in_use: others use
    the store, so only what it takes while it runs is tried. workload, scale, generator and seconds: of each play;
    nothing is decided by them here, but what was played otherwise is not comparable.
    """

    store: str
    facts: Facts
    objectives: tuple[str, ...] = ("bytes",)
    only: tuple[str, ...] = ()
    trials: int = 24
    minutes: float = 30.0
    rounds: int = 0
    rate: float = 0.0
    smallest: float = 0.01
    tolerance: float = 0.05
    ceiling: float = 0.0
    in_use: bool = False
    workload: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    generator: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [name for name in self.objectives if name not in OBJECTIVES]
        if wrong or not self.objectives:
            remedy = f"Say one or more of {', '.join(OBJECTIVES)}."
            raise RefusedError(f"{', '.join(wrong) or 'Nothing'} is no objective of tuning. {remedy}")

    @property
    def noisy(self) -> bool:
        """Whether what is measured of one candidate has to be held beside today's settings, played at the same time."""
        return self.objectives != ("bytes",)

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """The values of each key that is open, after the rules have spoken."""
        left = rules.left(rules.find(self.facts)) - set(self.only)
        return {
            setting.name: setting.choices(self.facts)
            for setting in open_to(self.facts, self.only)
            if setting.name not in left and not (self.in_use and self.facts.spec["engine"] in setting.restart)
        }

    @property
    def rounds_of_proof(self) -> int:
        """Enough for the clearest outcome to survive the correction for all that is compared."""
        return self.rounds or max(8, rounds_for(len(OBJECTIVES) * ATTEMPTS))


def differences(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names of what two plans, each as plain data, do not have in common; of facts, of each fact."""
    one, other = ({**plan, **plan["facts"]} for plan in (begun, wanted))
    return [key for key in other if key != "facts" and one.get(key) != other[key]]


@dataclass(frozen=True)
class Step:
    """The data under those settings, and the load on it: in an open loop at each of `rates` operations per second, in
    a closed one at 0."""

    settings: Settings
    rates: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class Batch:
    """Steps to be measured one after the other; `what` says to people what for."""

    what: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Result:
    """What was measured; reasons in `invalid` where it does not count. `seconds` is how long all of it took."""

    measured: Measured | None
    invalid: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Result:
        """From plain data, as `asdict` makes it."""
        measured = Measured(**data["measured"]) if data["measured"] else None
        return cls(measured, tuple(data["invalid"]), data["seconds"])


def result(step: Mapping[str, Any]) -> Result:
    """What tune_measure says of a step, as a Result: throughput of the first loop, p99 of the last."""
    played = step["measurements"]
    if not played:
        return Result(None, tuple(step["invalid"]) or ("it was not played",), step["seconds"])
    whole = {**played[0], "p99_ms": played[-1]["p99_ms"], "bytes_per_item": step["bytes_per_item"]}
    return Result(Measured(**whole), tuple(step["invalid"]), step["seconds"])


@dataclass(frozen=True)
class Outcome:
    """What the study came to. `kept.settings` is empty where nothing was proved; `aborted` says why it was ended.

    failed: candidates that could not be measured or did not count, and why.
    """

    kept: Kept
    front: Sequence[tuple[Settings, Mapping[str, float]]] = ()
    today: Measured | None = None
    trials: int = 0
    steps: int = 0
    seconds: float = 0.0
    findings: Sequence[rules.Finding] = ()
    failed: Sequence[tuple[Settings, str]] = ()
    aborted: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)
