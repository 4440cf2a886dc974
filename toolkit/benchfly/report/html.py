"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchfly.benchmark import claims
from benchfly.report import curves, plots, words
from benchfly.report.data import ReportData


def environment() -> Environment:
    """What pages are made with: templates, and figures as people read them."""
    found = Environment(
        loader=PackageLoader("benchfly.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        capacity=words.capacity,
        count=words.count,
        duration=words.duration,
        measure=words.measure,
        judged=words.judged,
        percent=words.percent,
        ratio=words.ratio,
        sentence=words.sentence,
        span=words.span,
        shortened=words.shortened,
        svg=Markup,
    )
    return found


def render(data: ReportData) -> str:
    """The whole page."""
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            has_plots=plots.available(),
            timeline=plots.timeline(data.move) if data.move else None,
            dots=plots.dots(data.benchmark) if data.benchmark and not data.benchmark.workload.objective else None,
            over_time=curves.over_time(data.benchmark) if data.benchmark else None,
            load_latency=curves.load_latency(data.benchmark, data.comparison) if data.benchmark else None,
            published=claims.published() if data.claims else None,
            columns=claims.COLUMNS,
            shapes=claims.SHAPES,
            heads=[(f"{tuning}, {claims.SHAPES[shape]}".capitalize(), "") for tuning, shape in claims.COLUMNS],
            whys=_whys(data),
        )
    )


def _whys(data: ReportData) -> list[str]:
    """Why claims cannot be judged, each reason once."""
    judged = [one for columns in data.claims.values() for one in columns.values()]
    return list(dict.fromkeys(one.why for one in judged if one.verdict == claims.UNJUDGED))
