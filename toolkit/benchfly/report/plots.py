"""Plots as inline SVG that takes its colours and font from the page, in a wide and a narrow form."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchfly.benchmark import METRICS, Benchmark, Metric
from benchfly.report import words
from benchfly.report.attempts import Attempt, Gap, by_probe, longest_gap, stretches
from benchfly.report.data import Move, Span
from benchfly.report.summary import PROBES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

# Placeholders that matplotlib draws with; the page has the real ones, for light and dark.
COLOURS = {"text": "#010101", "faint": "#020202", "mark": "#030303", "alert": "#040404", "band": "#050505"}
WIDE, _NARROW = 8.6, 3.5  # inches, at 72 dots: what a desk and a phone have room for
_PAD = 15  # points between a panel and its title, where the verbs stand


@dataclass(frozen=True)
class Picture:
    """One figure of the report: SVG for wide and for narrow pages, and its content in words."""

    wide: str
    narrow: str
    alt: str


def available() -> bool:
    """Whether matplotlib is there; without it a report has its tables only."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def timeline(move: Move) -> Picture | None:
    """Latency of every probe over the whole time, with phases as bands, failures as crosses and the longest gap."""
    probes = by_probe(move.attempts)
    if not probes or not available():
        return None
    since = min((span.start for span in move.spans), default=-math.inf)
    until = max((span.end for span in move.spans), default=math.inf)
    gaps = {probe: longest_gap(attempts, since, until) for probe, attempts in probes.items()}
    told = ", ".join(f"{PROBES[probe]} {words.duration(gap.ms)}" for probe, gap in gaps.items() if gap)
    alt = f"Latency of each probe over time, phases shaded. Longest gaps: {told}."
    return both(lambda width: _draw_timeline(move, probes, gaps, width), "timeline", alt)


def dots(benchmark: Benchmark) -> Picture | None:
    """Every trial of every store as a dot, with the medians."""
    if not available():
        return None
    shown = (METRICS[0], METRICS[-1])
    alt = f"Throughput and 99th percentile of latency of each of {len(benchmark.trials)} trials, by store."
    return both(lambda width: _draw_dots(benchmark, shown, width), "dots", alt)


def _draw_timeline(
    move: Move, probes: Mapping[str, Sequence[Attempt]], gaps: Mapping[str, Gap | None], width: float
) -> MatplotlibFigure:
    """A row of panels for each probe, a column for each time that the canary ran: migrate, rollback."""
    from matplotlib.figure import Figure

    times = _times(probes)
    lengths = [end - origin for origin, end in times]
    figure = Figure(figsize=(width, 1.35 * len(probes) + 0.75), layout="constrained")
    panels = figure.subplots(
        len(probes), len(times), sharex="col", sharey="row", squeeze=False, gridspec_kw={"width_ratios": lengths}
    )
    for row, (probe, attempts) in zip(panels, probes.items(), strict=True):
        is_first = probe == next(iter(probes))
        for axes, (origin, end) in zip(row, times, strict=True):
            _shade(axes, [span for span in move.spans if origin <= span.start <= end], origin, label=is_first)
            here = [attempt for attempt in attempts if origin <= attempt.at <= end]
            for stretch in stretches(here):
                _draw_latency(axes, stretch, origin, sum(lengths) / (13 * width))
            axes.set_xlim(0, end - origin)
            if (gap := gaps[probe]) and origin <= gap.begin <= end:
                bottom, ends = axes.get_xaxis_transform(), [gap.begin - origin, gap.end - origin]
                axes.plot(ends, [0.03, 0.03], transform=bottom, color=COLOURS["alert"], linewidth=4)
        _scale(row[0])
        row[0].set_title(PROBES[probe], loc="left", fontsize=10, color=COLOURS["text"], pad=_PAD)
        if gap := gaps[probe]:
            told = f"longest gap {words.duration(gap.ms)}"
            row[-1].set_title(told, loc="right", fontsize=9, color=COLOURS["alert"], pad=_PAD)
    for axes in panels[-1]:
        axes.set_xlabel("seconds")
    return figure


def _times(probes: Mapping[str, Sequence[Attempt]]) -> list[tuple[float, float]]:
    """When any probe ran, as (begin, end) in Unix time; a pause of all of them divides."""
    merged: list[tuple[float, float]] = []
    runs = [some for attempts in probes.values() for some in stretches(attempts)]
    for begin, end in sorted((some[0].at, max(attempt.end for attempt in some)) for some in runs):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _shade(axes: Axes, spans: Sequence[Span], origin: float, label: bool) -> None:
    """A band for every phase, in turn darker and lighter, below the name of the verb."""
    starts: dict[str, float] = {}
    phases: dict[tuple[str, str], tuple[float, float]] = {}
    for span in spans:
        begin, end = phases.get((span.verb, span.phase), (math.inf, -math.inf))
        phases[span.verb, span.phase] = (min(begin, span.start - origin), max(end, span.end - origin))
        starts[span.verb] = min(starts.get(span.verb, math.inf), span.start - origin)
    for number, (begin, end) in enumerate(phases.values()):
        axes.axvspan(begin, end, color=COLOURS["band"], alpha=0.45 if number % 2 else 1, linewidth=0)
    for verb, start in starts.items() if label else ():
        axes.annotate(verb, (start, 1.03), xycoords=("data", "axes fraction"), fontsize=8)


