"""A benchmark's report as Markdown and as data; the same figures as the page has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchfly.benchmark import Row, claims
from benchfly.report import words
from benchfly.report.data import File, ReportData

_COLUMNS = ("Metric", "Store", "Median", "Range", "Ratio", "95 % interval", "Rounds", "Smallest seen", "Verdict")


def kept(folder: Path, name: str, what: str) -> File:
    """A file of a run with its checksum, so that what a figure was read from can be told from what it became."""
    digest = hashlib.sha256()
    with (folder / name).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return File(name, what, digest.hexdigest())


def as_data(data: ReportData) -> dict[str, Any]:
    """For machines; without raw outputs and samples, which are in the files that it names."""
    benchmark, comparison = data.benchmark, data.comparison
    assert benchmark and comparison
    return {
        "title": data.title,
        "run": data.run_id,
        "created": data.created.isoformat(),
        "answer": data.answer,
        "mark": comparison.mark,
        "objective": asdict(benchmark.workload.objective) if benchmark.workload.objective else None,
        "comparison": [
            {
                "metric": row.metric.field,
                "store": row.store,
                "spread": asdict(row.spread) if row.spread else None,
                "interval": asdict(row.interval) if row.interval else None,
                "ratio": asdict(row.ratio.spread) if row.ratio and row.ratio.spread else None,
                "rounds": len(row.ratio.rounds) if row.ratio else None,
                "p": row.ratio.p if row.ratio else None,
                "floor": row.ratio.floor if row.ratio else None,
                "detectable": row.ratio.detectable if row.ratio else None,
                "better": row.better,
                "verdict": row.ratio.verdict if row.ratio else None,
            }
            for row in comparison.rows
        ],
        "invalid": [
            {"round": trial.round, "store": trial.store, "reasons": trial.invalid}
            for trial in benchmark.trials
            if not trial.valid
        ],
        "claims": [
            {"id": claim, "tuning": tuning, "shape": shape, **asdict(one)}
            for claim, columns in data.claims.items()
            for (tuning, shape), one in columns.items()
        ],
        "stores": [asdict(server) for server in benchmark.stores],
        "environments": dict(benchmark.environments),
        "command_lines": {server.name: list(benchmark.command_lines(server.name)) for server in benchmark.stores},
        "files": [asdict(file) for file in data.files],
    }


def as_json(data: ReportData) -> str:
    return json.dumps(as_data(data), indent=2, default=str) + "\n"


def as_markdown(data: ReportData) -> str:
    """For an issue or a wiki."""
    benchmark, comparison = data.benchmark, data.comparison
    assert benchmark and comparison
    lines = [f"# {data.answer}", "", f"{data.title}, run {data.run_id}, {data.created:%Y-%m-%d %H:%M %Z}", ""]
    lines += [
        f"{benchmark.workload.description} ({benchmark.workload.name}), {benchmark.generator} {benchmark.version}"
    ]
    lines += ["", *_table(_COLUMNS, (_cells(row) for row in comparison.rows)), ""]
    if benchmark.workload.objective:
        lines += [f"Capacity is the highest rate at which {benchmark.workload.objective} held, in an open loop.", ""]
        lines += [f"- {words.capacity(row)}" for row in comparison.rows]
    invalid = [trial for trial in benchmark.trials if not trial.valid]
    lines += [f"- Not counted: round {each.round}, {each.store}: {'; '.join(each.invalid)}" for each in invalid]
    if data.claims:
        source, published, contradictions = claims.published()
        heads = [f"{tuning}, {claims.SHAPES[shape]}" for tuning, shape in claims.COLUMNS]
        rows = (
            (claim.what, claim.said, *(words.judged(data.claims[claim.id][column]) for column in claims.COLUMNS))
            for claim in published
        )
        lines += ["", f"## {source}", "", *_table(("Claim", "Published", *heads), rows), ""]
        lines += [f"- It contradicts itself: {each.why}." for each in contradictions]
    lines += ["", "## Files", ""]
    lines += [f"- [{file.path}]({file.path}): {file.what}. SHA-256 {file.sha256}" for file in data.files if file.sha256]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    unit, spread, ratio = row.metric.unit, row.spread, row.ratio
    median = words.measure(spread.median, unit) if spread else "no valid trial"
    reach = words.span(spread.low, spread.high, unit) if spread else ""
    if ratio is None or ratio.spread is None:
        return (row.metric.label, row.store, median, reach, "", "", "", "", ratio.verdict if ratio else "baseline")
    interval = f"{words.ratio(ratio.spread.low)} to {words.ratio(ratio.spread.high)}"
    seen, rounds = words.percent(ratio.detectable), str(len(ratio.rounds))
    middle = words.ratio(ratio.spread.median)
    return (row.metric.label, row.store, median, reach, middle, interval, rounds, seen, ratio.verdict)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
