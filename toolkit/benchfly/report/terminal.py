"""The closing table in a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchfly.report import words
from benchfly.report.summary import Summary


def closing_table(summary: Summary) -> RenderableType:
    """The closing figures, the seconds of every phase, and where the report is."""
    lines = [Text(f"Target: {summary.target}. {words.sentence(summary.target.why)}")]
    if summary.benchmark:
        lines.append(Text(summary.benchmark))
    if summary.report:
        lines.append(Text(f"Report: {summary.report}"))
    answer = Text(summary.answer, style="bold green" if summary.good else "bold red")
    return Group(answer, "", _counts(summary), "", _probes(summary), "", _phases(summary), "", *lines)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _counts(summary: Summary) -> Text:
    styles = {True: "green", False: "bold red", None: ""}
    parts = [(f"{words.count(count.number)} {count.what}", styles[count.good]) for count in summary.counts]
    return Text(", ").join(Text(text, style) for text, style in parts)


def _probes(summary: Summary) -> Table:
    table = _table("", "longest gap", "before", "p50", "before", "p99", "before")
    for row in summary.probes:
        figures = [value for figure in (row.gap, row.p50, row.p99) for value in (figure.during, figure.before)]
        table.add_row(row.probe, *map(words.duration, figures))
    return table


def _phases(summary: Summary) -> Table:
    table = _table("seconds", *summary.verbs)
    for name in summary.phase_names:
        found = (summary.seconds(verb).get(name) for verb in summary.verbs)
        table.add_row(name, *("" if seconds is None else f"{seconds:.1f}" for seconds in found))
    table.add_row("all", *(f"{sum(summary.seconds(verb).values()):.1f}" for verb in summary.verbs), style="bold")
    return table
