"""Runs what the benchmarks' promises rest on, topic by topic, and writes .benchfly/evidence.json.

Each module beside this one is a topic: `run(folder, short)` does it and gives its figures, `folder` keeps what is done
of it already, so that a run that was cut short goes on; `good(figures)` says whether the promise is kept.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from datetime import UTC, datetime
from pathlib import Path

HOME = Path(__file__).parents[2] / ".benchfly"


def main() -> int:
    topics = [each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)]) if each.name != "__main__"]
    parser = argparse.ArgumentParser(prog="python -m tests.evidence", description=__doc__)
    parser.add_argument("topics", nargs="*", default=topics, metavar="TOPIC", help=f"of {', '.join(topics)}")
    parser.add_argument("--short", action="store_true", help="a few of everything, as in CI")
    given = parser.parse_args()
    file = HOME / ("evidence-short.json" if given.short else "evidence.json")
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept = True
    for name in given.topics:
        topic = importlib.import_module(f"tests.evidence.{name}")
        folder = HOME / "evidence" / f"{name}{'-short' if given.short else ''}"
        folder.mkdir(parents=True, exist_ok=True)
        figures = topic.run(folder, given.short)
        found[name] = {"measured": datetime.now(UTC).isoformat(), "kept": topic.good(figures), **figures}
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(f"{name}: {'kept' if found[name]['kept'] else 'NOT KEPT'}", json.dumps(figures, indent=2))  # noqa: T201
        kept = kept and bool(found[name]["kept"])
    print(f"All figures: {file}")  # noqa: T201
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
