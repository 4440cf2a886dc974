"""Benchmarks of stores: what was measured, and what may be claimed from it."""

from benchfly.benchmark.comparison import CAPACITY, METRICS, Comparison, Metric, Ratio, Row, Spread, compare
from benchfly.benchmark.trials import Benchmark, Measurement, Sample, Server, Trial

__all__ = [
    "CAPACITY",
    "METRICS",
    "Benchmark",
    "Comparison",
    "Measurement",
    "Metric",
    "Ratio",
    "Row",
    "Sample",
    "Server",
    "Spread",
    "Trial",
    "compare",
]
