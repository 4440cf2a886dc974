"""What is known before anything is measured: each rule of rules.yml as a function of the facts.

A rule proposes a value, leaves a setting as it is (and so out of the search), or gives advice on what no trial of one
store can tell. What it proposes is tried first, and kept only if it is proved like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from benchfly.tuning.space import Facts

PROPOSED, LEFT, ADVICE = "proposed", "left", "advice"
MOST_VALUE = 8192  # of the space; longer values are copied for milliseconds
FEW_CPUS = 4
FRAGMENTED = 1.4


@dataclass(frozen=True)
class Finding:
    """What a rule says of a setting: `what` is proposed, left or advice; `value` only where it is proposed."""

    rule: str
    setting: str
    what: str
    because: str
    value: Any = None


@dataclass(frozen=True)
class Rule:
    """One entry of rules.yml with its function."""

    id: str
    about: tuple[str, ...]
    inputs: tuple[str, ...]
    expected: str
    source: str
    apply: Callable[[Facts], Finding | None]


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the file. Raises KeyError for one without a function."""
    data = yaml.safe_load(files("benchfly.tuning").joinpath("rules.yml").read_text(encoding="utf-8"))
    return tuple(_rule(entry) for entry in data["rules"])


def find(facts: Facts) -> tuple[Finding, ...]:
    """What all rules say of those facts."""
    found = (rule.apply(facts) for rule in rules())
    return tuple(finding for finding in found if finding)


def proposed(findings: Sequence[Finding]) -> dict[str, Any]:
    """The values that rules propose."""
    return {finding.setting: finding.value for finding in findings if finding.what == PROPOSED}


def left(findings: Sequence[Finding]) -> set[str]:
    """The settings that rules leave as they are."""
    return {finding.setting for finding in findings if finding.what == LEFT}


def compact_values(facts: Facts) -> Finding | None:
    if not facts.value or facts.spec.get("listpack_value", 0) is None:
        return None
    wanted = 64
    while wanted < facts.value:
        wanted *= 2
    if wanted > MOST_VALUE:
        return Finding("compact-values", "listpack_value", LEFT, f"values of {facts.value} bytes are too long for it")
    if (facts.spec.get("listpack_value") or 0) >= facts.value:
        return None
    because = f"95 % of the values in hashes are within {facts.value} bytes"
    return Finding("compact-values", "listpack_value", PROPOSED, because, wanted)


def compact_fields(facts: Facts) -> Finding | None:
    today = facts.spec.get("listpack_entries")
    if today is None or facts.fields > 1:
        return None
    return Finding("compact-fields", "listpack_entries", LEFT, "no hash of the workload has more than one field")


def threads_need_cpus(facts: Facts) -> Finding | None:
    if facts.cpus is None or facts.spec["engine"] == "dragonfly":
        return None
    if facts.cpus >= FEW_CPUS:
        return None
    if facts.spec["threads"] > 1:
        because = f"the host has {facts.cpus} CPUs, and others need one"
        return Finding("threads-need-cpus", "threads", PROPOSED, because, 1)
    return Finding("threads-need-cpus", "threads", LEFT, f"the host has no more than {facts.cpus} CPUs")


def samples_matter_when_full(facts: Facts) -> Finding | None:
    if facts.evicted or facts.payload * 2 > facts.spec["memory"]:
        return None
    return Finding("samples-matter-when-full", "eviction_samples", LEFT, "nothing is evicted here")


def expiry_in_the_background(facts: Facts) -> Finding | None:
    if facts.expires:
        return None
    return Finding("expiry-in-the-background", "hz", LEFT, "no key of the workload expires")


def defrag_what_is_fragmented(facts: Facts) -> Finding | None:
    if facts.fragmentation is not None and facts.fragmentation >= FRAGMENTED:
        return None
    said = "is not known" if facts.fragmentation is None else f"is {facts.fragmentation:g}"
    return Finding("defrag-what-is-fragmented", "active_defrag", LEFT, f"mem_fragmentation_ratio {said}")


def own_cpus(facts: Facts) -> Finding | None:
    if facts.cpus is not None and facts.cpus >= FEW_CPUS:
        return None
    return Finding("own-cpus", "cpus", LEFT, f"the host has {facts.cpus or 'an unknown number of'} CPUs")


def backlog_within_the_kernel(facts: Facts) -> Finding | None:
    if facts.somaxconn is None or facts.spec["backlog"] <= facts.somaxconn:
        return None
    because = f"net.core.somaxconn is {facts.somaxconn}, below the store's backlog of {facts.spec['backlog']}"
    return Finding("backlog-within-the-kernel", "store_host_network", ADVICE, because)


def huge_pages(facts: Facts) -> Finding | None:
    if facts.hugepage != "always" or facts.spec["persistence"] == "none":
        return None
    because = "transparent_hugepage is `always`, and the store forks to persist"
    return Finding("huge-pages", "store_host_transparent_hugepage", ADVICE, because)


def stores_for_cpus(facts: Facts) -> Finding | None:
    if facts.cpus is None or facts.cpus < FEW_CPUS or facts.stores >= facts.cpus // 2:
        return None
    if facts.spec["engine"] == "dragonfly":
        return None
    because = f"the host has {facts.cpus} CPUs and {facts.stores + 1} stores, each of which executes commands on one"
    return Finding("stores-for-cpus", "stores", ADVICE, because)


_FUNCTIONS: Mapping[str, Callable[[Facts], Finding | None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        compact_values,
        compact_fields,
        threads_need_cpus,
        samples_matter_when_full,
        expiry_in_the_background,
        defrag_what_is_fragmented,
        own_cpus,
        backlog_within_the_kernel,
        huge_pages,
        stores_for_cpus,
    )
}


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        entry["id"],
        tuple(entry["about"]),
        tuple(entry["inputs"]),
        entry["expected"],
        entry["source"],
        _FUNCTIONS[entry["id"]],
    )
