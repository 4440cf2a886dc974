"""`benchfly claims`: the published figures, and whether they hold where you measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.benchmark import claims
from benchfly.cli.compare import load
from benchfly.cli.help import examples
from benchfly.cli.options import JsonOption
from benchfly.cli.output import Output
from benchfly.errors import ResultsError
from benchfly.fleet.table import plain_table
from benchfly.report import words
from benchfly.results import Run, find, records

_EPILOG = examples(
    ("benchfly claims", "by all benchmarks that were made from here, the newest first"),
    ("benchfly claims 3f2a --json", "by one of them, for a machine to read"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("claims", epilog=_EPILOG)(command)


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Ids of benchmarks, or their ends.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the published figures about Frappe's stores against what was measured here."""
    data, shown = judged(gathered(runs))
    Output(as_json).result({"status": "ok", "exit_code": 0, **data}, shown)


def judged(evidence: Sequence[claims.Evidence]) -> tuple[dict[str, Any], RenderableType]:
    """Every claim by those benchmarks, for machines and for people."""
    source, published, contradictions = claims.published()
    table = claims.table(evidence)
    data = {
        "source": source,
        "runs": [each.run for each in evidence],
        "claims": [
            {
                **asdict(claim),
                "columns": [
                    {"tuning": tuning, "shape": shape, **asdict(one)}
                    for (tuning, shape), one in table[claim.id].items()
                ],
            }
            for claim in published
        ],
        "contradictions": [asdict(each) for each in contradictions],
    }
    return data, _shown(table, source)


def gathered(runs: Iterable[str] | None = None) -> list[claims.Evidence]:
    """The benchmarks of those runs, or of all that can be read, newest first. Raises ResultsError for one asked for."""
    if runs:
        return [claims.Evidence(record.id, load(Run.open(record.id))) for record in map(find, runs)]
    found = []
    for record in records("benchmark", limit=-1):
        try:
            found.append(claims.Evidence(record.id, load(Run.open(record.id))))
        except ResultsError:  # one that was cut short, or whose folder was taken away, is no evidence
            continue
    return found


def _shown(judged: dict[str, dict[tuple[str, str], claims.Judgement]], source: str) -> RenderableType:
    _, published, contradictions = claims.published()
    heads = [f"{tuning}, {claims.SHAPES[shape]}" for tuning, shape in claims.COLUMNS]
    rows = [
        (claim.what, claim.said, *(words.judged(judged[claim.id][at]) for at in claims.COLUMNS)) for claim in published
    ]
    reasons = dict.fromkeys(
        f"{claim.id}: {one.why}."
        for claim in published
        for one in judged[claim.id].values()
        if one.verdict == claims.UNJUDGED and one.measured
    )
    whys = dict.fromkeys(one.why for each in judged.values() for one in each.values() if one.verdict == claims.UNJUDGED)
    return Group(
        Text(f"Published in {source}."),
        "",
        plain_table(("Claim", "Published", *heads), rows),
        "",
        *(Text(line) for line in reasons),
        *(Text(f"Not judged: {why}.") for why in whys),
        "",
        *(Text(f"The article contradicts itself: {each.why}.") for each in contradictions),
    )
