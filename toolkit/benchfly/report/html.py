"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchfly.report import plots, words
from benchfly.report.data import ReportData


def render(data: ReportData) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("benchfly.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=words.count,
        duration=words.duration,
        measure=words.measure,
        percent=words.percent,
        ratio=words.ratio,
        sentence=words.sentence,
        span=words.span,
        shortened=words.shortened,
        svg=Markup,
    )
    return environment.get_template("report.html.j2").render(
        data=data,
        has_plots=plots.available(),
        timeline=plots.timeline(data.move) if data.move else None,
        dots=plots.dots(data.benchmark) if data.benchmark else None,
    )
