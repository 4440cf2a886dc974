"""The table of docs/fleet-tests.md, from what the last `make fleet-test` has left: python -m tests.fleet.table"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CELLS = ROOT / ".benchfly/fleet-test.json"
PAGE = ROOT / "docs/fleet-tests.md"
HEAD = """# What was tried on real hosts

Written by `make fleet-test`, which makes hosts with systemd and sshd on one machine and runs the playbooks on them over
SSH, as production would. Redis runs on Debian 12, Valkey and Dragonfly on Debian 13. `.benchfly/fleet-test.json` has a
row for each cell, with its seconds.

"""


def table(cells: Iterable[Mapping[str, object]]) -> str:
    """Scenarios down, engines across. A stand-in for Dragonfly is named as one: it shows what the roles do, and nothing
    of Dragonfly itself."""
    rows: dict[str, dict[str, str]] = {}
    engines: dict[str, None] = {}
    for cell in cells:
        engine = str(cell["engine"]) + (" (stand-in)" if cell["server"] == "stand-in" else "")
        engines[engine] = None
        rows.setdefault(str(cell["scenario"]), {})[engine] = str(cell["outcome"])
    lines = ["| scenario | " + " | ".join(engines) + " |", "|---" * (len(engines) + 1) + "|"]
    for scenario, outcomes in rows.items():
        lines.append(f"| {scenario} | " + " | ".join(outcomes.get(engine, "-") for engine in engines) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if CELLS.exists():
        PAGE.write_text(HEAD + table(json.loads(CELLS.read_text())))
