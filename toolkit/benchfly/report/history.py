"""Months of scheduled runs on one page that needs nothing else: each figure of each store, with its changes marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from benchfly.benchmark import Metric
from benchfly.report import plots
from benchfly.report.html import environment
from benchfly.report.plots import COLOURS, Picture, both
from benchfly.results.history import Scheduled
from benchfly.schedule.findings import AGAINST, FIGURES, Finding, Kind, Outcome, Step, changed, series, steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

_LAST = 15  # runs that are listed


@dataclass(frozen=True)
class Line:
    """One figure over the runs that have it; where it is judged, the places in it where a level begins."""

    metric: Metric
    is_ratio: bool
    judged: bool
    points: Sequence[tuple[datetime, float]]
    changes: Sequence[tuple[int, Kind]]

    @property
    def title(self) -> str:
        return f"{self.metric.label}, {'ratio' if self.is_ratio else self.metric.unit}"


@dataclass(frozen=True)
class StoreHistory:
    """One store, or one against another."""

    name: str
    lines: Sequence[Line]
    picture: Picture | None


@dataclass(frozen=True)
class ScheduleHistory:
    """One schedule: its stores, its changes (the newest first), and its last runs."""

    name: str
    answer: str
    good: bool
    stores: Sequence[StoreHistory]
    changes: Sequence[Finding]
    runs: Sequence[Scheduled]
    total: int


def history(name: str, runs: Sequence[Scheduled]) -> ScheduleHistory:
    """What the runs of a schedule say."""
    last = runs[-1]
    bad = [finding for finding in last.findings if finding["kind"] != Kind.IMPROVEMENT]
    answer = str(last.findings[-1]["headline"]) if last.findings else f"The last run of {name} found nothing new."
    return ScheduleHistory(
        name, answer, not bad, list(_stores(runs)), changed(runs)[::-1], list(runs)[: -_LAST - 1 : -1], len(runs)
    )


def render(schedules: Sequence[ScheduleHistory], created: datetime) -> str:
    """The whole page."""
    template = environment().get_template("history.html.j2")
    return template.render(schedules=schedules, created=created, has_plots=plots.available())


def _stores(runs: Sequence[Scheduled]) -> Iterator[StoreHistory]:
    """Those that are judged first."""
    found = [(step, runs[step.run].run) for step in steps(runs)]
    measured = [run for run in runs if run.figures]
    workload = measured[-1].workload if measured else ""
    measured = [run for run in measured if run.workload == workload]
    idle = [run.started for run in runs if run.outcome in (Outcome.MISSED, Outcome.FAILED)]
    names = dict.fromkeys(store for run in measured for store, _ in run.figures)
    for number, name in enumerate(sorted(names, key=lambda store: AGAINST not in store)):
        lines = list(_lines(name, measured, found))
        picture = None
        if plots.available():
            marks = sum(len(line.changes) for line in lines)
            alt = f"{name}: {', '.join(line.title for line in lines)}, run by run, with {marks} changes."
            picture = both(partial(_draw, lines, idle), f"history-{number}", alt)
        yield StoreHistory(name, lines, picture)


def _lines(store: str, runs: Sequence[Scheduled], found: Sequence[tuple[Step, str]]) -> Iterator[Line]:
    judged = series(runs)
    for metric in FIGURES:
        field = metric.field
        mine = [run for run in runs if (store, field) in run.figures]
        order = {run.run: number for number, run in enumerate(mine)}
        if not mine:
            continue
        marks = [
            (order[run], Kind.IMPROVEMENT if step.better else Kind.REGRESSION)
            for step, run in found
            if (step.store, step.metric) == (store, metric)
        ]
        points = [(run.started, run.figures[store, field]) for run in mine]
        yield Line(metric, AGAINST in store, (store, field) in judged, points, marks)


def _draw(lines: Sequence[Line], idle: Sequence[datetime], width: float) -> MatplotlibFigure:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 1.5 * len(lines) + 0.4), layout="constrained")
    for axes, line in zip(figure.subplots(len(lines), sharex=True, squeeze=False).flat, lines, strict=True):
        _draw_line(axes, line)
        bottom, times = axes.get_xaxis_transform(), [_days(at) for at in idle]
        axes.plot(times, [0.04] * len(times), "x", transform=bottom, markersize=4, color=COLOURS["faint"])
        locator = AutoDateLocator(minticks=2, maxticks=5 if width < plots.WIDE else 10)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return figure


def _days(moment: datetime) -> float:
    """As matplotlib counts them."""
    return moment.timestamp() / 86400


def _draw_line(axes: Axes, line: Line) -> None:
    """Each run as a dot, each level as a line at its median, each change as a line across."""
    times, values = [_days(at) for at, _ in line.points], [value for _, value in line.points]
    axes.scatter(times, values, s=9, color=COLOURS["mark"], linewidths=0)
    edges = [0, *(index for index, _ in line.changes), len(values)]
    for begin, end in pairwise(edges) if line.judged else ():
        axes.plot([times[begin], times[end - 1]], [median(values[begin:end])] * 2, color=COLOURS["text"], linewidth=1.5)
    for index, kind in line.changes:
        middle = (times[index - 1] + times[index]) / 2
        colour = COLOURS["alert"] if kind is Kind.REGRESSION else COLOURS["mark"]
        axes.axvline(middle, color=colour, linewidth=1.5, linestyle="--")
    axes.set_title(line.title, loc="left", fontsize=10, color=COLOURS["text"])
    axes.set_xlim(times[0] - 1, times[-1] + 1)  # two days at least: there is no scale of one moment
    axes.set_ylim(0.9 * min(values), 1.1 * max(values))
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
