"""How soon a regression is found in a history of scheduled runs, and how often a quiet history raises an alarm.

Noise is measured, not made up: a run plays a reference and a store in turn with redis-benchmark, as a benchmark with
two stores does, and what the store does is planted in the same runs: it answers as always, or with 10 % more of its own
work for each command (BITCOUNT of a value that is longer by a tenth), or with another setting (a hash that
hash-max-listpack-entries leaves a listpack is searched from one end to the other). A history is 60 such runs in the
order in which they were measured. After each run it is judged as `benchfly schedule run` judges it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.evidence.verdicts import CLIENTS, KEY, SECONDS, Store
from tests.stores.servers import Server

from benchfly.benchmark import METRICS
from benchfly.benchmark.trials import parse

RUNS, ROUNDS = 60, 5
BYTES = 2_000_000  # long enough that a command is the server's work and little else
HISTORIES, SHORT = 6, 1
ENTRIES = 512
HASH, LISTPACK, LONGER = "benchfly:bench:hash", "benchfly:bench:listpack", "benchfly:bench:longer"
# What is played: name -> which server, and the command.
PLAYS = {
    "bits reference": ("reference", ("BITCOUNT", KEY)),
    "bits": ("store", ("BITCOUNT", KEY)),
    "bits slowed": ("store", ("BITCOUNT", LONGER)),
    "hash reference": ("reference", ("HGET", HASH, f"field:{ENTRIES - 1:06}")),
    "hash": ("store", ("HGET", HASH, f"field:{ENTRIES - 1:06}")),
    "hash set": ("store", ("HGET", LISTPACK, f"field:{ENTRIES - 1:06}")),
}
Run = Mapping[str, Sequence[Mapping[str, float]]]  # of what was played, the metrics of each round


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
        requests = {}
        for name, (where, command) in PLAYS.items():
            rate = parse("redis-benchmark", stores[where].play(300, *command), name).ops_per_second
            requests[name] = max(CLIENTS, round(rate * SECONDS))
        for _ in range(RUNS):
            figures: dict[str, list[dict[str, float]]] = {name: [] for name in PLAYS}
            for _ in range(ROUNDS):
                for name in lot.sample(list(PLAYS), len(PLAYS)):
                    where, command = PLAYS[name]
                    found = parse("redis-benchmark", stores[where].play(requests[name], *command), name)
                    figures[name].append({metric.field: getattr(found, metric.field) for metric in METRICS})
            yield figures


def _fill(server: Server, key: str, entries: str) -> None:
    server.client.config_set("hash-max-listpack-entries", entries)
    server.client.hset(key, mapping={f"field:{number:06}": "x" * 20 for number in range(ENTRIES)})
