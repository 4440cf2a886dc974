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
SSH, as production would. `.benchfly/fleet-test.json` has a row for each cell of this table, with its seconds.

Redis runs on Debian 12, Valkey and Dragonfly on Debian 13, two stores each. Redis goes from 6.2.14 down to 6.2.7 and up
to 7.0 of the distribution, Valkey from 8.1 to 8.0 and back, with the data of the queue. Dragonfly, if `DRAGONFLY` names
its binary, goes to the one that `DRAGONFLY_OLDER` names and back; else a stand-in says 1.40.1, 1.40.0 and 1.40.1, which
shows what the roles do, and nothing of Dragonfly's files. The gate is asked each time again for a bench on Frappe 16:
it lets Valkey through, and refuses Dragonfly.

"""

TAIL = """
The same command also runs, without a table:

| | hosts |
|---|---|
| servers from a repository, the distribution, an archive, a package; upgrades that fail or are killed | Debian 13 |
| stores from an empty host to an empty host, Redis 6.2 by archive | Ubuntu 22.04 |
| the same, Redis 7.0 and Valkey 7.2 of the distribution | Ubuntu 24.04 |
| the kernel's settings, set, drifted, booted and put back | Debian 12 and 13 |
| the exporter, Prometheus and the alert rules | Debian 13 |
| load from two hosts at once, of packages and of a given program, and its removal | Debian 13 |
| a benchmark on a timer: fires, tells, waits, keeps to blackouts, survives a reboot, is removed | Debian 12 |

Amazon Linux 2023, RHEL 9 and arm64 have not run: what the roles write there is covered by rendering and facts alone.
"""


def table(cells: Iterable[Mapping[str, object]]) -> str:
    """Scenarios down, engines across. A Dragonfly says its version; a stand-in for one is named as that: it shows what
    the roles do, and nothing of Dragonfly itself."""
    rows: dict[str, dict[str, str]] = {}
    engines: dict[str, None] = {}
    for cell in cells:
        engine = str(cell["engine"]) + ("" if cell["server"] == "real" else f" ({cell['server']})")
        engines[engine] = None
        rows.setdefault(str(cell["scenario"]), {})[engine] = str(cell["outcome"])
    lines = ["| scenario | " + " | ".join(engines) + " |", "|---" * (len(engines) + 1) + "|"]
    for scenario, outcomes in rows.items():
        lines.append(f"| {scenario} | " + " | ".join(outcomes.get(engine, "-") for engine in engines) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if CELLS.exists():
        PAGE.write_text(HEAD + table(json.loads(CELLS.read_text())) + TAIL)
