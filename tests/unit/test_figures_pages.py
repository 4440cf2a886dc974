"""The pages of figures: what was measured anew replaces its section, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.evidence import page
from tests.perf.figures import renewed

STUDY = {"engine": "redis 7.0.15", "start": "bad", "kept": {"hz": 10}, "recovered": 0.96, "share_of_grid": 0.2}


def test_a_section_that_was_not_measured_anew_keeps_its_place(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    file.write_text(renewed(file, "# Figures\n", {"first": "1\n", "second": "2\n"}))
    file.write_text(renewed(file, "# Figures\n", {"second": "3\n", "third": "4\n"}))
    assert file.read_text() == "# Figures\n\n## first\n\n1\n\n## second\n\n3\n\n## third\n\n4\n"


def test_a_topic_says_when_it_was_measured_and_whether_its_promise_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "ROOT", tmp_path)
    (tmp_path / ".benchfly").mkdir()
    studies = [{**STUDY, "seed": seed, "kept": {}} if seed else {**STUDY, "seed": seed} for seed in range(5)]
    topics = {
        "bytes": {"kept": True, "kept_without_proof": 0, "of_each": studies},
        "quiet": {"kept": False, "studies": 20, "false_wins": 1, "tuned": {"hz": 10}, "of_each": []},
    }
    topics = {name: {"measured": "2026-01-02T03:04:05+00:00", **topic} for name, topic in topics.items()}
    (tmp_path / ".benchfly/tuning-evidence.json").write_text(json.dumps(topics))
    found = page.sections()
    assert list(found) == ["`make tuning-evidence TOPICS=bytes`", "`make tuning-evidence TOPICS=quiet`"]
    kept, not_kept = found.values()
    assert kept.startswith("2026-01-02. The promise is kept.")
    assert "| redis 7.0.15 | bad | 5 | 1 | 96.0 % | 96.0 % | 20.0 % |" in kept
    assert not_kept.startswith("2026-01-02. **The promise is not kept.**")
