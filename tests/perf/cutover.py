"""What a move costs the users of a bench, against its floors in the same run: python -m tests.perf.cutover

A stand-in bench under load moves there and back, MOVES times (20) in all. Before each move come its floors on the same
bench: a HUP of gunicorn's master, a warm restart of the workers by supervisorctl, and both at once, without any move.
MINUTES=10 begins no move later than that, accounts for what was made so far, and leaves the others to the next run.
APART=1 has what answers users, and the load, on half of the CPUs, and all the rest, with the controller, on the others.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median

from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import (
    BenchProcess,
    bench_processes,
    children,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_switch import reload_web
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.load import Load, Request, read_requests
from tests.bench.conftest import REDIS, Moving, Servers, stand_in
from tests.bench.test_move import held
from tests.perf.figures import ROOT, keep

from benchfly.cli.verbs import BESIDE_USERS

MOVES = int(os.environ.get("MOVES", "20"))
MINUTES = float(os.environ.get("MINUTES", "inf"))
CPUS = sorted(os.sched_getaffinity(0))
APART = bool(os.environ.get("APART"))
FRONT, BACK = CPUS[: len(CPUS) // 2], CPUS[len(CPUS) // 2 :]
NAME = "cutover-apart" if APART else "cutover"
KEPT = ROOT / f".benchfly/perf-{NAME}.json"
ENQUEUES, PAGES = 20, 5  # a second
# After the web was told to move, until its users are as before.
WINDOW = 6.0
QUIET = 2.0  # around what is measured
PATIENCE = 300.0

Span = tuple[float, float]  # unix seconds


@dataclass(frozen=True)
class Cost:
    """Of one move, with the floors that were measured just before it."""

    verb: str
    failed: int  # requests, of any kind
    slowest: float  # ms, from the HUP on
    slowest_floor: float
    slowest_restart: float  # of a HUP between stop and start of the workers, as a move has it
    idle: float  # seconds without an execution of any job
    idle_floor: float
    sweep: float  # seconds that the sweep itself took
    events_missed: int  # realtime events that were published before socketio listened again
    events_lost: int  # and afterwards


def hup(moving: Moving) -> float:
    """Tell the web to reload; when it was told."""
    web = next(process for process in processes(moving) if process.role == "web")
    started = time.time()
    reload_web(web, Supervisor(str(moving.bench.supervisor_socket)), 120)
    return started


def processes(moving: Moving) -> list[BenchProcess]:
    return bench_processes(moving.bench.path, Supervisor(str(moving.bench.supervisor_socket)))


def settled(started: float) -> Span:
    """The time in which users may notice what was begun then; it is over, and some quiet has followed."""
    time.sleep(max(0.0, started + WINDOW - time.time()) + QUIET)
    return started, started + WINDOW


def restart_workers(moving: Moving) -> Span:
    started = time.time()
    moving.supervisorctl("stop")
    moving.supervisorctl("start")
    wait_for_work(moving, time.time())
    return settled(started)


def restart_all(moving: Moving) -> Span:
    moving.supervisorctl("stop")
    told = hup(moving)
    moving.supervisorctl("start")
    return settled(told)


def wait_for_work(moving: Moving, since: float) -> None:
    """Until a job has been executed after that moment."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(execution.time > since for execution in moving.bench.executions()):
            return
        time.sleep(0.2)
    raise SystemExit(f"no job was executed in {PATIENCE:g} s")


def slowest(requests: list[Request], span: Span) -> float:
    """Milliseconds of the slowest request that was due in it."""
    return max(request.latency_ms for request in requests if span[0] <= request.sent <= span[1])


def idle(moving: Moving, span: Span) -> float:
    """The longest time between two executions; jobs come twenty times a second."""
    times = sorted(execution.time for execution in moving.bench.executions() if span[0] <= execution.time <= span[1])
    return round(max(after - before for before, after in pairwise(times)), 3)


def received(moving: Moving) -> dict[int, float]:
    """When socketio heard of each numbered job."""
    lines = (moving.bench.path / "logs/realtime.log").read_text().splitlines()
    events = ((float(at), json.loads(data)) for at, _space, data in (line.partition(" ") for line in lines))
    return {event["message"]["name"]: at for at, event in events if event["event"] == "list_update"}


