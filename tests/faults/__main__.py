"""`make faults`: moves a bench, breaks each move on purpose, and accounts for everything.

    python -m tests.faults [WORD...]    cases with these words in their names, but those whose row is whole already

Those with Dragonfly as the new stores run where DRAGONFLY names a real one.
Rows are in .benchfly/faults.json, logs of each case in .benchfly/faults/<case>/, the table in docs/faults.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from itertools import groupby

from tests.faults import table
from tests.faults.cases import ENGINE, Case, cases, choose
from tests.faults.planted import Planted
from tests.faults.run import CaseRun
from tests.faults.scene import FOLDER, Scene
from tests.fleet import standin
from tests.fleet.hosts import reason_not_possible


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="words of the cases' names, all of them; none: every case")
    parser.add_argument("--again", action="store_true", help="also cases that were whole already")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no case after so long")
    parser.add_argument("--lane", default="1/1", help="k/n: the k-th of n runs side by side")
    parser.add_argument("--keep", action="store_true", help="leave the hosts up in the end")
    asked = parser.parse_args()
    if reason := reason_not_possible(standin.release() or "a release with this Python"):
        say(f"not possible here: {reason}")
        return 1
    lane, lanes = map(int, asked.lane.split("/"))
    done = set() if asked.again else {row["case"] for row in table.read() if row["outcome"] == "whole"}
    possible = [case for case in cases() if case.engine == ENGINE or os.environ.get("DRAGONFLY")]
    wanted = [case for case in possible if all(word in case.name for word in asked.words)][lane - 1 :: lanes]
    pending = [case for case in wanted if case.name not in done]
    say(f"{len(pending)} cases to run, {len(wanted) - len(pending)} done already")
    deadline, failed = time.monotonic() + asked.minutes * 60, 0
    # One bench after the other, on the same hosts.
    for (frappe, engine), some in groupby(pending, lambda case: (case.frappe, case.engine)):
        failed += run(list(some), Scene(f"faults{lane}", frappe, engine), deadline, asked.keep)
    return 1 if failed else 0


def run(pending: list[Case], scene: Scene, deadline: float, keep: bool) -> int:
    """How many of them were not whole."""
    failed, planted = 0, None
    try:
        while pending and time.monotonic() < deadline:
            if planted is None:
                planted = set_up(scene)
            case = choose(pending, scene.at())
            if case is None:
                undisturbed(scene)
                continue
            pending.remove(case)
            began = time.monotonic()
            case_run = CaseRun(scene, planted, case, FOLDER / case.name)
            try:
                row = case_run.run()
            except Exception as error:  # the harness could not go on: it is a failed case, and all is made anew
                with suppress(Exception):
                    case_run.keep_evidence()
                row = {"case": case.name, **vars(case), "outcome": f"harness: {type(error).__name__}: {error}"}
                scene.fleet.down(fast=True)
            table.add(row)
            whole = row["outcome"] == "whole"
            failed += not whole
            say(f"{case.name} ({case.way}): {row['outcome']}, {time.monotonic() - began:.0f} s")
            if not whole:
                planted = None
    finally:
        if not keep:
            scene.fleet.down(fast=True)
    return failed


def set_up(scene: Scene) -> Planted:
    began = time.monotonic()
    scene.set_up()
    planted = Planted(scene)
    planted.plant()
    say(f"{', '.join(host.name for host in scene.fleet.hosts)} are up, {time.monotonic() - began:.0f} s")
    return planted


def undisturbed(scene: Scene) -> None:
    """Bring the bench to where the cases that are left begin."""
    verb = "migrate" if scene.at() == "old" else "rollback"
    done = scene.play(verb)
    if done.returncode:
        raise RuntimeError(f"an undisturbed {verb} failed:\n{done.stdout}")


if __name__ == "__main__":
    sys.exit(main())
