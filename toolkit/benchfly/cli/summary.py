"""What came of a verb, in a few lines for people; everything is in the run's outcome.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli import report as reports
from benchfly.fleet.table import plain_table
from benchfly.playbook.outcome import Outcome
from benchfly.results import Run


def check(run: Run, outcome: Outcome) -> RenderableType:
    """The verdict on each host of a bench."""
    rows = [
        (entry["bench"], host, entry["verdict"], "; ".join(entry["reasons"]))
        for host, entry in outcome.data.get("check", {}).items()
    ]
    return plain_table(("Bench", "Host", "Verdict", "Reasons"), rows) if rows else ""


def deploy(run: Run, outcome: Outcome) -> RenderableType:
    """What runs where."""
    rows = [
        (name, store["engine"], store["version"], f"{store['address']}:{store['port']}", _yes(store["changed"]))
        for name, store in outcome.data.get("deploy", {}).items()
    ]
    return plain_table(("Store", "Engine", "Version", "Address", "Changed"), rows) if rows else ""


def metrics(run: Run, outcome: Outcome) -> RenderableType:
    """Which exporter shows which stores."""
    rows = [
        (host, entry["exporter"], ", ".join(entry["stores"])) for host, entry in outcome.data.get("metrics", {}).items()
    ]
    return plain_table(("Host", "Exporter", "Stores"), rows) if rows else ""


def move(run: Run, outcome: Outcome) -> RenderableType:
    """Whether each bench moved, and what its canary saw."""
    lines = [Text(_moved(bench, "", entry)) for bench, entry in outcome.data.get("migrate", {}).items()]
    lines += [Text(_moved(bench, " back", entry)) for bench, entry in outcome.data.get("rollback", {}).items()]
    lines += [Text(f"Report: {path}") for path in reports.moves(run)]
    return Group(*lines) if lines else ""


def verify(run: Run, outcome: Outcome) -> RenderableType:
    """Every check on every host."""
    rows = [
        (entry["bench"], host, "ok" if one["ok"] else "amiss", one["check"], str(one["detail"]))
        for host, entry in outcome.data.get("verify", {}).items()
        for one in entry["checks"]
    ]
    return plain_table(("Bench", "Host", "", "Check", "Seen"), rows) if rows else ""


def status(run: Run, outcome: Outcome) -> RenderableType:
    """The stores of each bench and its last move."""
    rows = [
        (
            entry["bench"],
            host,
            *(entry["facts"]["stores"].get(f"redis_{purpose}", "none") for purpose in ("cache", "queue")),
            _last_move(entry["facts"]["move"]),
        )
        for host, entry in outcome.data.get("status", {}).items()
    ]
    return plain_table(("Bench", "Host", "Cache", "Queue", "Last move"), rows) if rows else ""


def _moved(bench: str, back: str, entry: Mapping[str, Any]) -> str:
    if not entry["needed"]:
        return f"{bench} is there already."
    canary = entry["canary"]
    if not canary:
        return f"{bench} has moved{back}."
    jobs = canary["jobs"]
    gaps = ", ".join(f"{probe} {gap / 1000:.2f} s" for probe, gap in canary["gap_ms"].items())
    return (
        f"{bench} has moved{back}. Of the canary's {jobs['acknowledged']} jobs {len(jobs['lost'])} were lost and "
        f"{len(jobs['duplicated'])} run twice; longest gaps: {gaps}."
    )


def _last_move(move: Mapping[str, Any]) -> str:
    return f"{move['verb']} {move['id']}, {move['state']}" if move else "none"


def _yes(value: Any) -> str:
    return "yes" if value else "no"
