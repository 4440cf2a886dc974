"""`make demo`: a stand-in bench moves to other stores and back on this machine, under load, and is held to account.

python -m demo          run it
python -m demo --stop   end what a killed run left behind
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.closing import Measured, close
from demo.load import Account, Load, Request, account
from demo.standin import StandinBench, free_ports
from demo.target import Target, choose
from rich.console import Console

from benchfly.errors import BenchflyError, RunFailedError

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".benchfly/demo"
ENQUEUES_PER_SECOND = 50
WARM_UP_SECONDS = 3.0
# Longer than any backlog that the demo can build up takes to run.
DRAIN_SECONDS = 90.0

console = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--stop", action="store_true", help="only end what a killed run left behind")
    arguments = parser.parse_args()
    try:
        if arguments.stop:
            if (FOLDER / "standin.json").exists():
                StandinBench.at(FOLDER).stop()
            return 0
        return run()
    except BenchflyError as error:
        console.print(f"[bold red]demo:[/] {error}")
        return error.exit_code
    except KeyboardInterrupt:
        console.print("\n[bold]Interrupted.[/] Everything the demo started is ended; run it again at any time.")
        return 130


def run() -> int:
    began = time.monotonic()
    step("Laying out a stand-in bench", "bench's own templates, real RQ, gunicorn and supervisord")
    bench = StandinBench.lay_out(FOLDER, background_workers=2)
    target = choose(bench.env.redis_server, ROOT / ".benchfly/downloads")
    step(f"The target is {target.engine}", f"{target.why}; {target.binary}")
    with bench:
        load = Load(bench.url, FOLDER / "requests.jsonl", enqueues=ENQUEUES_PER_SECOND)
        options = variables(bench, target)
        former = {name: bench.config()[f"redis_{name}"] for name in ("cache", "queue")}
        with load:
            step(f"Load: {ENQUEUES_PER_SECOND} jobs a second and pages, from here to the end", f"on {bench.url}")
            time.sleep(WARM_UP_SECONDS)
            runs = [verb(name, options) for name in ("deploy", "check")]
            # Before the move, which retires the former cache.
            runs.append(verb("benchmark", options, benchmark(former["cache"])))
            runs += [verb(name, options) for name in ("migrate", "verify", "rollback", "verify")]
        requests = load.stop()
        step("Letting the queue run empty", "then every acknowledged job is looked for among the executed ones")
        counted = settled(bench, requests)
    measured = Measured(target, requests, counted, runs, time.monotonic() - began)
    return close(measured, FOLDER, console)


def step(title: str, detail: str = "") -> None:
    console.print(f"\n[bold]{title}[/]" + (f"  [dim]{detail}[/]" if detail else ""))


def variables(bench: StandinBench, target: Target) -> list[str]:
    """Options that fill inventories/local for this bench."""
    cache_port, queue_port = free_ports(2)
    values = {
        "local_folder": str(bench.root),
        "local_socket": str(bench.supervisor_socket),
        "local_engine": target.engine,
        "local_binary": str(target.binary),
        "local_cache_port": cache_port,
        "local_queue_port": queue_port,
        "local_ping_url": f"{bench.url}/api/method/ping",
    }
    file = bench.root / "variables.json"
    file.write_text(json.dumps(values, indent=1))
    return ["-i", str(ROOT / "inventories/local"), "-e", f"@{file}"]


def benchmark(former_cache: str) -> list[str]:
    """The former cache against the new one; both are in use, which is said by name."""
    values = {
        "benchmark_urls": {"former-cache": former_cache},
        "benchmark_stores": ["demo-cache"],
        "benchmark_allow_data": ["former-cache", "demo-cache"],
        "benchmark_rounds": 8,
        "benchmark_rounds_most": 8,
        "benchmark_seconds": 0.7,
    }
    return ["-e", json.dumps(values)]


def verb(name: str, options: Sequence[str], more: Sequence[str] = ()) -> dict[str, Any]:
    """Run `benchfly NAME` as a person would, its progress on this terminal; returns what it left in its run folder."""
    command = ["benchfly", name, *options, *more]
    step(f"benchfly {name}")
    home = ROOT / ".benchfly"
    environment = {**os.environ, "BENCHFLY_HOME": str(home)}
    answer = subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:], "--yes"], env=environment)
    if answer.returncode:
        raise RunFailedError(f"`benchfly {name}` ended with {answer.returncode}; its messages are above.")
    folder = max(home.glob(f"runs/*-{name}-*"))
    outcome: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    return {**outcome, "verb": name, "folder": folder}


def settled(bench: StandinBench, requests: Sequence[Request]) -> Account:
    """The account, once every acknowledged job was executed; or as it is when they had time enough."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        scheduled = bench.scheduled()  # before the executions: what comes in between is not lost
        counted = account(requests, bench.executions(), scheduled)
        if not (counted.web.lost or counted.scheduler.lost) or time.monotonic() > deadline:
            return counted
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
