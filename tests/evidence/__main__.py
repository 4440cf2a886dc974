"""Runs what the benchmarks' promises rest on, topic by topic, and writes .benchfly/evidence.json.

Each module beside this one that has `run` is a topic: `run(folder, short)` does it and gives its figures, `folder`
keeps what is done of it already, so that a run that was cut short goes on; `good(figures)` says whether the promise is
kept.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import NoGeneratorError

HOME = Path(__file__).parents[2] / ".benchfly"


def main(package: str = "tests.evidence", stem: str = "evidence", about: str = __doc__) -> int:
    """Run topics of a package, and add what they gave to .benchfly/STEM.json. Returns the exit code."""
    found = {each.name for each in pkgutil.iter_modules([str(Path(__file__).parents[2] / package.replace(".", "/"))])}
    modules = {name: importlib.import_module(f"{package}.{name}") for name in sorted(found - {"__main__"})}
    topics = [name for name, module in modules.items() if hasattr(module, "run")]
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=about)
    parser.add_argument("topics", nargs="*", default=topics, metavar="TOPIC", help=f"of {', '.join(topics)}")
    parser.add_argument("--short", action="store_true", help="a few of everything, as in CI")
    given = parser.parse_args()
    file = HOME / (f"{stem}-short.json" if given.short else f"{stem}.json")
    figures_of = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept = True
    for name in given.topics:
        topic = modules[name]
        folder = HOME / stem / f"{name}{'-short' if given.short else ''}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figures = topic.run(folder, given.short)
        except NoGeneratorError as error:
            print(f"{name}: NOT MEASURED. {error}", file=sys.stderr)  # noqa: T201
            kept = False
            continue
        figures_of[name] = {"measured": datetime.now(UTC).isoformat(), **figures, "kept": topic.good(figures)}
        file.write_text(json.dumps(figures_of, indent=2) + "\n", encoding="utf-8")
        print(f"{name}: {'kept' if figures_of[name]['kept'] else 'NOT KEPT'}", json.dumps(figures, indent=2))  # noqa: T201
        kept = kept and bool(figures_of[name]["kept"])
    print(f"All figures: {file}")  # noqa: T201
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
