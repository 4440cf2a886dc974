"""How soon a regression is found in a history of scheduled runs, and how often a quiet history raises an alarm.

Noise is measured, not made up: a run plays a reference and a store in turn with redis-benchmark, as a benchmark with
two stores does, and what the store does is planted in the same runs: it answers as always, or with 10 % more of its own
work for each command (BITCOUNT of a value that is longer by a tenth), or with another setting (a hash that
hash-max-listpack-entries leaves a listpack is searched from one end to the other). A history is 60 such runs in the
order in which they were measured. After each run it is judged as `benchfly schedule run` judges it.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, stdev
from typing import Any

from tests.evidence.verdicts import KEY, Store
from tests.stores.servers import Server

from benchfly.benchmark import METRICS
from benchfly.benchmark.trials import parse
from benchfly.results.history import Scheduled
from benchfly.schedule.findings import AGAINST, CPU, FIGURES, facts, news

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

RUNS, ROUNDS = 60, 8
# Of a trial: the same for all that is compared, and enough that a connection and its INFO do not count.
REQUESTS = {"BITCOUNT": 150, "HGET": 3000}
BYTES = 2_000_000  # long enough that a command is the server's work and little else
HISTORIES, SHORT = 4, 1
WITHIN = 3  # runs, the first with the regression among them
ENTRIES = 512
FIELD = f"field:{ENTRIES - 1:06}"  # the last one
HASH, LISTPACK, LONGER = "benchfly:bench:hash", "benchfly:bench:listpack", "benchfly:bench:longer"
# What is played: name -> which server, and the command.
PLAYS = {
    "bits reference": ("reference", ("BITCOUNT", KEY)),
    "bits": ("store", ("BITCOUNT", KEY)),
    "slowed by 10 %": ("store", ("BITCOUNT", LONGER)),
    "hash reference": ("reference", ("HGET", HASH, FIELD)),
    "hash": ("store", ("HGET", HASH, FIELD)),
    "another setting": ("store", ("HGET", LISTPACK, FIELD)),
}
# What is planted -> what was played before it, and the reference that both are compared with.
PLANTED = {"slowed by 10 %": ("bits", "bits reference"), "another setting": ("hash", "hash reference")}
PLACES = (20, 30, 40, 50)  # after so many runs
SETTING = "hash-max-listpack-entries of store"
Run = Mapping[str, Sequence[Mapping[str, float]]]  # of what was played, the metrics of each round


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Measure the histories, and judge each: quiet ones, and those with something planted at several places."""
    histories = measured(folder, SHORT if short else HISTORIES)
    found = {"compared with a reference": judged(histories, True), "the store alone": judged(histories, False)}
    return {"histories": len(histories), "runs_of_each": RUNS, "planted_after": PLACES, **found}


def good(found: Mapping[str, Any]) -> bool:
    """Each planted regression is found in time and nothing is told of quiet histories, as schedules are advised to be.

    What a store alone shows is told, and promised of no machine: that depends on what else it does.
    """
    compared = found["compared with a reference"]
    planted = [compared[name] for name in PLANTED]
    return compared["quiet"]["alarms"] == 0 and all(one["found"] == one["planted"] for one in planted)


def judged(histories: Sequence[Sequence[Run]], compared: bool) -> dict[str, Any]:
    """What was told of them."""
    quiet = {"histories": 0, "runs": 0, "alarms": 0}
    planted: dict[str, dict[str, Any]] = {
        name: {"planted": 0, "found": 0, "named": 0, "after_runs": []} for name in PLANTED
    }
    spread: dict[str, dict[str, list[float]]] = {name: {} for name in PLANTED}
    for runs in histories:
        for name, (usual, reference) in PLANTED.items():
            against = reference if compared else None
            for constant in (usual, name):
                told = played([figures(each, constant, against) for each in runs])
                quiet["histories"] += 1
                quiet["runs"] += len(runs)
                quiet["alarms"] += len(told)
            for metric in FIGURES:
                one = spread_of([figures(run, usual, against) for run in runs], metric.field)
                spread[name].setdefault(metric.field, []).append(one)
            for place in PLACES:
                whole = [figures(each, usual if number < place else name, against) for number, each in enumerate(runs)]
                told = played(whole[: place + WITHIN], first=place + 1, setting_after=place)
                regressions = [(number, text) for number, kind, text in told if kind == "regression"]
                planted[name]["planted"] += 1
                planted[name]["found"] += bool(regressions)
                planted[name]["named"] += any(f"{SETTING}: 128 -> {ENTRIES}" in text for _, text in regressions)
                planted[name]["after_runs"] += [regressions[0][0] - place] if regressions else []
    for name, each in planted.items():
        each["spread_of_runs"] = {field: round(median(values), 4) for field, values in spread[name].items()}
    return {"quiet": quiet, **planted}


