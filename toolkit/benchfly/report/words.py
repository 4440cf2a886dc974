"""Figures as people read them."""

from __future__ import annotations

import re

from benchfly.benchmark import Row
from benchfly.benchmark.claims import Judgement


def count(number: float) -> str:
    """6120 -> `6,120`."""
    return f"{number:,.0f}"


def duration(milliseconds: float | None) -> str:
    """Three digits with a unit: `0.119 ms`, `3.1 ms`, `310 ms`, `1.31 s`; nothing for None."""
    if milliseconds is None:
        return ""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    digits = 3 if milliseconds < 1 else 1 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f} ms"


def measure(value: float, unit: str) -> str:
    """A figure of a benchmark's metric: a latency in ms, or a rate."""
    return duration(value) if unit == "ms" else count(value)


def span(low: float, high: float, unit: str) -> str:
    """From one figure to another, the unit said once where it is the same: `0.171 to 0.201 ms`."""
    first, second = measure(low, unit), measure(high, unit)
    figure, _, own_unit = first.partition(" ")
    return f"{figure if second.endswith(own_unit) else first} to {second}"


def ratio(value: float) -> str:
    """1.207 -> `1.21`; a third digit where two would say that there is no difference."""
    return f"{value:.2f}" if f"{value:.2f}" != "1.00" else f"{value:.3f}"


def percent(share: float | None) -> str:
    """0.0312 -> `3.1 %`; nothing for None."""
    return "" if share is None else f"{100 * share:.1f} %"


def capacity(row: Row) -> str:
    """`shop-cache: 12,300 operations/s (95 % interval 11,900 to 12,800).`; a few rounds have no interval."""
    if row.spread is None:
        return f"{row.store}: not known, for no round came to an answer."
    known, what = row.interval or row.spread, "95 % interval" if row.interval else "rounds from"
    figures = f"{count(known.median)} operations/s ({what} {span(known.low, known.high, row.metric.unit)})"
    return f"{row.store}: {figures}."


def judged(one: Judgement) -> str:
    """What is said of a claim: `holds here: 2.61 (2.50 to 2.72)`."""
    if one.measured is None:
        return one.verdict
    return f"{one.verdict}: {ratio(one.measured.median)} ({ratio(one.measured.low)} to {ratio(one.measured.high)})"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def shortened(line: str) -> str:
    """A command line whose long values (all x) are given by their length."""
    return re.sub(r"x{32,}", lambda match: f"<{len(match.group())} bytes>", line)
