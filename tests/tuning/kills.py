"""`tune` killed at any point: the store is back on its old settings with the next run, and the study comes to its end.

Whole runs of the command on a real store under a supervisord of its own, each killed after a random time with all that
Ansible left running, and taken up by the next. Every other one is killed while the store is not as it was: those are
what puts the promise to the test, and chance alone may miss them all.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tuning.place import QUICK, placed

KILLS, SHORT = 20, 3
LONGEST = 60.0  # seconds into a run; one that was over by then counts as one that ended
CHANGED_FOR = 2.0  # seconds after the first change, at most


def run(folder: Path, short: bool) -> dict[str, Any]:
    """The kills that are not done yet, and one run that is left to end."""
    file = folder / "kills.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    with placed() as place, file.open("a") as kept:
        for number in range(len(done), SHORT if short else KILLS):
            lot, process = random.Random(number), place.start("tune", "--store", "shop-cache", **QUICK)
            aimed = number % 2 == 0 and place.changed(process, 10 * LONGEST)
            time.sleep(lot.uniform(0, CHANGED_FOR if aimed else LONGEST))
            ended = process.poll() is not None
            place.kill(process)
            found = {"ended": ended, "left": place.running, "journal": place.journal.get("state", "none")}
            restored = place.tune("--restore")
            found |= {
                "code": restored["exit_code"],
                "then": place.running,
                "open": place.journal.get("state") == "begun",
            }
            done.append(found)
            kept.write(json.dumps(found) + "\n")
            kept.flush()
        last = place.tune()
    kept_settings = last["data"]["tune"]["outcome"]["kept"]["settings"]
    return {
        "kills": sum(not each["ended"] for each in done),
        "left_changed": sum(each["left"] != "0" for each in done),
        "changed_without_journal": sum(each["left"] != "0" and each["journal"] != "begun" for each in done),
        "not_restored": sum(each["then"] != "0" or each["open"] or each["code"] != 0 for each in done),
        "kept_in_the_end": kept_settings,
    }


def good(found: Mapping[str, Any]) -> bool:
    """Always back, also from what a kill left changed; never changed without a journal that says so; and it ended."""
    back = found["left_changed"] and not found["not_restored"] and not found["changed_without_journal"]
    return bool(back and found["kept_in_the_end"])
