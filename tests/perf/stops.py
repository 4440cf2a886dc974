"""Some hundred stops of real workers with the RQ of each Frappe version: python -m tests.perf.stops"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.perf.figures import keep
from tests.stores.test_stopped_workers import outcomes

# 3 versions, single- and multi-queue workers, 8 ways to stop each.
ROUNDS = int(os.environ.get("ROUNDS", "10"))
RQ = {"14": "1.11", "15": "1.15", "16": "2.6"}


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for frappe, rq in RQ.items():
            rows += [{"rq": rq, **row} for row in outcomes(frappe, Path(folder) / frappe, ROUNDS)]
    keep("stops", {"rows": rows})
    wrong = [row for row in rows if row["lost"] or row["twice"] or row["left"]]
    if wrong:
        raise SystemExit(f"jobs were lost, run twice or left behind: {wrong}")


if __name__ == "__main__":
    main()