def _draw_latency(axes: Axes, attempts: Sequence[Attempt], origin: float, width: float) -> None:
    """Median and worst of each slice of `width` seconds, so that thousands of attempts stay small."""
    slices: dict[int, list[float]] = {}
    for attempt in attempts:
        since = attempt.at - origin
        if attempt.error:
            axes.plot(since, 0.93, "x", transform=axes.get_xaxis_transform(), markersize=4, color=COLOURS["alert"])
        else:
            slices.setdefault(int(since / width), []).append(max(attempt.ms, 0.01))
    times = [(number + 0.5) * width for number in sorted(slices)]
    found = [slices[number] for number in sorted(slices)]
    axes.plot(times, [median(values) for values in found], color=COLOURS["text"], linewidth=1)
    axes.scatter(times, [max(values) for values in found], s=5, color=COLOURS["mark"], linewidths=0)


def _scale(axes: Axes) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 2, high)  # room for the gap's mark
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} ms")


def _draw_dots(benchmark: Benchmark, metrics: Sequence[Metric], width: float) -> MatplotlibFigure:
    from matplotlib.figure import Figure

    stores = [server.name for server in benchmark.stores]
    rows = 1 if width == WIDE else len(metrics)
    figure = Figure(figsize=(width, rows * (0.42 * len(stores) + 0.85)), layout="constrained")
    panels = figure.subplots(rows, len(metrics) // rows, squeeze=False, sharey=True).flat
    for axes, metric in zip(panels, metrics, strict=True):
        for height, store in enumerate(reversed(stores)):
            trials = [trial for trial in benchmark.trials if trial.store == store and trial.measurement]
            valid = [getattr(trial.measurement, metric.field) for trial in trials if trial.valid]
            invalid = [getattr(trial.measurement, metric.field) for trial in trials if not trial.valid]
            axes.scatter(valid, [height] * len(valid), s=26, color=COLOURS["mark"], alpha=0.65, linewidths=0)
            axes.scatter(invalid, [height] * len(invalid), s=26, marker="x", color=COLOURS["alert"])
            if valid:
                axes.plot([median(valid)] * 2, [height - 0.3, height + 0.3], color=COLOURS["text"], linewidth=2)
        axes.set_yticks(range(len(stores)), list(reversed(stores)))
        axes.set_ylim(-0.6, len(stores) - 0.4)
        axes.set_title(f"{metric.label}, {metric.unit}", loc="left", fontsize=10, color=COLOURS["text"])
        axes.set_xlim(0, 1.05 * max(axes.get_xlim()))
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    return figure


def both(draw: Callable[[float], MatplotlibFigure], name: str, alt: str) -> Picture:
    """A figure drawn for both widths; `name` tells its ids from those of others on the page."""
    return Picture(_svg(draw, WIDE, f"{name}-wide"), _svg(draw, _NARROW, f"{name}-narrow"), alt)


def _svg(draw: Callable[[float], MatplotlibFigure], width: float, name: str) -> str:
    import matplotlib

    faint = COLOURS["faint"]
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": name,  # ids that differ between the figures of a page and agree between runs
            "font.family": "sans-serif",
            "font.size": 9,
            "text.color": faint,
            "axes.labelcolor": faint,
            "axes.edgecolor": faint,
            "xtick.color": faint,
            "ytick.color": faint,
            "axes.facecolor": "none",
            "axes.spines.right": False,
            "axes.spines.top": False,
        }
    ):
        figure = draw(width)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(stream.getvalue())


def _themed(svg: str) -> str:
    """Only the <svg> element, without what a page already says, with the page's colours in place of placeholders."""
    opening, body = svg[svg.index("<svg") :].split(">", 1)
    view = re.findall(r'viewBox="[^"]*"', opening)[0]
    body = re.sub(r"\s*<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'(<g) id="[^"]*"', r"\1", body).replace("xlink:href", "href")
    body = re.sub(r"font: (\S+) [^;\"]*sans-serif[^;\"]*", r"font-size: \1", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    return "\n".join(line for line in f'<svg {view} aria-hidden="true">{body}'.splitlines() if line.strip())
