"""Published figures, and whether they hold where something was measured. Pure: benchmarks in, judgements out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from benchfly.benchmark import resources
from benchfly.benchmark.comparison import Spread
from benchfly.benchmark.cost import types
from benchfly.benchmark.statistics import estimate
from benchfly.benchmark.trials import Benchmark, Server

HOLDS, FAILS, UNJUDGED = "holds here", "does not hold here", "cannot be judged here"
SHAPES = {"session": "a hash per session", "site": "one hash per site"}
TUNINGS = ("untuned", "tuned")
COLUMNS = tuple((tuning, shape) for tuning in TUNINGS for shape in SHAPES)

# Frappe's own traffic; the published workloads have a hash per session.
_SITE_WORKLOADS = ("frappe-site",)
# Of what makes a store tuned, the value it has untouched. Limits, eviction and persistence are part of the task; how it
# evicts is not asked, since a trial with an eviction does not count.
_UNTOUCHED = {
    "io-threads": "1",
    "hz": "10",
    "activedefrag": "no",
    "tcp-keepalive": "300",
    "proactor_threads": "0",
}


@dataclass(frozen=True)
class Claim:
    """One published figure. `ratio` is from the weakest to the strongest effect stated, Dragonfly's over Redis's."""

    id: str
    what: str
    said: str
    metric: str
    ratio: tuple[float, float]
    workloads: tuple[str, ...]
    inverse: bool
    never: str
    one_type: bool

    @property
    def up(self) -> bool:
        return self.ratio[0] > 1


@dataclass(frozen=True)
class Contradiction:
    """Published figures that cannot all be true."""

    claims: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a claim in one column: the verdict, what was measured, and why or where."""

    verdict: str
    measured: Spread | None
    why: str


@dataclass(frozen=True)
class Evidence:
    """A benchmark with the run it was made in."""

    run: str
    benchmark: Benchmark


@cache
def published() -> tuple[str, tuple[Claim, ...], tuple[Contradiction, ...]]:
    """The source, its claims, and what contradicts itself in it."""
    data = yaml.safe_load(files("benchfly.benchmark").joinpath("claims.yml").read_text(encoding="utf-8"))
    contradictions = tuple(Contradiction(tuple(each["claims"]), each["why"]) for each in data["contradictions"])
    return f"{data['source']}; {data['stores']}", tuple(map(_claim, data["claims"])), contradictions


def judge(claim: Claim, column: tuple[str, str], evidence: Sequence[Evidence]) -> Judgement:
    """What the first fitting benchmark says of a claim in a column (tuning, shape); `evidence` is newest first."""
    if claim.never:
        return Judgement(UNJUDGED, None, claim.never)
    reason = "nothing was measured"
    for each in evidence:
        pair = _pair(each.benchmark)
        misfit = _misfit(claim, column, each.benchmark, pair)
        if misfit or pair is None:
            reason = misfit if reason == "nothing was measured" else reason
            continue
        measured = _ratio(claim, each.benchmark, *pair)
        if measured is None:
            reason = f"{each.run} has too few valid rounds that tell {claim.metric}"
            continue
        return _verdict(claim, measured, each)
    return Judgement(UNJUDGED, None, reason)


def table(evidence: Sequence[Evidence]) -> dict[str, dict[tuple[str, str], Judgement]]:
    """Every claim in every column."""
    return {claim.id: {column: judge(claim, column, evidence) for column in COLUMNS} for claim in published()[1]}


def tuned(server: Server, cpus: int | None = None) -> bool | None:
    """Whether a store has other than its untouched settings; None where nobody noted them.

    Dragonfly takes all CPUs of itself: told to take as many as its host has, `cpus`, it is as it comes.
    """
    if not server.settings:
        return None
    set_to = {key: str(server.settings[key]) for key in _UNTOUCHED if key in server.settings}
    if cpus and set_to.get("proactor_threads") == str(cpus):
        del set_to["proactor_threads"]
    return any(value != _UNTOUCHED[key] for key, value in set_to.items())


