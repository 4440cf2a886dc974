"""The vocabulary of `frappe_bench_policy`. Pure.

- {metric: p99_ms, at_most: 0.8, times: today}     # a ratio to the store that the bench uses today
- {metric: p99_ms, purpose: queue, workload: my-queue, clients: 512, at_most: 2.5, max_age_days: 7}
- {gate: go}                                       # the gate says go, without settings to be changed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import closest

from benchfly.benchmark import METRICS

MEMORY = "memory_bytes"
_METRICS = (*(metric.field for metric in METRICS), MEMORY)
_KEYS = ("metric", "purpose", "workload", "clients", "at_most", "at_least", "times", "max_age_days")
_PURPOSES, _WORKLOAD, _MAX_AGE_DAYS = ("cache", "queue"), "frappe-site", 30


class PolicyError(ValueError):
    """A rule is wrong: which `key` of it, why, and what to do."""

    def __init__(self, key: str, reason: str, remedy: str) -> None:
        self.key, self.reason, self.remedy = key, reason, remedy
        super().__init__(f"{key} {reason}. {remedy}")


@dataclass(frozen=True)
class Rule:
    """A limit for one figure of a benchmark of the bench's new store. `clients` is None where any number will do."""

    metric: str
    purpose: str
    workload: str
    clients: int | None
    limit: float
    at_most: bool  # else at least
    today: bool  # the limit is a multiple of what today's store has
    max_age_days: float

    def holds(self, figure: float) -> bool:
        return figure <= self.limit if self.at_most else figure >= self.limit

    def __str__(self) -> str:
        clients = f" at {self.clients} clients" if self.clients else ""
        limit = f"{'at most' if self.at_most else 'at least'} {self.limit:g}{' x today' if self.today else ''}"
        return f"{self.purpose}: {self.metric} of {self.workload}{clients} {limit}"


@dataclass(frozen=True)
class GateRule:
    """The gate must say go, and nothing less. It is asked anew in every migration, so no stored result counts."""

    def __str__(self) -> str:
        return "gate: go"


def parse(given: Any) -> Rule | GateRule:
    """One entry of the policy. Raises PolicyError."""
    if not isinstance(given, Mapping):
        raise PolicyError("", f"{given!r} is no rule", "Write it as {metric: p99_ms, at_most: 0.8, times: today}")
    if "gate" in given:
        if dict(given) != {"gate": "go"}:
            raise PolicyError("gate", f"{given['gate']!r} is not go, or stands with other keys", "Write {gate: go}")
        return GateRule()
    for key in given:
        if key not in _KEYS:
            near = closest(str(key), _KEYS)
            raise PolicyError(str(key), "is no key of a rule", f"Did you mean {near}" if near else _known(_KEYS))
    limits = [key for key in ("at_most", "at_least") if key in given]
    if len(limits) != 1:
        raise PolicyError(
            limits[0] if limits else "at_most", "must stand in a rule, or at_least", "Give one of the two"
        )
    if given.get("times", "today") != "today":
        raise PolicyError("times", f"{given['times']!r} is not today", "Write times: today, or leave it out")
    clients = given.get("clients")
    return Rule(
        metric=_one_of("metric", given.get("metric"), _METRICS),
        purpose=_one_of("purpose", given.get("purpose", "cache"), _PURPOSES),
        workload=str(given.get("workload", _WORKLOAD)),
        clients=None if clients is None else int(_positive("clients", clients)),
        limit=_positive(limits[0], given[limits[0]]),
        at_most=limits[0] == "at_most",
        today="times" in given,
        max_age_days=_positive("max_age_days", given.get("max_age_days", _MAX_AGE_DAYS)),
    )


def _one_of(key: str, given: Any, known: tuple[str, ...]) -> str:
    if given not in known:
        raise PolicyError(key, "is missing" if given is None else f"{given!r} is not known", _known(known))
    return str(given)


def _positive(key: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
        raise PolicyError(key, f"{given!r} is no number above 0", "Give a number")
    return float(given)


def _known(words: tuple[str, ...]) -> str:
    return f"Known are {', '.join(words)}"
