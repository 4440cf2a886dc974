"""python -m demo.standin up|down|status ROOT: a stand-in bench for people."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.standin import StandinBench

from benchfly.errors import BenchflyError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.standin", description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "status"], help="up lays out a new one and leaves it running")
    parser.add_argument("root", type=Path, help="its folder, e.g. .benchfly/standin")
    parser.add_argument("--frappe", default="15", help="major version that a new one is like: 14, 15 (default) or 16")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "up":
            bench = StandinBench.lay_out(arguments.root, frappe=arguments.frappe)
            bench.start()
        else:
            bench = StandinBench.at(arguments.root)
        if arguments.verb == "down":
            bench.stop()
    except BenchflyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(_describe(bench))
    return 0


def _describe(bench: StandinBench) -> str:
    processes = bench.processes()
    if not processes:
        return f"{bench.path}: nothing runs\n"
    facts = {"bench": bench.path, "web": bench.url, "supervisor socket": bench.supervisor_socket}
    lines = [f"{name:18} {value}" for name, value in facts.items()]
    lines += [f"{process.state:18} {process.name} (pid {process.pid})" for process in processes]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
