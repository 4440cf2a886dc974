"""The report in a real browser: light and dark, as narrow as a phone and as wide as a desk, and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.browser import sample
from tests.browser.conftest import SCHEMES, WIDTHS, Chromium, looked, measured

from benchfly.report import render

pytest.importorskip("matplotlib", reason="matplotlib is not installed, so there is nothing to look at")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(sample.report(sample.summary())), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_can_be_read(chromium: Chromium, page: Path, tmp_path: Path, scheme: str, width: str) -> None:
    inked = looked(chromium, page, tmp_path, scheme, width, 2000)
    assert 0.01 < inked.mean() < 0.25
    # All the way down, in every stripe of a fifth of the page.
    assert all(inked[start : start + 400].any() for start in range(0, 2000, 400))


@pytest.mark.parametrize(("width", "shown"), [(360, "none block " * 3), (1200, "block none " * 3)])
def test_nothing_sticks_out(chromium: Chromium, page: Path, tmp_path: Path, width: int, shown: str) -> None:
    assert measured(chromium, page, tmp_path, width) == f"{width} {width} 0 {shown}".strip()


def test_it_can_be_printed(chromium: Chromium, page: Path, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    chromium(f"--print-to-pdf={paper}", page.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 8


@pytest.mark.parametrize(
    ("scheme", "selector"),
    [("light", r":root \{\s+color-scheme: light dark;(.*?)\}"), ("dark", r"dark\) \{\s+:root \{(.*?)\}")],
)
def test_every_colour_of_text_stands_out_from_the_page(page: Path, scheme: str, selector: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1."""
    css = re.search(selector, page.read_text(encoding="utf-8"), re.DOTALL)
    assert css
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css.group(1)))
    for ground in ("page", "band"):
        for name in ("text", "faint", "mark", "alert", "good"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (scheme, name, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