def played(
    history: Sequence[Mapping[tuple[str, str], float]], first: int = 1, setting_after: int = RUNS
) -> list[tuple[int, str, str]]:
    """The history told run by run, as a schedule's: what it told after which run. Nothing is asked before `first`."""
    runs: list[Scheduled] = []
    told = []
    for number, each in enumerate(history, 1):
        conditions = {SETTING: "128" if number <= setting_after else str(ENTRIES)}
        run = Scheduled(f"run{number:03}", "evidence", BEGAN + timedelta(days=number), "measured", "", "", conditions)
        runs.append(replace(run, figures=each))
        if number >= first:
            found = news(runs)
            runs[-1] = replace(runs[-1], findings=facts(found))
            told += [(number, str(finding.kind), finding.text) for finding in found]
    return told


def figures(run: Run, name: str, reference: str | None) -> dict[tuple[str, str], float]:
    """Of one run, as findings.figures has them: medians over rounds, of ratios where there is a reference."""
    found = {}
    for metric in FIGURES:
        values = [each[metric.field] for each in run[name]]
        if reference:
            others = [each[metric.field] for each in run[reference]]
            values = [one / other for one, other in zip(values, others, strict=True) if one > 0 and other > 0]
        if values and median(values) > 0:
            found["store" + (AGAINST + "reference" if reference else ""), metric.field] = median(values)
    return found


def spread_of(history: Sequence[Mapping[tuple[str, str], float]], wanted: str) -> float:
    """Standard deviation of the logarithm of a figure from run to run."""
    return stdev(math.log(value) for each in history for (_, field), value in each.items() if field == wanted)


def measured(folder: Path, histories: int) -> list[list[Run]]:
    """As many histories, each line of the file one run; what is there already is not measured again."""
    log = folder / "runs.jsonl"
    found: list[list[Run]] = [[] for _ in range(histories)]
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        one = json.loads(line)
        if one["history"] < histories:
            found[one["history"]].append(one["figures"])
    for number, runs in enumerate(found):
        if len(runs) == RUNS:
            continue
        runs.clear()  # a history is of one pair of servers, from its beginning to its end
        with log.open("a", encoding="utf-8") as stream:
            for figures in history(folder, seed=number):
                runs.append(figures)
                if len(runs) == RUNS:
                    lines = (json.dumps({"history": number, "figures": each}) + "\n" for each in runs)
                    stream.write("".join(lines))
    return found


def history(folder: Path, seed: int) -> Iterator[Run]:
    """The runs of one history."""
    lot = random.Random(seed)
    with Server(folder / "reference") as reference, Server(folder / "store") as store:
        stores = {"reference": Store(reference, BYTES), "store": Store(store, BYTES)}
        store.client.set(LONGER, b"x" * (BYTES * 11 // 10))
        for server in (reference, store):
            _fill(server, HASH, "128")
        _fill(store, LISTPACK, str(ENTRIES))
        for _ in range(RUNS):
            found: dict[str, list[dict[str, float]]] = {name: [] for name in PLAYS}
            for name in (name for _ in range(ROUNDS) for name in _order(lot)):
                where, command = PLAYS[name]
                used = stores[where].used()
                one = parse("redis-benchmark", stores[where].play(REQUESTS[command[0]], *command), name)
                cpu = 1e6 * (stores[where].used() - used) / one.operations
                found[name].append({**{each.field: getattr(one, each.field) for each in METRICS}, CPU.field: cpu})
            yield found


def _order(lot: random.Random) -> list[str]:
    """One round: what is compared with each other is played one after the other, in an order drawn by lot."""
    kinds = [(reference, usual, name) for name, (usual, reference) in PLANTED.items()]
    return [name for kind in lot.sample(kinds, len(kinds)) for name in lot.sample(kind, len(kind))]


def _fill(server: Server, key: str, entries: str) -> None:
    server.client.config_set("hash-max-listpack-entries", entries)
    server.client.hset(key, mapping={f"field:{number:06}": "x" * 20 for number in range(ENTRIES)})
