"""Runs and their list."""

from __future__ import annotations

import json
import multiprocessing
import re
import sqlite3
import stat
from pathlib import Path

import pytest

from benchfly.errors import ResultsError
from benchfly.results import Run, find, latest, records


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_run_from_begin_to_end(home: Path) -> None:
    run = Run.create("migrate", {"inventory": ["inventories/local"], "options": {"check": False}})
    assert re.fullmatch(r"\d{8}-\d{6}-migrate-[0-9a-f]{4}", run.id)
    assert run.folder == home / "runs" / run.id
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    assert run.inputs["inventory"] == ["inventories/local"]
    assert set(run.inputs["versions"]) == {"benchfly", "ansible-core", "python"}
    assert run.outcome is None
    assert [(record.id, record.status) for record in records()] == [(run.id, None)]

    run.finish({"status": "ok", "exit_code": 0})
    assert run.outcome == {"status": "ok", "exit_code": 0}
    (record,) = records()
    assert (record.verb, record.status) == ("migrate", "ok")
    assert record.finished and record.finished >= record.started
    assert sorted(path.name for path in run.folder.iterdir()) == ["inputs.json", "outcome.json"]


def test_no_secret_is_kept() -> None:
    run = Run.create(
        "deploy",
        {
            "url": "redis://frappe:hunter2@cache1:13000/1",
            "extra_vars": ["store_password=hunter2", "benchmark_rounds=6", "url=redis://:hunter2@h"],
            "stores": {"shop": {"password": "hunter2", "port": 13000, "api_token": None}},
        },
    )
    run.finish({"status": "failed", "message": "redis://:hunter2@cache1 and redis://:an@hunter2@cache2 do not answer"})
    assert not [path for path in run.folder.iterdir() if "hunter2" in path.read_text()]
    assert run.inputs["url"] == "redis://cache1:13000/1"
    assert run.inputs["extra_vars"][1] == "benchmark_rounds=6"
    assert run.inputs["stores"]["shop"] == {"password": "(not kept)", "port": 13000, "api_token": None}


def test_runs_are_listed_newest_first_and_found() -> None:
    runs = [Run.create(verb, {}) for verb in ("check", "migrate", "migrate", "verify")]
    by_id = {run.id for run in runs}
    assert {record.id for record in records()} == by_id
    starts = [record.started for record in records()]
    assert starts == sorted(starts, reverse=True)
    assert len(records("migrate")) == 2
    assert len(records(limit=3)) == 3
    newest = latest("migrate")
    assert newest and newest.id == runs[2].id
    assert latest("rollback") is None
    assert find(runs[0].id).verb == "check"
    with pytest.raises(ResultsError, match="no run nothing"):
        find("nothing")
    assert Run.open(runs[0].id) == runs[0]
    with pytest.raises(ResultsError, match="There is no run nothing"):
        Run.open("nothing")


def test_a_run_is_found_by_the_end_of_its_id() -> None:
    run = Run.create("check", {})
    assert find(run.id.rpartition("-")[2]).id == run.id


def begin_and_finish(number: int) -> str:
    run = Run.create("check", {"number": number})
    run.finish({"status": "ok"})
    return run.id


def test_many_writers_at_once() -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        ids = pool.map(begin_and_finish, range(60))
    assert len(set(ids)) == 60
    assert {record.id for record in records(limit=-1)} == set(ids)
    assert {record.status for record in records(limit=-1)} == {"ok"}


@pytest.mark.parametrize("text", ["", '{"status": "o', "[]", "not json", "\x00\x01"])
def test_a_file_that_is_cut_off_or_foreign_is_named(text: str) -> None:
    run = Run.create("check", {})
    run.finish({"status": "ok"})
    (run.folder / "outcome.json").write_text(text)
    with pytest.raises(ResultsError, match=re.escape(str(run.folder / "outcome.json"))):
        _ = run.outcome


def test_a_crash_while_writing_leaves_no_half_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create("check", {})

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dump", crash)
    with pytest.raises(KeyboardInterrupt):
        run.finish({"status": "ok"})
    assert run.outcome is None


def test_a_foreign_database_is_named_and_a_newer_one_refused(home: Path) -> None:
    home.mkdir()
    path = home / "results.sqlite"
    path.write_text("this is a text file of some length, and no database\n" * 50)
    with pytest.raises(ResultsError, match=r"results\.sqlite cannot be used"):
        records()
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ResultsError, match="newer benchfly"):
        records()
