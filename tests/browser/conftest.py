"""A real browser for pages: without a network, in light and dark, and as narrow as a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# As a phone, as a desk. Chromium's own preference, as a reader's would be: 0 is dark, 1 is light.
WIDTHS = {"narrow": 360, "wide": 1200}
SCHEMES = {"light": 1, "dark": 0}

Chromium = Callable[..., str]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """Runs a headless browser without a network; returns what it prints."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")

    def run(*options: str) -> str:
        profile = tmp_path_factory.mktemp("profile")
        quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
        offline = ("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "--hide-scrollbars")
        command = [browser, *quiet, *offline, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return run


# In a frame, since a window is never narrower than 500 pixels.
FRAME = (
    '<!doctype html><title></title><iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{page}"></iframe>'
)
MEASURE = """<script>
const right = each => each.getBoundingClientRect().right;
const wide = [...document.querySelectorAll('body *')].filter(each => right(each) > innerWidth + 1);
const shown = [...document.querySelectorAll('figure > div')].map(each => getComputedStyle(each).display);
const page = document.documentElement.scrollWidth;
parent.document.title = `${innerWidth} ${page} ${wide.length} ${shown.join(' ')}`;
</script>"""


def looked(chromium: Chromium, page: Path, folder: Path, scheme: str, width: str, height: int) -> Any:
    """Which pixels of the page are ink, in a window of that height; its paper is as light as the scheme says."""
    from matplotlib import image

    shot = folder / f"{scheme}-{width}.png"
    light = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    chromium(f"--window-size={WIDTHS[width]},{height}", light, f"--screenshot={shot}", page.as_uri())
    pixels = image.imread(shot)[:, :, :3].mean(axis=2)
    assert pixels.shape == (height, WIDTHS[width])
    paper = pixels[0, 0]
    assert paper > 0.9 if scheme == "light" else paper < 0.15
    return abs(pixels - paper) > 0.5


def measured(chromium: Chromium, page: Path, folder: Path, width: int) -> str:
    """The page in a frame of that width: both widths, how many elements stick out of it, and what is shown."""
    html = page.read_text(encoding="utf-8").replace("<details>", "<details open>")
    measuring = html.replace("</body>", f"{MEASURE}</body>")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, page=escape(measuring)), encoding="utf-8")
    dom = chromium("--window-size=1300,1000", "--virtual-time-budget=10000", "--dump-dom", frame.as_uri())
    found = re.search(r"<title>(.*?)</title>", dom)
    assert found
    return found.group(1)
