"""The report of one migrate or rollback, from what its run kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchfly.report.attempts import Attempt, gaps, latencies, read_attempts
from benchfly.report.data import File, Move, Need, ReportData, Span
from benchfly.report.summary import Before, Enqueue, Http, Jobs, Phase, Summary, Target

# Phases before the canary begins.
_PREPARING = {"Move", "Restore"}


def needs_of(gates: list[Mapping[str, Any]]) -> list[Need]:
    """The gate's lines, from what `check` handed over for one host."""
    fields = ("need", "used_by", "answer", "verdict", "remedy")
    return [Need(gate["purpose"], **{key: need[key] for key in fields}) for gate in gates for need in gate["needs"]]


def spans_of(verb: str, journal: Mapping[str, Any]) -> list[Span]:
    """When each phase ran, from the move as the journal has it."""
    return [
        Span(verb, entry["phase"], entry["started"], entry["started"] + entry["seconds"]) for entry in journal["phases"]
    ]


def touched_at(spans: Iterable[Span]) -> float:
    """When the first phase began that the bench could notice; what prepares stores that it does not use is none."""
    return min((span.start for span in spans if span.phase not in _PREPARING), default=math.inf)


def report_of(outcome: Mapping[str, Any], folder: Path) -> dict[str, ReportData]:
    """Of each bench that moved with a canary, the report; `outcome` is what is in the run's outcome.json.

    The canary's log is in `folder` as canary-<bench>.jsonl. Raises ResultsError when it cannot be read.
    """
    verb = outcome["verb"]
    moved = {bench: entry for bench, entry in outcome["data"].get(verb, {}).items() if entry["canary"]}
    logged = {bench: entry for bench, entry in moved.items() if (folder / _log(bench)).exists()}
    return {bench: _report(outcome, folder, bench, entry) for bench, entry in logged.items()}


def _log(bench: str) -> str:
    return f"canary-{bench}.jsonl"


def _report(outcome: Mapping[str, Any], folder: Path, bench: str, entry: Mapping[str, Any]) -> ReportData:
    verb, log = outcome["verb"], _log(bench)
    attempts, spans = read_attempts(folder / log), spans_of(verb, entry["move"])
    checked = [host for host in outcome["data"].get("check", {}).values() if host["bench"] == bench]
    gates = checked[0]["gates"] if checked else []
    former = ", ".join(sorted(set(entry["move"]["from"].values())))
    return ReportData(
        title=f"benchfly {verb}",
        created=datetime.now(UTC),
        run_id=outcome["run"],
        move=Move(bench, former, _summary(outcome, entry, attempts, spans, gates), attempts, spans, needs_of(gates)),
        files=[File(log, "every attempt of the canary"), File("ansible.log", "Ansible's own output")],
    )


def _summary(
    outcome: Mapping[str, Any],
    entry: Mapping[str, Any],
    attempts: list[Attempt],
    spans: list[Span],
    gates: list[Mapping[str, Any]],
) -> Summary:
    canary, touched = entry["canary"], touched_at(spans)
    jobs, attempted, failed = canary["jobs"], canary["attempts"], canary["errors"]
    new = ", ".join(sorted(set(entry["move"]["to"].values())))
    engine = gates[0]["engine"] if gates else "its former stores"
    return Summary(
        jobs=Jobs(jobs["acknowledged"], jobs["executed"], len(jobs["lost"]), len(jobs["duplicated"])),
        enqueue=Enqueue(failed.get("enqueue", 0)),
        http=Http(attempted.get("http", 0), failed.get("http", 0)),
        gap_ms=gaps(attempts, since=touched),
        latency_ms=latencies(attempts, since=touched),
        before=Before(gaps(attempts, until=touched), latencies(attempts, until=touched)),
        phases=[Phase(outcome["verb"], phase["name"], phase["seconds"]) for phase in outcome["phases"]],
        target=Target(engine, gates[0]["version"] if gates else "", f"at {new}"),
    )
