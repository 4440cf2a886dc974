"""The history of scheduled benchmarks in a real browser: half a year of nights, two stores, two changes."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.browser.conftest import SCHEMES, WIDTHS, Chromium, looked, measured

from benchfly.benchmark import METRICS
from benchfly.report.history import history, render
from benchfly.results.history import Scheduled
from benchfly.schedule.findings import Outcome, facts, news

pytest.importorskip("matplotlib", reason="matplotlib is not installed, so there is nothing to look at")
pytest.importorskip("otava", reason="Apache Otava is not installed")

START = datetime(2026, 5, 1, 2, 30, tzinfo=UTC)
NIGHTS, FASTER, SLOWER = 180, 60, 170
SPEED = {"ops_per_second": 48_000.0, "p50_ms": 0.17, "p95_ms": 0.31, "p99_ms": 0.55}


def nights() -> list[Scheduled]:
    """A new version makes the store 8 % faster, a setting 10 % slower; now and then nothing is measured."""
    chance, found = random.Random(3), []
    for number in range(NIGHTS):
        factor = (1.08 if number >= FASTER else 1.0) * (0.9 if number >= SLOWER else 1.0)
        figures = {}
        for metric in METRICS:
            way = factor if metric.more_is_better else 1 / factor
            spread = 0.04 if metric.field == "p99_ms" else 0.02
            ratio = 1.1 * way * chance.lognormvariate(0, spread)
            figures["shop-cache against reference", metric.field] = ratio
            figures["reference", metric.field] = SPEED[metric.field] * chance.lognormvariate(0, 0.05)
            figures["shop-cache", metric.field] = ratio * figures["reference", metric.field]
        idle = number % 37 == 36
        found.append(
            Scheduled(
                run=f"{START + timedelta(days=number):%Y%m%d-%H%M%S}-schedule-{number:04x}",
                schedule="nightly",
                started=START + timedelta(days=number),
                outcome=Outcome.MISSED if idle else Outcome.MEASURED,
                benchmark="" if idle else f"{START + timedelta(days=number):%Y%m%d-%H%M%S}-benchmark-{number:04x}",
                workload="" if idle else "frappe-site",
                conditions={
                    "version of shop-cache": "valkey 8.0.1" if number < FASTER else "valkey 8.1.0",
                    "hz of shop-cache": "10" if number < SLOWER else "500",
                    "commit of the inventory": "4f2a9c1 (Answer timers sooner)"
                    if number >= SLOWER
                    else "91c07e3 (Grow)",
                },
                figures={} if idle else figures,
            )
        )
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = nights()
    runs[-1] = Scheduled(**{**vars(runs[-1]), "findings": facts(news(runs))})
    path = tmp_path_factory.mktemp("history") / "history.html"
    path.write_text(render([history("nightly", runs)], START + timedelta(days=NIGHTS)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_can_be_read(chromium: Chromium, page: Path, tmp_path: Path, scheme: str, width: str) -> None:
    inked = looked(chromium, page, tmp_path, scheme, width, 2600)
    assert all(inked[start : start + 520].any() for start in range(0, 2600, 520)), "all the way down"


@pytest.mark.parametrize(("width", "shown"), [(360, "none block " * 3), (1200, "block none " * 3)])
def test_nothing_of_it_sticks_out(chromium: Chromium, page: Path, tmp_path: Path, width: int, shown: str) -> None:
    assert measured(chromium, page, tmp_path, width) == f"{width} {width} 0 {shown}".strip()


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_short_history_has_plots_too(count: int) -> None:
    text = render([history("nightly", nights()[:count])], START)
    assert text.count("<svg") == 6 and "None in" in text


def test_it_says_what_changed_and_needs_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    changes = re.search(r"<h3>Changes</h3>(.*?)<h3>", text, re.DOTALL)
    assert changes
    assert "hz of shop-cache: 10 -&gt; 500; commit of the inventory: 91c07e3 (Grow)" in changes[1]
    assert "version of shop-cache: valkey 8.0.1 -&gt; valkey 8.1.0" in changes[1]
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
