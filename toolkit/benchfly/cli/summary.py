"""What came of a verb, in a few lines for people; everything is in the run's outcome.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli import report as reports
from benchfly.fleet.table import plain_table
from benchfly.playbook.outcome import Outcome
from benchfly.results import Run


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


def versions(run: Run, outcome: Outcome) -> RenderableType:
    """What was taken to another version, and for how long it did not answer."""
    rows = [
        (name, store["engine"], store["from"], store["to"], f"{store['seconds']:.2f} s", store["snapshot"] or "none")
        for verb in ("upgrade", "downgrade")
        for name, store in outcome.data.get(verb, {}).items()
    ]
    asked = [
        Text(f"{entry['bench']} on {host} {'does not get' if entry['reasons'] else 'gets'} on with the new version.")
        for host, entry in outcome.data.get("gate", {}).items()
    ]
    columns = ("Store", "Engine", "From", "To", "Away for", "Snapshot")
    return Group(plain_table(columns, rows), *asked) if rows else ""


def capture(run: Run, outcome: Outcome) -> RenderableType:
    """Where the workload is, and what it does not say."""
    seen = outcome.data.get("capture")
    if not seen:
        return ""
    others = ", ".join(f"{count} {name}" for name, count in sorted(seen["others"].items(), key=lambda each: -each[1]))
    text = f"{seen['commands']} commands in {seen['seconds']:.1f} s: {seen['file']}"
    return Text(f"{text}\nNot in it: {others}" if others else text)


def move(run: Run, outcome: Outcome) -> RenderableType:
    """Whether each bench moved, and what its canary saw."""
    lines = [Text(_moved(bench, "", entry)) for bench, entry in outcome.data.get("migrate", {}).items()]
    lines += [Text(_moved(bench, " back", entry)) for bench, entry in outcome.data.get("rollback", {}).items()]
    for bench, entry in outcome.data.get("migrate", {}).items():
        lines += [Text(f"{bench}: retired {program}.") for program in entry.get("retired", ())]
        lines += [Text(f"{bench}: {reason}.") for reason in entry.get("kept", ())]
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
    """The stores of each bench and its last move, the state of each store, and all that is not as declared."""
    rows = [
        (
            entry["bench"],
            host,
            *(entry["facts"]["stores"].get(f"redis_{purpose}", "none") for purpose in ("cache", "queue")),
            _last_move(entry["facts"]["move"]),
        )
        for host, entry in outcome.data.get("status", {}).items()
    ]
    tables: list[RenderableType] = [plain_table(("Bench", "Host", "Cache", "Queue", "Last move"), rows)] if rows else []
    amiss = [
        (entry["bench"], host, text)
        for host, entry in outcome.data.get("status", {}).items()
        for text in entry["facts"].get("amiss", ())
    ]
    if amiss:
        tables.append(plain_table(("Bench", "Host", "Not as the journal says"), amiss))
    hosts: Mapping[str, Any] = outcome.data.get("stores", {})
    if hosts:
        states = [
            (name, host, store["engine"], store["version"] or "", "yes" if store["running"] else "no")
            for host, entry in hosts.items()
            for name, store in entry["stores"].items()
        ]
        tables.append(plain_table(("Store", "Host", "Engine", "Version", "Running"), states))
        drift = [row for host, entry in hosts.items() for row in _drift(host, entry)]
        if drift:
            tables.append(plain_table(("Drift of", "Setting", "Declared", "On disk", "Running"), drift))
        else:
            tables.append(Text("All stores and their hosts are as declared."))
    return Group(*tables) if tables else ""


def _drift(host: str, entry: Mapping[str, Any]) -> Iterable[tuple[str, str, str, str, str]]:
    """What is not the same three ways on a host: settings and files of its stores, and its own settings."""
    for name, store in entry["stores"].items():
        for row in store["settings"]:
            yield name, row["name"], *(_shown(row[way]) for way in ("declared", "on_disk", "running"))
        for key, values in store["wrong"].items():
            yield name, key, _shown(values["declared"]), "", _shown(values["running"])
        for part in store["files"]:
            yield name, f"{part} file", "as rendered", "differs", ""
        for key in ("active", "enabled"):
            if not store["unit"].get(key, True):
                yield name, f"unit {key}", "yes", "", "no"
    for row in entry["host"].get("settings", []):
        if row["drift"]:
            yield host, row["setting"], *(_shown(row[way]) for way in ("declared", "on_disk", "running"))


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


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
