"""docs/figures.md, from what `make perf` and `make pairs` have left in .benchfly: python -m tests.perf.figures"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchfly.benchmark.statistics import estimate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/figures.md"
HEAD = """# What a move costs

Written by `make figures` from what the commands named here have left in `.benchfly/`. Each figure stands beside its
floor, measured in the same run on the same machine: compare ratios, not seconds.
"""


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write what was measured to .benchfly/perf-<name>.json, with the machine's state, and print it."""
    machine = {"cpus": os.cpu_count(), "load": [round(load, 1) for load in os.getloadavg()]}
    text = json.dumps({"measured": time.strftime("%Y-%m-%d"), **machine, **figures}, indent=1)
    (ROOT / ".benchfly").mkdir(exist_ok=True)
    (ROOT / f".benchfly/perf-{name}.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def machine(figures: dict[str, Any]) -> str:
    return f"{figures['measured']}, {figures['cpus']} CPUs, load {figures['load'][0]} at the end."


def sweep(figures: dict[str, Any]) -> str:
    """Queues and caches by size; `back` is what a rollback does."""
    queues, caches = ([row for row in figures["rows"] if row["purpose"] == purpose] for purpose in ("queue", "cache"))
    jobs = [
        [
            f"{row['size']:,}",
            *(
                cell
                for way in ("there", "back")
                for cell in (
                    f"{row['seconds'][way]:.2f} s",
                    f"{row['size'] / row['seconds'][way]:,.0f}",
                    f"{row['ratio'][way]} x",
                )
            ),
        ]
        for row in queues
    ]
    cold = [
        [
            f"{row['size']:,} MB",
            *(
                cell
                for way in ("there", "back")
                for cell in (
                    f"{row['seconds'][way]:.2f} s",
                    f"{row['seconds'][f'{way} floor']:.2f} s",
                    f"{row['seconds'][f'{way} prepare']:.2f} s",
                )
            ),
        ]
        for row in caches
    ]
    exponent = figures["exponent"]
    title, where = "The sweep: `make perf PERF=sweep`", ""
    if "target" in figures:
        title = "The sweep to Dragonfly and back: `make perf PERF=sweep DRAGONFLY=its binary`"
        where = f"\nFrom Redis and back: {figures['target']}, one thread."
    return f"""## {title}

{machine(figures)}{where}
The floor is a bare pipelined HGETALL, HSET, LRANGE and RPUSH of the same keys, which compares, looks for and removes
nothing. Medians of {queues[0]["trials"]} interleaved trials. Time grows with the number of jobs to the power of {
        exponent["there"]
    } (back {exponent["back"]}; 1 is linear).

{
        table(
            ["queued jobs", "there", "jobs/s", "to the floor", "back", "jobs/s", "to the floor"],
            jobs,
        )
    }
A cache of which 10,000 rows of pending work and 2,000 user settings move, and the rest, in values of 4 KiB, starts
cold. What is removed from the target before anything stops has a column of its own.

{
        table(
            ["cold part", "there", "floor", "removed before", "back", "floor", "removed before"],
            cold,
        )
    }"""


def pairs(rows: list[dict[str, Any]]) -> str:
    """One line for each way. A row exists once something of it ran, and says what failed."""
    servers = {name: said for row in rows for name, said in zip(row["names"], row.get("versions", ()), strict=False)}
    cells = [
        [
            *row["names"],
            row.get("skipped") or row.get("stops", "not run"),
            f"{row['move']}: {row['jobs']:,} jobs" if "jobs" in row else row.get("move", "not run"),
        ]
        for row in rows
    ]
    return (
        "## Pairs of engines: `make pairs`\n\n"
        "The sweep from one to the other after real workers were stopped, in stops; and a stand-in bench that\n"
        "moved under load, in jobs that it acknowledged while it went there and back. Of what is counted here no\n"
        "job was lost and none ran twice.\n\n"
        + "".join(f"- {name}: {said}\n" for name, said in servers.items())
        + "\n"
        + table(["from", "to", "stops", "under load"], cells)
    )


def stops(figures: dict[str, Any]) -> str:
    """Of each way to stop a worker, what the sweep put back."""
    cells = [
        [
            row["rq"],
            row["workers"],
            row["way"],
            *(row[name] for name in ("rounds", "put_back", "running")),
            len(row["lost"]),
            len(row["twice"]),
        ]
        for row in figures["rows"]
    ]
    total = sum(row["rounds"] for row in figures["rows"])
    return (
        f"## Stopped workers: `make perf PERF=stops`\n\n{machine(figures)} {total:,} real workers were stopped; "
        "six jobs each.\n\n"
        + table(
            ["RQ", "queues", "stopped when", "stops", "jobs put back", "killed while running", "lost", "run twice"],
            cells,
        )
    )


def times_the_floor(moves: Sequence[dict[str, Any]], floor: str) -> str:
    """The slowest request of a move as multiple of its floor, with its interval: a HUP's own is 8 ms or 40."""
    ratio = estimate([math.log(move["slowest"] / move[floor]) for move in moves])
    if ratio is None:
        return "(too few moves to say)"
    middle, low, high = (math.exp(value) for value in (ratio.middle, ratio.low, ratio.high))
    return f"{middle:.2f} x ({low:.2f} to {high:.2f})"


def cutover(figures: dict[str, Any]) -> str:
    """A line for each move, with its floors."""
    cells = [
        [
            row["verb"],
            row["failed"],
            f"{row['slowest']:.0f} ms",
            f"{row['slowest_floor']:.0f} ms",
            f"{row['slowest_restart']:.0f} ms",
            f"{row['idle']:.1f} s",
            f"{row['sweep']:.1f} s",
            f"{row['idle_floor']:.1f} s",
            row["events_missed"],
            row["events_lost"],
        ]
        for row in figures["moves"]
    ]
    jobs, floors = figures["jobs"], sorted(row["idle_floor"] for row in figures["moves"])
    title = "A move under load: `make perf PERF=cutover`"
    where = "web, workers, load and controller share the CPUs here, the controller with a niceness of 10."
    if figures.get("apart"):
        title = "A move under load, on CPUs apart: `make perf PERF=cutover APART=1`"
        where = "web, stores and load have half of the CPUs here; workers, socketio and controller the others."
    return f"""## {title}

{machine(figures)} {len(cells)} moves of a stand-in bench there and back, at 20 enqueues and 5 pages a second.
{jobs["acknowledged"]:,} jobs acknowledged, {jobs["lost"]} lost, {jobs["twice"]} run twice; {figures["failed"]} requests
failed. Slowest request: {times_the_floor(figures["moves"], "slowest_floor")} that of a HUP without a move, and
{times_the_floor(figures["moves"], "slowest_restart")} that of a HUP between stop and start of the workers without one,
as a move has it: {where}
In brackets: the 95 % interval of the middle of the ratios (Hodges and Lehmann).
Time without an executed job, less the sweep: {figures["idle_ratio"]} x that of a warm restart of the same workers
(median), which took {floors[0]:.1f} to {floors[-1]:.1f} s here: supervisord answers a stop as soon as anything wakes
it, at the latest a second after the end.
Realtime events are missed until socketio has subscribed again; of later ones {figures["events_lost"]} were lost.

{
        table(
            [
                "",
                "failed",
                "slowest",
                "of a HUP",
                "with the workers",
                "no job ran",
                "of it sweep",
                "of a restart",
                "events missed",
                "lost",
            ],
            cells,
        )
    }"""


def rollout(figures: dict[str, Any]) -> str:
    """One command for all benches, and one for each."""
    return f"""## A fleet: `make rollout-evidence`

{machine(figures)} {figures["benches"]} small stand-in benches on this machine, which is also controller and store
host: `benchfly migrate --all --canary 1 --batch 25%` moved {figures["moved"]} in {figures["steps"]} steps, at most
{figures["parallel"]} at once, in {figures["rollout_seconds"]:.0f} s ({figures["rollout_cpu_seconds"]:.0f} s of a CPU),
and the way back took {figures["rollback_seconds"]:.0f} s. One by one they took {figures["one_by_one_seconds"]:.0f} s
({figures["one_by_one_cpu_seconds"]:.0f} s of a CPU): {figures["rollout_to_one_by_one"]} x. A bench alone took
{figures["seconds_of_a_bench_alone"]} s, in the rollout {figures["seconds_of_a_bench_in_the_rollout"]} s (medians):
here the CPUs are what is short. Load before it began: {figures["load_before"]}."""


def ec2_inventory(figures: dict[str, Any]) -> str:
    """A tagged fleet, listed by benchfly and by the plugin alone."""
    ours, plugin = (
        f"{figures['seconds'][key]:.1f} s ({figures['cpu_seconds'][key]:.1f} s of a CPU)"
        for key in ("benchfly", "plugin")
    )
    return f"""## The inventory of EC2: `make ec2-test`

{machine(figures)} {figures["instances"]} tagged instances in moto's server, with {figures["groups"]["stores"]} stores
and {figures["groups"]["benches"]} benches. `benchfly inventory`, which lists, groups and checks them and reads the
password of the stores: {ours}. `ansible-inventory --list` with the plugin alone: {plugin}. Ratio of the medians of
{figures["rounds"]} turns: {figures["ratio"]}."""


def converge(figures: dict[str, Any]) -> str:
    """One host against the peer's role, and what each host of a fleet costs."""
    one = figures["one"]
    sides = {"geerlingguy.redis": "peer", "benchfly": "benchfly"}
    cells = [
        [name, f"{one[side]['seconds']:.1f} s", one[side]["tasks"], one[side]["connections"]]
        for name, side in sides.items()
        if side in one
    ]
    ratio = f" The ratio of the two is {one['ratio']}." if one.get("ratio") else ""
    fleets = [
        [count, f"{row['seconds']:.0f} s", f"{row['seconds_per_host']:.2f} s", f"{row['cpu_seconds_per_host']:.2f} s"]
        for count, row in figures["fleets"].items()
    ]
    return f"""## A converge that changes nothing: `make perf PERF=converge`

{machine(figures)} One store host (Debian 13, over SSH) with one store; the peer is the most used role for Redis, which
configures, installs and starts one server. Medians of interleaved rounds.{ratio}

{table(["", "wall", "tasks", "commands over SSH"], cells) if cells else one["skipped"]}
Fleets are this machine under as many names, each with a store under one supervisord; 20 forks. The processor's time is
that of controller and hosts together, which other work on the machine changes little.

{table(["hosts", "wall", "wall for each", "processor for each"], fleets)}"""


SECTIONS: dict[str, Callable[[Any], str]] = {
    "perf-converge": converge,
    "perf-cutover": cutover,
    "perf-cutover-apart": cutover,
    "perf-rollout": rollout,
    "perf-sweep": sweep,
    "perf-sweep-dragonfly": sweep,
    "perf-stops": stops,
    "pairs": pairs,
    "perf-ec2-inventory": ec2_inventory,
}


def sections() -> dict[str, str]:
    """By title, of what has been measured."""
    found = {}
    for name, write in SECTIONS.items():
        file = ROOT / f".benchfly/{name}.json"
        if file.exists():
            title, _, text = write(json.loads(file.read_text())).strip().partition("\n")
            found[title.removeprefix("## ")] = text.strip() + "\n"
    return found


def renewed(page: Path, head: str, measured: dict[str, str]) -> str:
    """The page with what was measured since; a section that was not keeps its place."""
    former = page.read_text() if page.exists() else ""
    parts = (part.partition("\n") for part in former.split("\n## ")[1:])
    texts = {title: text.strip() + "\n" for title, _, text in parts} | measured
    return "\n".join([head, *(f"## {title}\n\n{text}" for title, text in texts.items())])


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE, HEAD, sections()))
