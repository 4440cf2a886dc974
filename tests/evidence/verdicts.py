"""How often equal stores are told apart, and how often a store that is slower by 5 or 10 % is found to be so.

Two redis-servers on the loopback, started anew for every comparison, are played by redis-benchmark as a benchmark
does it: rounds in random order with a twin, the same rule for more of them, asked again as there, the same verdict.
Load is BITCOUNT of one value, which is the server's own work in proportion to its length; so a store whose value is
longer is slower on every command. By how much is calibrated in its CPU time, which a busy machine changes little.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_further_rounds, benchmark_schedule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Output
from tests.stores.servers import Server

from benchfly.benchmark import METRICS, Trial, compare
from benchfly.benchmark.trials import parse

# So much work, for so many clients, that the server is what is waited for: slower by 5 % it does 5 % less.
BYTES = 1_000_000
CLIENTS = 4
SECONDS = 0.1  # of a trial
FIRST, MOST, PRECISION = 8, 40, 0.02  # the defaults of playbooks/benchmark.yml
MOST_EQUAL = 16  # where the number of rounds changes nothing of what is to be shown
CASES = {"equal": 0.0, "slower by 5 %": 0.05, "slower by 10 %": 0.10}
WANTED = {"equal": 200, "slower by 5 %": 100, "slower by 10 %": 100}
SHORT = {"equal": 6, "slower by 5 %": 3, "slower by 10 %": 3}
KEY = "benchfly:bench:bits"
PLAYS = 4  # in a round, of two stores with their twins


@dataclass
class Store:
    server: Server
    bytes: int

    def __post_init__(self) -> None:
        self.server.client.set(KEY, b"x" * self.bytes)

    def play(self, requests: int, *command: str) -> Output:
        words = ["redis-benchmark", "-p", str(self.server.port), "-c", str(CLIENTS), "-n", str(requests)]
        words += ["--csv", "--precision", "3", *(command or ("BITCOUNT", KEY))]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
        return Output((" ".join(words),), {"1.csv": done.stdout, "1.stderr": done.stderr})

    def cpu(self, requests: int, *command: str) -> float:
        """Its CPU seconds for so many requests."""
        before = self.used()
        self.play(requests, *command)
        return self.used() - before

    def used(self) -> float:
        """Its CPU seconds so far."""
        used = self.server.client.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])


def run(folder: Path, short: bool) -> dict[str, Any]:
    """Compare until there are as many comparisons of each case as are wanted."""
    wanted = SHORT if short else WANTED
    lengths = _calibrated(folder, 5 if short else 25)
    log = folder / "comparisons.jsonl"
    done = _done(log)
    while missing := [case for case, count in wanted.items() if sum(one["case"] == case for one in done) < count]:
        # In turn, so that no case has the quiet hour to itself.
        case = min(missing, key=lambda each: sum(one["case"] == each for one in done) / wanted[each])
        done.append(comparison(folder, case, lengths[case]["bytes"], seed=len(done)))
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(done[-1]) + "\n")
    return figures(done, lengths)


def good(found: Mapping[str, Any]) -> bool:
    """At most 5 % false differences, and what is slower by 5 or 10 % found in at least 90 %."""
    cases = found["cases"]
    found_shares = [case["share"] for name, case in cases.items() if name != "equal"]
    return cases["equal"]["share"] <= 0.05 and all(share >= 0.9 for share in found_shares)


def comparison(folder: Path, case: str, length: int, seed: int) -> dict[str, Any]:
    """One comparison as a benchmark makes it."""
    with Server(folder / "old") as old, Server(folder / "new") as new:
        stores = {"old": Store(old, BYTES), "new": Store(new, length)}
        warm = [parse("redis-benchmark", store.play(300), "warm-up").ops_per_second for store in stores.values()]
        requests = max(CLIENTS, round(min(warm) * SECONDS))
        trials: list[Trial] = []
        more, most = FIRST, MOST if CASES[case] else MOST_EQUAL
        while more:
            trials += _trials(stores, requests, more, seed, len(trials) // PLAYS + 1)
            more = benchmark_further_rounds([_as_data(trial) for trial in trials], PRECISION, most)
    rows = {row.metric.field: row for row in compare(trials, ["old", "new"]).rows if row.ratio}
    ratio = rows[METRICS[0].field].ratio
    assert ratio and ratio.spread
    return {
        "case": case,
        "rounds": len(ratio.rounds),
        "ratio": ratio.spread.median,
        "low": ratio.spread.low,
        "high": ratio.spread.high,
        "floor": math.expm1(ratio.floor or 0.0),
        "detectable": ratio.detectable,
        "claimed": {field: row.better for field, row in rows.items() if row.better is not None},
    }


def figures(done: list[Mapping[str, Any]], lengths: Mapping[str, Any]) -> dict[str, Any]:
    """What the comparisons came to, by case. Of equal stores any claim is false."""
    cases = {}
    for case, slower in CASES.items():
        mine = [one for one in done if one["case"] == case]
        if not mine:
            continue
        hits = sum(one["claimed"].get("ops_per_second") is False if slower else bool(one["claimed"]) for one in mine)
        cases[case] = {
            "comparisons": len(mine),
            "claimed" if slower else "false": hits,
            "share": round(hits / len(mine), 4),
            "cpu_time_per_command": lengths[case]["cpu"],
            "ratio_in_the_middle": round(median(one["ratio"] for one in mine), 4),
            "rounds_in_the_middle": median(one["rounds"] for one in mine),
        }
    seen = sorted(one["detectable"] for one in done)
    return {"cases": cases, "smallest_effect_seen_here": round(median(seen), 4), "trial_seconds": SECONDS}


def _trials(stores: Mapping[str, Store], requests: int, rounds: int, seed: int, first: int = 1) -> Iterator[Trial]:
    """As benchmark.yml plays them; a lot says which of a store's two trials in a round is the twin."""
    lot = random.Random(f"{seed} {first}")
    schedule = benchmark_schedule(list(stores), rounds, seed, first, twin=True)
    for number in range(first, first + rounds):
        twins = {store: iter(lot.sample([True, False], 2)) for store in stores}
        for entry in (each for each in schedule if each["round"] == number):
            measurement = parse("redis-benchmark", stores[entry["store"]].play(requests), "evidence")
            yield Trial(number, entry["store"], measurement, (), twin=next(twins[entry["store"]]))


def _as_data(trial: Trial) -> dict[str, Any]:
    rate = trial.measurement.ops_per_second if trial.measurement else 0.0
    return {"round": trial.round, "store": trial.store, "measurement": {"ops_per_second": rate}, "invalid": []}


def _calibrated(folder: Path, repetitions: int) -> dict[str, Any]:
    """For each case how long the value is, and how much more CPU time the server takes for a command of it."""
    file = folder / "calibration.json"
    if not file.exists():
        with Server(folder / "old") as one, Server(folder / "new") as other:
            base, longer = Store(one, BYTES), Store(other, 2 * BYTES)
            twice = median(longer.cpu(2000) / base.cpu(2000) for _ in range(repetitions))
            found = {}
            for case, slower in CASES.items():
                length = round(BYTES * (1 + slower / (twice - 1)))
                longer = Store(other, length)
                cpu = median(longer.cpu(2000) / base.cpu(2000) for _ in range(repetitions))
                found[case] = {"bytes": length, "cpu": round(cpu, 4)}
        file.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _done(log: Path) -> list[Mapping[str, Any]]:
    """What was compared already; a last line that was cut off is done again."""
    found = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