def measured(moving: Moving, verb: str, act: Callable[[], object]) -> Cost:
    floor_web, floor_workers, floor_all = settled(hup(moving)), restart_workers(moving), restart_all(moving)
    began = time.time()
    act()
    wait_for_work(moving, time.time())
    time.sleep(WINDOW)
    ended = time.time()
    steps = {(entry["phase"], entry["what"]): entry for entry in moving.move["phases"]}
    told = steps["Switch producers", "web"]["started"]
    swept = steps["Sweep", "stores"]["swept"]
    requests = read_requests(moving.loads[0].out)
    during = [request for request in requests if began <= request.sent <= ended]
    heard = received(moving)
    unheard = [request.sent for request in during if request.kind == "enqueue" and request.n not in heard]
    back = min(at for at in heard.values() if at > steps["Switch producers", "socketio"]["started"])
    return Cost(
        verb=verb,
        failed=sum(not request.ok for request in during),
        slowest=slowest(requests, (told, told + WINDOW)),
        slowest_floor=slowest(requests, floor_web),
        slowest_restart=slowest(requests, floor_all),
        idle=idle(moving, (began, ended)),
        idle_floor=idle(moving, (floor_workers[0] - QUIET, floor_workers[1])),
        sweep=swept["quiet_after"] + sum(swept[purpose]["seconds"] for purpose in ("queue", "cache")),
        events_missed=sum(sent < back for sent in unheard),
        events_lost=sum(back <= sent < ended - QUIET for sent in unheard),
    )


def servers_apart(folder: Path) -> Servers:
    """Redis on both sides, on the CPUs in front, whoever starts it."""
    program = folder / "redis-server"
    program.write_text(f'#!/bin/sh\nexec taskset --cpu-list {",".join(map(str, FRONT))} redis-server "$@"\n')
    program.chmod(0o755)
    return program, "redis", program


def load_apart(moving: Moving) -> Load:
    """Begin the load where it and the web have CPUs of their own, as they have on hosts without workers.

    Whatever begins later is on the others: workers, the scheduler and socketio by supervisord, and the controller.
    """
    os.sched_setaffinity(0, FRONT)
    load = moving.load(enqueues=ENQUEUES, pages=PAGES)
    os.sched_setaffinity(0, BACK)
    for web in (process.pid for process in processes(moving) if process.role == "web"):
        for pid in (web, *children(web)):
            os.sched_setaffinity(pid, FRONT)
    return load


def main() -> None:
    costs, jobs = former()
    deadline = time.monotonic() + 60 * MINUTES
    if APART:
        if not FRONT:
            raise SystemExit("APART=1 needs two CPUs")
        os.sched_setaffinity(0, BACK)
    with (
        tempfile.TemporaryDirectory() as folder,
        stand_in(Path(folder), {}, servers_apart(Path(folder)) if APART else REDIS) as moving,
    ):
        moving.patience = 900  # a busy machine is no failure here
        load = load_apart(moving) if APART else moving.load(enqueues=ENQUEUES, pages=PAGES)
        time.sleep(3 * QUIET)
        os.nice(BESIDE_USERS)  # as `benchfly` runs them
        for verb in islice(cycle(("migrate", "rollback")), MOVES - len(costs)):
            if time.monotonic() > deadline:
                break
            costs.append(measured(moving, verb, lambda: moving.run(verb)))  # noqa: B023 (called at once)
            sys.stderr.write(f"{costs[-1]}\n")
        counted = moving.account(load)
    jobs += Counter(acknowledged=counted.web.acknowledged, **dict(zip(("lost", "twice"), held(counted), strict=True)))
    keep(
        NAME,
        {
            "apart": APART,
            "moves": [asdict(cost) for cost in costs],
            "jobs": {name: jobs[name] for name in ("acknowledged", "lost", "twice")},
            "failed": sum(cost.failed for cost in costs),
            "events_lost": sum(cost.events_lost for cost in costs),
            "idle_ratio": round(median((cost.idle - cost.sweep) / cost.idle_floor for cost in costs), 2),
        },
    )


def former() -> tuple[list[Cost], Counter[str]]:
    """What an earlier run has measured that did not come to all moves."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"moves": []}
    unfinished = 0 < len(kept["moves"]) < MOVES
    return ([Cost(**row) for row in kept["moves"]], Counter(kept["jobs"])) if unfinished else ([], Counter())


if __name__ == "__main__":
    main()