def _pair(benchmark: Benchmark) -> tuple[Server, Server] | None:
    found = {server.engine: server for server in reversed(benchmark.stores)}
    stand_in = any("stand-in" in server.version for server in benchmark.stores)
    both = "redis" in found and "dragonfly" in found and not stand_in
    return (found["redis"], found["dragonfly"]) if both else None


def _misfit(claim: Claim, column: tuple[str, str], benchmark: Benchmark, pair: tuple[Server, Server] | None) -> str:
    """Why a benchmark says nothing of the claim in that column; empty when it does."""
    tuning, shape = column
    if pair is None:
        engines = " and ".join(sorted({f"{server.engine} {server.version}" for server in benchmark.stores}))
        return f"the claim is about Redis and Dragonfly; measured were {engines}"
    wanted = _SITE_WORKLOADS if shape == "site" else claim.workloads
    if benchmark.workload.name not in wanted:
        return f"no run of {' or '.join(wanted)}"
    hosts = [types(benchmark)[server.name] for server in pair]
    if (
        claim.one_type
        and not (pair[0].host and pair[0].host == pair[1].host)
        and (hosts[0] != hosts[1] or not hosts[0])
    ):
        kinds = " and ".join(kind or "an unknown type" for kind in hosts)
        return f"the stores ran on {kinds}; `benchfly cost` puts their prices beside each other"
    redis, dragonfly = (tuned(each, benchmark.environments.get(each.host, {}).get("cpus")) for each in pair)
    if redis is None or dragonfly is None:
        return "the run does not tell how its stores were set"
    # Dragonfly takes all cores of itself: as it comes it stands in either column.
    if redis != (tuning == "tuned") or (dragonfly and tuning == "untuned"):
        return f"no run with both stores {tuning}"
    return ""


def _ratio(claim: Claim, benchmark: Benchmark, redis: Server, dragonfly: Server) -> Spread | None:
    figures: dict[str, dict[tuple[int, int, float], float]] = {redis.name: {}, dragonfly.name: {}}
    for trial in benchmark.trials:
        if trial.valid and not trial.twin and trial.store in figures:
            value = resources.figure(benchmark, trial, claim.metric)
            if value:  # a logarithm of 0 says nothing
                figures[trial.store][trial.pair] = value
    one, other = figures[redis.name], figures[dragonfly.name]
    sign = -1 if claim.inverse else 1
    found = estimate([sign * math.log(other[at] / one[at]) for at in sorted(one.keys() & other.keys())])
    return Spread(*(math.exp(value) for value in (found.middle, found.low, found.high))) if found else None


def _verdict(claim: Claim, measured: Spread, evidence: Evidence) -> Judgement:
    """The interval against the weakest effect that was stated."""
    weakest, scale = claim.ratio[0], evidence.benchmark.scale
    where = f"run {evidence.run}" + ("" if scale == 1 else f", scaled to {scale:g} of what was published")
    reached = measured.low >= weakest if claim.up else measured.high <= weakest
    missed = measured.high < weakest if claim.up else measured.low > weakest
    if reached or missed:
        return Judgement(HOLDS if reached else FAILS, measured, where)
    return Judgement(UNJUDGED, measured, f"the interval is on both sides of {weakest:g}; {where}")


def _claim(data: Mapping[str, Any]) -> Claim:
    said = data.get("said")
    if said is None:
        unit = f" {data['unit']}" if "unit" in data else ""
        said = f"{data['redis']:,}{unit} against {data['dragonfly']:,}{unit}"
    ratio = data["ratio"] if "ratio" in data else [data["dragonfly"] / data["redis"]] * 2
    return Claim(
        id=data["id"],
        what=data["what"],
        said=said,
        metric=data.get("metric", ""),
        ratio=(float(ratio[0]), float(ratio[1])),
        workloads=tuple(data.get("workloads", ())),
        inverse=bool(data.get("inverse")),
        never=data.get("never", ""),
        one_type=bool(data.get("one_type")),
    )
