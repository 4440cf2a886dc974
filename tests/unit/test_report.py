"""The report and its parts, as text. How it looks is tested in tests/browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from tests.browser import sample

from benchfly.errors import ResultsError
from benchfly.report import (
    Attempt,
    Gaps,
    ReportData,
    Span,
    closing_table,
    gaps,
    latencies,
    plots,
    read_attempts,
    render,
    text,
    words,
)
from benchfly.report.move import touched_at


def attempts(*ends: float, probe: str = "cache", error: str = "") -> list[Attempt]:
    return [Attempt(probe, end, 0.0, error) for end in ends]


@pytest.fixture(scope="module")
def html() -> str:
    """The sample, with plots; they take a second to draw."""
    return render(sample.report(sample.summary()))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[ReportData], str]:
    """Renders as where matplotlib is not installed."""
    monkeypatch.setattr(plots, "available", lambda: False)
    return render


class Reader(HTMLParser):
    """Checks that elements nest, and notes what refers elsewhere, ids, and tables without a caption."""

    VOID = ("meta", "br", "hr", "img", "link", "input", "path", "use")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.references += [value for name in ("href", "src", "data") if (value := given.get(name))]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_whole_report_is_one_sound_file(html: str) -> None:
    page = Reader(html)
    assert len(html.encode()) < 2_000_000
    assert "://" not in html
    assert "@import" not in html and "script" not in page.tags
    assert all(not reference.startswith(("/", "http")) for reference in page.references)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("table") == page.tags.count("caption") == 5
    assert page.tags.count("svg") == 6
    assert html.count('role="img" aria-label="') == 3
    inside = {reference for reference in page.references if reference.startswith("#")}
    assert {reference[1:] for reference in inside} <= set(page.ids)


def test_the_answer_comes_first(html: str) -> None:
    assert re.search(r"<h1>0 of 6,120 acknowledged jobs lost, 0 run twice; longest gap 0\.\d\d s</h1>", html)
    assert "<h1" in html.partition("<table")[0]


def test_a_loss_is_not_hidden(plain: Callable[[ReportData], str]) -> None:
    html = plain(sample.report(sample.summary(sample.BAD), failures=8))
    assert '<h1 class="bad">3 of 6,120 acknowledged jobs lost, 1 run twice' in html
    assert '<dd class="bad">14</dd>' in html


def test_a_stand_in_is_called_one(plain: Callable[[ReportData], str]) -> None:
    note = "This was no Dragonfly: a stand-in answered in its place."
    assert note in plain(sample.report(sample.summary(target=sample.STAND_IN)))
    assert note not in plain(sample.report(sample.summary()))


def test_text_is_escaped(plain: Callable[[ReportData], str]) -> None:
    data = replace(sample.report(sample.summary()), title="<script>alert(1)</script>", notes=["a < b"])
    html = plain(data)
    assert "<script>" not in html
    assert "a &lt; b" in html


def test_invalid_trials_are_shown_and_long_values_are_not(html: str) -> None:
    assert re.search(r"Round [12], shop-cache(-old)?: 318 keys evicted", html)
    assert "&lt;400 bytes&gt;" in html
    assert ">higher<" in html and "more than stores differ from themselves by (" in html


def test_a_benchmark_alone_and_a_move_alone(plain: Callable[[ReportData], str]) -> None:
    whole = sample.report(sample.summary())
    benchmark = plain(replace(whole, move=None))
    assert "<h1>shop-cache did 1." in benchmark and "What the move cost" not in benchmark
    move = plain(replace(whole, benchmark=None))
    assert "Seconds by phase" in move
    assert "<h2>Benchmark</h2>" not in move


def test_a_move_without_timeline_gate_and_baseline() -> None:
    whole = sample.report(sample.summary())
    assert whole.move
    closing = replace(whole.move.summary, phases=[], before=replace(whole.move.summary.before, gap_ms=Gaps()))
    html = render(replace(whole, move=replace(whole.move, summary=closing, attempts=[], spans=[], gate=[])))
    Reader(html)
    assert "before not measured" in html
    assert html.count("<svg") == 4


def test_without_matplotlib_there_are_tables_and_a_word_about_it(plain: Callable[[ReportData], str]) -> None:
    page = plain(sample.report(sample.summary()))
    assert "<svg" not in page
    assert "has no plots, because matplotlib is not installed" in page
    assert page.count("<table") == 5


def test_plots_take_their_colours_from_the_page_and_do_not_change_between_runs(html: str) -> None:
    assert "var(--mark)" in html and "stroke: var(--text)" in html
    assert not re.search(r"#0[1-5]0[1-5]0[1-5]", html)
    again = plots.dots(sample.benchmark())
    assert again and again.wide in html and again.narrow in html


def test_claims_environment_and_checksums_are_in_it(html: str) -> None:
    assert html.count("cannot be judged here: the claim is about Redis and Dragonfly; measured were") == 22
    assert "The same throughput is 2.2 to 3.4 times in the summary and 4 to 8 times at the end" in html
    assert "Neoverse-V1" in html and "3b1f" * 16 in html
    assert "Smallest seen" in html


def test_the_same_as_markdown_and_as_data() -> None:
    data = sample.report(sample.summary())
    markdown, found = text.as_markdown(data), json.loads(text.as_json(data))
    assert re.search(
        r"\| Throughput \| shop-cache \| [\d,]+ \| [\d,]+ to [\d,]+ \| 1\.2\d \| .* \| higher \|", markdown
    )
    assert re.search(r"- Not counted: round [12], shop-cache", markdown) and "SHA-256 3b1f3b1f" in markdown
    (throughput,) = [row for row in found["comparison"] if row["metric"] == "ops_per_second" and row["ratio"]]
    assert f"{throughput['ratio']['median']:.2f}" in markdown and throughput["better"] is True
    assert len(found["claims"]) == 23 * 4
    assert found["files"][2]["sha256"] == "3b1f" * 16
    assert all("memtier_benchmark" in lines[0] for lines in found["command_lines"].values())


def test_a_file_has_the_checksum_that_others_give(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert text.kept(tmp_path, "x", "three letters").sha256.startswith("ba7816bf8f01cfea414140de5dae2223")


def test_summary_json_has_what_is_promised(tmp_path: Path) -> None:
    sample.summary().write(tmp_path / "summary.json")
    data = json.loads((tmp_path / "summary.json").read_text())
    assert data["jobs"] == {"acknowledged": 6120, "executed": 6120, "lost": 0, "duplicated": 0}
    assert data["enqueue"] == {"refused": 0}
    assert data["http"] == {"requests": 6120, "failed": 0}
    assert set(data["gap_ms"]) == {"enqueue", "cache", "http"}
    assert set(data["latency_ms"]["http"]) == {"p50", "p99"}
    assert set(data["before"]) == {"gap_ms", "latency_ms"}
    assert data["phases"][0] == {"verb": "migrate", "phase": "Check", "seconds": 2.4}
    assert data["target"] == {"engine": "valkey", "version": "8.0.1", "why": sample.VALKEY.why}
    assert data["report"] == ".benchfly/demo/report.html"
    assert data["answer"].startswith("0 of 6,120")


def test_the_terminal_says_the_same() -> None:
    console = Console(width=100, file=(shown := io.StringIO()))
    console.print(closing_table(sample.summary(sample.BAD)))
    text = shown.getvalue()
    for word in ("3 of 6,120", "6,117 jobs executed", "enqueue", "Stop consumers", "14.4", "Valkey 8.0.1"):
        assert word in text


def test_gaps_between_successes_and_only_where_the_probe_ran() -> None:
    series = attempts(0, 1, 2, 3) + attempts(4, 5, error="refused") + attempts(6, 7, 8)
    later = attempts(500, 501, 502)  # the probe was off in between
    assert gaps(series) == Gaps(cache=3000.0)
    assert gaps(series + later) == Gaps(cache=3000.0)
    assert gaps(series, until=2.5) == Gaps(cache=1000.0)
    assert gaps(series, since=3.5) == Gaps(cache=3000.0)
    assert gaps([]) == gaps(attempts(1)) == Gaps()


def test_latencies_are_of_successes() -> None:
    found = [Attempt("http", number, number + 1.0) for number in range(100)]
    found += [Attempt("http", 200, 99_999.0, "refused")]
    latency = latencies(found).http
    assert latency and (latency.p50, latency.p99) == (50.0, 99.0)
    assert latencies(found, until=10).http == latencies(found[:10]).http
    assert latencies(found).cache is None


def test_a_canary_log_that_is_cut_off_names_the_line(tmp_path: Path) -> None:
    log = tmp_path / "canary.jsonl"
    log.write_text('{"probe": "http", "at": 1.5, "ms": 3, "error": ""}\n{"probe": "htt')
    with pytest.raises(ResultsError, match=r"canary\.jsonl:2: no line of a canary"):
        read_attempts(log)
    log.write_text('{"probe": "http", "at": 1.5, "ms": 3, "error": ""}\n')
    assert read_attempts(log) == [Attempt("http", 1.5, 3.0)]
    with pytest.raises(ResultsError, match="cannot be read"):
        read_attempts(tmp_path / "absent")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, ""), (0.1194, "0.119 ms"), (3.06, "3.1 ms"), (99.94, "99.9 ms"), (310.4, "310 ms"), (1312, "1.31 s")],
)
def test_durations_in_words(milliseconds: float | None, text: str) -> None:
    assert words.duration(milliseconds) == text


def test_other_figures_in_words() -> None:
    assert words.sentence("no Dragonfly here") == words.sentence("No Dragonfly here.") == "No Dragonfly here."
    assert words.sentence("") == ""
    assert words.count(6120) == "6,120"
    assert words.span(0.171, 0.201, "ms") == "0.171 to 0.201 ms"
    assert words.span(999, 1200, "ms") == "999 ms to 1.20 s"
    assert words.span(39_704, 46_849, "operations/s") == "39,704 to 46,849"
    assert (words.ratio(1.234), words.ratio(0.9962), words.ratio(1.0)) == ("1.23", "0.996", "1.000")


def test_stores_that_a_bench_does_not_use_yet_are_prepared_before_it_is_touched() -> None:
    spans = [Span("rollback", phase, start, start + 1.0) for phase, start in (("Restore", 1.0), ("Move", 2.0))]
    assert touched_at([*spans, Span("rollback", "Stop consumers", 9.0, 10.0)]) == 9.0
    assert touched_at(spans) == float("inf")
