"""What came of a move or a benchmark, for people: an HTML file, a table in the terminal, and the same as data."""

from benchfly.report.attempts import Attempt, gaps, latencies, read_attempts
from benchfly.report.data import File, Move, Need, ReportData, Span
from benchfly.report.html import render
from benchfly.report.summary import (
    Before,
    Enqueue,
    Gaps,
    Http,
    Jobs,
    Latencies,
    Latency,
    Phase,
    Summary,
    Target,
)
from benchfly.report.terminal import closing_table

__all__ = [
    "Attempt",
    "Before",
    "Enqueue",
    "File",
    "Gaps",
    "Http",
    "Jobs",
    "Latencies",
    "Latency",
    "Move",
    "Need",
    "Phase",
    "ReportData",
    "Span",
    "Summary",
    "Target",
    "closing_table",
    "gaps",
    "latencies",
    "read_attempts",
    "render",
]
