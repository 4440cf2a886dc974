"""The rows of `make faults`, and the pages docs/faults.* that are made of them: python -m tests.faults.table"""

from __future__ import annotations

import fcntl
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.faults.cases import ENGINE, FRAPPE, PHASES, cases
from tests.fleet.hosts.processes import ROOT

ROWS = ROOT / ".benchfly/faults.json"
PAGE = ROOT / "docs/faults.md"
# Hundreds of cases take many hours: rows are kept with the code, each with its commit, so that any checkout goes on.
KEPT = ROOT / "docs/faults.json"
HEAD = """# Broken on purpose

Written by `make faults`, which makes four hosts with systemd and sshd on one machine: two with one bench (web, workers;
the first also socketio and the scheduler), one with its old stores, one with its new ones, all deployed by
`playbooks/deploy.yml`. A case is one move under load with one fault in one of its phases; the fault heals after some
seconds or after the run has ended, and then the same verb is run again (resume), or the other one (take back). The
bench has the shape of Frappe v15; cases whose names have v14 or v16 have one of those. In those that end with dragonfly
the new stores are a real Dragonfly, which `DRAGONFLY=its binary` names, with snapshots; the power of its host is not
cut, as that costs a Dragonfly what came after its last snapshot, moved or not.

After each case everything is accounted for: every job whose enqueueing was acknowledged, by both hosts' logs; jobs
planted in every state of RQ, with their times to live; the cache's durable lists, item by item; every file that a move
touches, byte for byte; journal, processes, pages, and what `verify` says. *Killed* are jobs that ran on a host when its
power was cut: they are proven to have begun there and not to have ended, and no move can save them
([protocol.md](protocol.md)). [faults.json](faults.json) has a row for each case, with its commit, gaps and seconds; a
run goes on from there, and keeps its rows in `.benchfly/faults.json`.

- **kill**: the power of a host is cut, or every process of the controller is killed; the host boots again by itself.
- **cut**: the cable of a host is pulled, or the controller's to both of the bench's hosts.
- **disk full**, **oom** (the queue store's memory is full), **loading** (a store reads its data from disk for seconds),
  **slow network** (50 ms each way), **clock skew** (90 s, by libfaketime in every new process of a host), **endless
  job** (longer than the move waits), **second move** (the same verb begun twice).

One case at first came to no account: in kill-old1-web-migrate-dragonfly the Redis of the old cache did not come up
again after the power cut, four minutes after another case had filled that host's disk. The move stayed open and said
so. Why was not found; run again twice, on new hosts, the case was whole.

"""


def read() -> list[dict[str, Any]]:
    file = ROWS if ROWS.exists() else KEPT
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    return rows


def add(row: Mapping[str, Any]) -> None:
    """Put a row in the place of an older one of the same case; runs side by side do not lose each other's."""
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    with ROWS.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = [other for other in read() if other["case"] != row["case"]] + [dict(row)]
        partial = ROWS.with_suffix(".partial")
        partial.write_text(json.dumps(rows, indent=1) + "\n")
        partial.rename(ROWS)


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    whole = [row for row in rows if row["outcome"] == "whole"]
    rates = sorted({row["rate"] for row in rows})
    total = {
        name: sum(row[name] for row in rows) for name in ("acknowledged", "lost", "twice", "killed_running", "failed")
    }
    summary = (
        f"{len(rows)} of {len(cases())} cases have run, {len(whole)} of them are whole: {total['acknowledged']:,} jobs "
        f"acknowledged, {total['lost']} lost, {total['twice']} run twice; {total['killed_running']} killed while they "
        f"ran, {total['failed']} failed by the fault itself (a full disk). "
        f"Load: {' and '.join(map(str, rates))} jobs a second beside pages and cleared caches; 200 is the default, "
        "which a busy machine does not carry."
    )
    if restarted := sum(row.get("restarted", False) for row in rows):
        summary += (
            f" In {restarted} cases a store's host was without power and nothing had been moved: there socketio and "
            "workers were restarted by hand, as verify says and as without a move."
        )
    lines = [
        *textwrap.wrap(summary, 120),
        "",
        "| fault | cases | whole | acknowledged | lost | twice | killed | recovery, seconds: median, longest |",
        "|---" * 8 + "|",
    ]
    for (fault, target), some in _groups(rows, "fault", "target").items():
        seconds = sorted(row["recovery_s"] for row in some)
        lines.append(
            f"| {fault} {target} | {len(some)} | {sum(row in whole for row in some)} "
            f"| {sum(row['acknowledged'] for row in some):,} | {sum(row['lost'] for row in some)} "
            f"| {sum(row['twice'] for row in some)} | {sum(row['killed_running'] for row in some)} "
            f"| {seconds[len(seconds) // 2]:.0f}, {seconds[-1]:.0f} |"
        )
    lines += [
        "",
        "Recovery is from the fault until the bench is whole again, with the time that the fault was let last,",
    ]
    lines += ["the wait for the broken run's end, and the way out. What the broken run itself came to:", ""]
    came = Counter(row["broke"] for row in rows)
    lines.append(", ".join(f"{count} {what}" for what, count in came.most_common()) + ".")
    lines += ["", "| phase | " + " | ".join(TITLES.values()) + " |", "|---" * (len(TITLES) + 1) + "|"]
    by = _groups(rows, "phase", "verb", "way")
    for phase in PHASES:
        cells = []
        for verb, way in TITLES:
            some = by.get((phase, verb, way), [])
            good = sum(row["outcome"] == "whole" for row in some)
            cells.append(f"{good} of {len(some)}" if some else "-")
        lines.append(f"| {phase} | " + " | ".join(cells) + " |")
    shapes = _groups([{"frappe": FRAPPE, **row} for row in rows], "frappe")
    told = (
        f"v{frappe}: {sum(row['outcome'] == 'whole' for row in some)} of {len(some)}"
        for (frappe,), some in shapes.items()
    )
    lines += ["", f"Whole by the version of Frappe whose shape the bench had: {', '.join(told)}."]
    if flown := [row for row in rows if row.get("engine", ENGINE) != ENGINE]:
        good = sum(row["outcome"] == "whole" for row in flown)
        lines += ["", f"Whole with Dragonfly as the new stores: {good} of {len(flown)}."]
    lines += ["", "## Every case", "", "| case | way out | broken run | outcome | jobs | lost | twice | killed | s |"]
    lines.append("|---" * 9 + "|")
    lines += [
        f"| {row['case']} | {row['way']} | {row['broke']} | {row['outcome']} | {row['acknowledged']:,} | {row['lost']} "
        f"| {row['twice']} | {row['killed_running']} | {row['recovery_s']:.0f} |"
        for row in sorted(rows, key=lambda row: row["case"])
    ]
    return HEAD + "\n".join(lines) + "\n"


TITLES = {
    ("migrate", "resume"): "migrate, resumed",
    ("migrate", "take back"): "migrate, taken back",
    ("rollback", "resume"): "rollback, resumed",
    ("rollback", "take back"): "rollback, taken back",
}


def _groups(rows: Iterable[Mapping[str, Any]], *names: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: [row[name] for name in names]):
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


if __name__ == "__main__":
    accounted = sorted((row for row in read() if "acknowledged" in row), key=lambda row: str(row["case"]))
    PAGE.write_text(page(accounted))
    KEPT.write_text("[\n" + ",\n".join(json.dumps(row) for row in accounted) + "\n]\n")
