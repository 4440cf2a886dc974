"""What the demo found, put together: the closing table, summary.json and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.load import Account, Request
from demo.target import Target
from rich.console import Console

from benchfly.benchmark import Benchmark
from benchfly.cli.compare import judge
from benchfly.report import (
    Before,
    Enqueue,
    File,
    Http,
    Jobs,
    Move,
    Phase,
    ReportData,
    Span,
    Summary,
    closing_table,
    render,
)
from benchfly.report import Target as ReportTarget
from benchfly.report.attempts import Attempt, gaps, latencies, read_attempts
from benchfly.report.move import needs_of, spans_of, touched_at

MOVES = ("migrate", "rollback")
BESIDE_LOAD = (
    "Benchmarks here run on a small shared machine beside the bench's load, which the former cache serves meanwhile; "
    "they show the method, not the engines."
)


@dataclass(frozen=True)
class Measured:
    """Everything that was measured, before anything is computed from it."""

    target: Target
    requests: Sequence[Request]
    account: Account
    runs: Sequence[Mapping[str, Any]]  # outcome of each verb, with `verb` and `folder`
    seconds: float

    def data(self, verb: str) -> dict[str, Any]:
        """What the verb's playbook handed over."""
        run = next(run for run in self.runs if run["verb"] == verb)
        handed: dict[str, Any] = run["data"][verb]
        return handed

    def canary(self, verb: str) -> dict[str, Any]:
        found: dict[str, Any] = self.data(verb)["demo"]["canary"]
        return found

    @property
    def spans(self) -> list[Span]:
        """The phases of both moves, from the journal of the bench's host."""
        return [span for verb in MOVES for span in spans_of(verb, self.data(verb)["demo"]["move"])]

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt of the canaries, of both moves."""
        return [attempt for verb in MOVES for attempt in read_attempts(Path(self.canary(verb)["log"]))]


def close(measured: Measured, folder: Path, console: Console) -> int:
    """Write summary.json and the report, print the closing table; 0 when all is as promised, else 1."""
    report = folder / "report.html"
    summary = _summary(measured, report)
    summary.write(folder / "summary.json")
    report.write_text(render(_report(measured, summary, folder)), encoding="utf-8")
    console.print()
    console.print(closing_table(summary))
    console.print(BESIDE_LOAD, soft_wrap=True)
    console.print(f"\nThe demo took {measured.seconds:.0f} s. As data: {folder / 'summary.json'}", soft_wrap=True)
    return 0 if summary.good else 1


def _summary(measured: Measured, report: Path) -> Summary:
    jobs = (measured.account.web, measured.account.scheduler)
    canaries = [measured.canary(verb) for verb in MOVES]
    gate = measured.data("check")["localhost"]["gates"][0]
    benchmark = _benchmark(measured)
    touched = touched_at(measured.spans)
    return Summary(
        jobs=Jobs(
            acknowledged=sum(part.acknowledged for part in jobs),
            executed=sum(part.executed for part in jobs),
            lost=sum(len(part.lost) for part in jobs),
            duplicated=sum(len(part.duplicated) for part in jobs),
        ),
        enqueue=Enqueue(refused=measured.account.web.refused + sum(c["errors"].get("enqueue", 0) for c in canaries)),
        http=Http(
            requests=len(measured.requests) + sum(c["attempts"].get("http", 0) for c in canaries),
            failed=sum(not request.ok for request in measured.requests)
            + sum(c["errors"].get("http", 0) for c in canaries),
        ),
        gap_ms=gaps(measured.attempts, since=touched),
        latency_ms=latencies(measured.attempts, since=touched),
        before=Before(gaps(measured.attempts, until=touched), latencies(measured.attempts, until=touched)),
        phases=[
            Phase(run["verb"], phase["name"], phase["seconds"])
            for run in measured.runs
            if run["verb"] in MOVES
            for phase in run["phases"]
        ],
        target=ReportTarget(gate["engine"], gate["version"], measured.target.why),
        benchmark=judge(benchmark).headline,
        report=str(report),
    )


def _report(measured: Measured, summary: Summary, folder: Path) -> ReportData:
    benchmark, needs = _benchmark(measured), needs_of(measured.data("check")["localhost"]["gates"])
    files = [File("summary.json", "these figures as data"), File("requests.jsonl", "every request of the load")]
    files += [
        File(f"../runs/{Path(run['folder']).name}", f"benchfly {run['verb']}: inputs, log, outcome")
        for run in measured.runs
    ]
    return ReportData(
        title="A bench moves and returns",
        created=datetime.now(UTC),
        move=Move("demo", "Redis (the bench's own)", summary, measured.attempts, measured.spans, needs),
        benchmark=benchmark,
        comparison=judge(benchmark),
        files=[file for file in files if (folder / file.path).exists()],
        notes=[
            "The bench is a stand-in: bench's own configuration, real RQ workers, gunicorn and supervisord, around a "
            "small web application that uses Redis as Frappe does.",
            BESIDE_LOAD,
        ],
    )


def _benchmark(measured: Measured) -> Benchmark:
    return Benchmark.from_data(measured.data("benchmark"))
