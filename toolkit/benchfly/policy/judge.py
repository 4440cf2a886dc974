"""Judges the rules of a bench against samples. Pure: rules, samples and the time in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from benchfly.policy.evidence import Evidence
from benchfly.policy.rules import Rule

# host:port as a benchmark noted it -> the class of that host; the same for hosts that count as alike.
ClassOf = Callable[[str], str]


@dataclass(frozen=True)
class Wanted:
    """The store that a bench is to use for one purpose, and the one that it uses today (host:port; empty: unknown)."""

    purpose: str
    name: str
    engine: str
    at: str
    today: str


@dataclass(frozen=True)
class Finding:
    """What came of one rule. Without a `run` there was no fitting evidence. `version` is that of the measured store."""

    rule: str
    purpose: str
    ok: bool
    detail: str
    run: str = ""
    engine: str = ""
    version: str = ""


def judge(
    rules: Iterable[Rule], wanted: Sequence[Wanted], samples: Sequence[Evidence], class_of: ClassOf, now: datetime
) -> list[Finding]:
    """A finding for each rule whose purpose is to move, from the newest sample that fits it."""
    stores = {store.purpose: store for store in wanted}
    return [_judge(rule, stores[rule.purpose], samples, class_of, now) for rule in rules if rule.purpose in stores]


def _judge(rule: Rule, store: Wanted, samples: Sequence[Evidence], class_of: ClassOf, now: datetime) -> Finding:
    misfits = []
    for sample in samples:
        misfit = _misfit(rule, store, sample, class_of, now)
        if not misfit:
            return _measured(rule, store, sample)
        misfits.append(f"{sample.run} {misfit}")
    detail = f"no fitting evidence; {misfits[0]}" if misfits else "no evidence: there is no benchmark yet"
    return Finding(str(rule), store.purpose, False, detail)


def _measured(rule: Rule, store: Wanted, sample: Evidence) -> Finding:
    figure = (sample.ratios if rule.today else sample.figures)[rule.metric]
    detail = f"measured {figure:.3g}{f' x {sample.baseline.name}' if rule.today else ''}"
    return Finding(
        str(rule),
        store.purpose,
        rule.holds(figure),
        detail,
        sample.run,
        sample.server.engine,
        sample.server.version,
    )


def _misfit(rule: Rule, store: Wanted, sample: Evidence, class_of: ClassOf, now: datetime) -> str:
    """Why a sample says nothing of a rule; empty when it does."""
    age = (now - sample.when).total_seconds() / 86400
    if (sample.workload, rule.clients or sample.clients) != (rule.workload, sample.clients):
        return f"played {sample.workload} with {sample.clients} clients"
    if sample.server.engine != store.engine:
        return f"measured {sample.server.engine}, and {store.name} is {store.engine}"
    if class_of(sample.server.at) != class_of(store.at):
        return f"ran on a host of class {class_of(sample.server.at)}, and {store.name} is on {class_of(store.at)}"
    if rule.today and not store.today:
        return "is of no use: which store the bench uses today is not known here; `benchfly status` asks it"
    if rule.today and class_of(sample.baseline.at) != class_of(store.today):
        return f"compared with {sample.baseline.at}, and the bench uses {store.today} today"
    if rule.metric not in (sample.ratios if rule.today else sample.figures):
        return f"has too few valid trials of {rule.metric}"
    return f"is {age:.0f} days old" if age > rule.max_age_days else ""
