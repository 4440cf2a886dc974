"""A benchmark over its time, and latency by load: the plots that a table cannot replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import PERCENTILES, Objective

from benchfly.benchmark import CAPACITY, Benchmark, Comparison, Spread, Trial
from benchfly.report import plots, words
from benchfly.report.plots import COLOURS, Picture, both

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

Points = Sequence[tuple[float, float]]

# The baseline, and the stores it is compared with, told apart also without colour.
_STYLES = ((COLOURS["text"], "-"), (COLOURS["mark"], "-"), (COLOURS["mark"], "--"), (COLOURS["faint"], "--"))
_MARKERS = (".", "x", "+", "1")
_POINTS = 400  # of a line: more than a page has dots for


@dataclass(frozen=True)
class Panel:
    """One figure over time: of each store or host its points (Unix time, value)."""

    title: str
    lines: Mapping[str, Points]
    worst: Callable[[Iterable[float]], float] = max  # what stands for points that fall together


def over_time(benchmark: Benchmark) -> Picture | None:
    """Throughput, p99, memory and CPU while the benchmark ran; None where nothing says when that was."""
    panels = [panel for panel in _panels(benchmark) if any(panel.lines.values())]
    if not panels or not plots.available():
        return None
    alt = f"Over the time of the benchmark: {', '.join(panel.title for panel in panels)}, by store."
    names = [server.name for server in benchmark.stores]
    return both(lambda width: _draw_panels(panels, names, width), "over-time", alt)


def load_latency(benchmark: Benchmark, comparison: Comparison | None = None) -> Picture | None:
    """The latencies at each offered rate, with objective and capacities; None unless there were several rates."""
    rates = {trial.rate for trial in benchmark.trials if trial.valid and trial.rate}
    if len(rates) < 2 or not plots.available():
        return None
    objective = benchmark.workload.objective or Objective("p99", 0.0)
    alt = f"Latency, {objective.percentile}, at {len(rates)} offered rates, by store."
    capacities = {row.store: row.spread for row in comparison.rows if row.metric is CAPACITY} if comparison else {}
    if objective.ms:
        told = [f"{store} {words.count(found.median)}" for store, found in capacities.items() if found]
        alt += f" The objective is {objective}; capacities, operations/s: {', '.join(told) or 'none'}."
    return both(lambda width: _draw_load(benchmark, objective, capacities, width), "load-latency", alt)


def _panels(benchmark: Benchmark) -> Iterator[Panel]:
    names = [server.name for server in benchmark.stores]
    trials = {name: [trial for trial in benchmark.trials if trial.store == name and trial.started] for name in names}
    yield Panel("Throughput, operations/s", {name: list(_throughput(some)) for name, some in trials.items()}, min)
    yield Panel("Latency, 99 % below, ms", {name: list(_p99(some)) for name, some in trials.items()})
    yield Panel("Memory in use, MB", _sampled(benchmark, "used_memory", 1e6))
    yield Panel("CPU of the store, cores", _sampled(benchmark, "store_cpu", 1))
    hosts = {
        f"{sample.host} (load)": [(row["time"], row["cpu"]) for row in sample.rows if "cpu" in row]
        for sample in benchmark.samples
        if sample.role == "generator"
    }
    busiest = sorted(hosts, key=lambda host: -max((value for _, value in hosts[host]), default=0))[:2]
    yield Panel("CPU of the busiest load generators, %", {host: hosts[host] for host in busiest})


def _throughput(trials: Iterable[Trial]) -> Iterator[tuple[float, float]]:
    """Second by second where that is known, else trial by trial."""
    for trial in trials:
        if trial.series:
            yield from ((trial.started + second, value) for second, value in enumerate(trial.series))
        elif trial.measurement:
            yield trial.started, trial.measurement.ops_per_second


def _p99(trials: Iterable[Trial]) -> Iterator[tuple[float, float]]:
    for trial in trials:
        if trial.measurement:
            yield trial.started + trial.measurement.seconds / 2, trial.measurement.p99_ms


def _sampled(benchmark: Benchmark, field: str, unit: float) -> dict[str, Points]:
    return {
        server.name: [
            (row["time"], row[field] / unit)
            for sample in benchmark.samples
            if sample.role == "store" and sample.store == server.name
            for row in sample.rows
            if field in row
        ]
        for server in benchmark.stores
    }


def _draw_panels(panels: Sequence[Panel], names: Sequence[str], width: float) -> MatplotlibFigure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 1.45 * len(panels) + 0.5), layout="constrained")
    origin = min(time for panel in panels for points in panel.lines.values() for time, _ in points)
    for axes, panel in zip(figure.subplots(len(panels), sharex=True, squeeze=False).flat, panels, strict=True):
        for number, (name, points) in enumerate(panel.lines.items()):
            colour, dashes = _STYLES[min(names.index(name) if name in names else number, len(_STYLES) - 1)]
            thinned = _thinned([((time - origin) / 60, value) for time, value in points], panel.worst)
            marker = "." if len(thinned) < 80 else ""
            axes.plot(*_columns(thinned), dashes, color=colour, linewidth=1, marker=marker, markersize=4, label=name)
        _finish(axes, panel.title)
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.22), ncols=3, fontsize=8, frameon=False)
    axes.set_xlabel("minutes")
    return figure


def _draw_load(
    benchmark: Benchmark, objective: Objective, capacities: Mapping[str, Spread | None], width: float
) -> MatplotlibFigure:
    """Medians at each rate, joined; of a search, whose rates are many, each trial, in a scale that shows both ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 2.6), layout="constrained")
    axes = figure.subplots()
    for number, server in enumerate(benchmark.stores):
        found: dict[float, list[float]] = {}
        for trial in benchmark.trials:
            if trial.store == server.name and trial.valid and trial.measurement and trial.rate:
                latency = getattr(trial.measurement, PERCENTILES[objective.percentile]) or 0.0
                found.setdefault(trial.rate, []).append(latency)
        colour, dashes = _STYLES[min(number, len(_STYLES) - 1)]
        points = [(rate, median(values)) for rate, values in sorted(found.items())]
        marker, line = _MARKERS[number % len(_MARKERS)], "none" if objective.ms else dashes
        axes.plot(*_columns(points), linestyle=line, color=colour, linewidth=1, marker=marker, label=server.name)
        if capacity := capacities.get(server.name):
            axes.axvline(capacity.median, color=colour, linestyle=dashes, linewidth=1)
    title = f"Latency, {objective.percentile}, ms"
    if objective.ms:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, loc="left", fontsize=10, color=COLOURS["text"])
        axes.axhline(objective.ms, color=COLOURS["alert"], linewidth=1, label=f"objective {objective.ms:g} ms")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.minorticks_off()
    else:
        _finish(axes, title)
    axes.set_xlabel("operations/s offered")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    return figure


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["text"])
    axes.set_ylim(0, 1.08 * max(axes.get_ylim()))
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def _thinned(points: Points, worst: Callable[[Iterable[float]], float]) -> Points:
    """At most so many points, each the worst of those it stands for, so that no peak is lost."""
    ordered = sorted(points)
    step = -(-len(ordered) // _POINTS) or 1
    parts = (ordered[start : start + step] for start in range(0, len(ordered), step))
    return [(part[0][0], worst(value for _, value in part)) for part in parts]


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
