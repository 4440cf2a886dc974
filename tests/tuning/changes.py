"""How soon a regression is found in a history of scheduled runs, and how often a quiet history raises an alarm.

Noise is measured, not made up: a run plays a reference and a store in turn with redis-benchmark, as a benchmark with
two stores does, and what the store does is planted in the same runs: it answers as always, or with 10 % more of its own
work for each command (BITCOUNT of a value that is longer by a tenth), or with another setting (a hash that
hash-max-listpack-entries leaves a listpack is searched from one end to the other). A history is 60 such runs in the
order in which they were measured. After each run it is judged as `benchfly schedule run` judges it. So are more
histories, of the same runs in orders drawn by lot: one order of a few has little to say of what is rare.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from statistics import median, stdev
from typing import Any

from tests.evidence.verdicts import KEY, Store
from tests.stores.servers import Server

from benchfly.benchmark import METRICS
from benchfly.benchmark.trials import parse
from benchfly.results.history import Rounds, Scheduled
from benchfly.schedule.findings import AGAINST, CPU, facts, figures, news

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

RUNS, ROUNDS = 60, 12
# Of a trial: the same for all that is compared, and enough that a connection and its INFO do not count.
REQUESTS = {"BITCOUNT": 200, "HGET": 3000}
BYTES = 2_000_000  # long enough that a command is the server's work and little else
HISTORIES, SHORT = 2, 1
ORDERS, FEW = 25, 5  # drawn by lot
WITHIN = 3  # runs, the first with the regression among them
ENTRIES = 1024
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
MEASURED = (*METRICS, CPU)
Run = Mapping[str, Sequence[Mapping[str, float]]]  # of what was played, the metrics of each round


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Measure the histories, and judge each: quiet ones, and those with something planted at several places."""
    histories, lot = measured(folder, SHORT if short else HISTORIES), random.Random(0)
    runs = list(chain.from_iterable(histories))
    orders = [lot.sample(runs, RUNS) for _ in range(FEW if short else ORDERS)]
    found = {
        "compared with a reference": judged(histories, True),
        "in orders drawn by lot": judged(orders, True),
        "the store alone": judged(histories, False),
    }
    return {"histories": len(histories), "runs_of_each": RUNS, "planted_after": PLACES, **found}


def good(found: Mapping[str, Any]) -> bool:
    """Each planted regression is found in time and nothing is told of quiet histories, as schedules are advised to be.

    What a store alone shows is told, and promised of no machine: that depends on what else it does.
    """
    compared = found["compared with a reference"]
    planted = [compared[name] for name in PLANTED]
    return compared["quiet"]["alarms"] == 0 and all(0 < one["found"] == one["planted"] for one in planted)


def judged(histories: Sequence[Sequence[Run]], compared: bool) -> dict[str, Any]:
    """What was told of them."""
    quiet = {"histories": 0, "runs": 0, "alarms": 0}
    planted: dict[str, dict[str, Any]] = {
        name: {"planted": 0, "found": 0, "named": 0, "after_runs": Counter()} for name in PLANTED
    }
    spread: dict[str, dict[str, list[float]]] = {name: {} for name in PLANTED}
    for runs in histories:
        for name, (usual, reference) in PLANTED.items():
            against = reference if compared else None
            for constant in (usual, name):
                told = played([rounds(each, constant, against) for each in runs])
                quiet["histories"] += 1
                quiet["runs"] += len(runs)
                quiet["alarms"] += len(told)
            for metric in MEASURED:
                one = spread_of([rounds(run, usual, against) for run in runs], metric.field)
                spread[name].setdefault(metric.field, []).append(one)
            for place in PLACES:
                whole = [rounds(each, usual if number < place else name, against) for number, each in enumerate(runs)]
                told = played(whole[: place + WITHIN], first=place + 1, setting_after=place)
                regressions = [(number, text) for number, kind, text in told if kind == "regression"]
                planted[name]["planted"] += 1
                planted[name]["found"] += bool(regressions)
                planted[name]["named"] += any(f"{SETTING}: 128 -> {ENTRIES}" in text for _, text in regressions)
                planted[name]["after_runs"].update([regressions[0][0] - place] if regressions else [])
    for name, each in planted.items():
        each["spread_of_runs"] = {field: round(median(values), 4) for field, values in spread[name].items()}
    return {"quiet": quiet, **planted}


def played(history: Sequence[Rounds], first: int = 1, setting_after: int = RUNS) -> list[tuple[int, str, str]]:
    """The history told run by run, as a schedule's: what it told after which run. Nothing is asked before `first`."""
    runs: list[Scheduled] = []
    told = []
    for number, each in enumerate(history, 1):
        conditions = {SETTING: "128" if number <= setting_after else str(ENTRIES)}
        run = Scheduled(f"run{number:03}", "evidence", BEGAN + timedelta(days=number), "measured", "", "", conditions)
        runs.append(replace(run, figures=figures(each), rounds=each))
        if number >= first:
            found = news(runs)
            runs[-1] = replace(runs[-1], findings=facts(found))
            told += [(number, str(finding.kind), finding.text) for finding in found]
    return told


def rounds(run: Run, name: str, reference: str | None) -> Rounds:
    """Of one run, as findings.rounds has them: of ratios where there is a reference."""
    found = {}
    for metric in MEASURED:
        values = [each[metric.field] for each in run[name]]
        if reference:
            others = [each[metric.field] for each in run[reference]]
            values = [one / other for one, other in zip(values, others, strict=True) if one > 0 and other > 0]
        if values and median(values) > 0:
            found["store" + (AGAINST + "reference" if reference else ""), metric.field] = values
    return found


def spread_of(history: Sequence[Rounds], wanted: str) -> float:
    """Standard deviation of the logarithm of a figure from run to run."""
    return stdev(math.log(value) for each in history for (_, field), value in figures(each).items() if field == wanted)


def measured(folder: Path, histories: int) -> list[list[Run]]:
    """As many histories, each line of the file one run; what is there already is not measured again."""
    log = folder / "runs.jsonl"
    found: list[list[Run]] = [[] for _ in range(histories)]
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        one = json.loads(line)
        if one["history"] < histories:
            found[one["history"]].append(one["figures"])
    with log.open("a", encoding="utf-8") as stream:
        for number, runs in enumerate(found):
            for each in history(folder, number, len(runs)) if len(runs) < RUNS else ():
                runs.append(each)
                stream.write(json.dumps({"history": number, "figures": each}) + "\n")
                stream.flush()
    return found


def history(folder: Path, number: int, first: int) -> Iterator[Run]:
    """The runs of one history from that one on, with servers started for them; each fills its data in anew."""
    with Server(folder / "reference") as reference, Server(folder / "store") as store:
        for each in range(first, RUNS):
            stores = {"reference": Store(reference, BYTES), "store": Store(store, BYTES)}
            store.client.set(LONGER, b"x" * (BYTES * 11 // 10))
            for server in (reference, store):
                _fill(server, HASH, "128")
            _fill(store, LISTPACK, str(ENTRIES))
            found: dict[str, list[dict[str, float]]] = {name: [] for name in PLAYS}
            lot = random.Random(f"{number} {each}")
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
    server.client.delete(key)
    server.client.hset(key, mapping={f"field:{number:06}": "x" * 20 for number in range(ENTRIES)})
