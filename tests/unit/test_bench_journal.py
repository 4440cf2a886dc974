"""The journal knows the way back, resumes and reverses, and refuses a third destination."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils import bench_journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal, locked, redacted
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import TOKEN

OLD = {"redis_cache": "redis://127.0.0.1:13000", "redis_queue": "redis://127.0.0.1:11000"}
NEW = {"redis_cache": "redis://:s3cret@cache1:13000", "redis_queue": "redis://:s3cret@cache1:11000"}
THIRD = {**OLD, "redis_queue": "redis://elsewhere:11000"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


def test_a_move_opens_once_and_is_resumed(journal: Journal) -> None:
    assert journal.begin("m1", "migrate", OLD, NEW) is True
    assert Journal(journal.folder).begin("m2", "migrate", OLD, NEW) is False
    assert [move["id"] for move in Journal(journal.folder).moves] == ["m1"]


def test_an_open_move_can_be_reversed_and_remembers_its_consumers(journal: Journal) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    journal.open["consumers"] = ["w:1"]
    assert journal.begin("m2", "rollback", NEW, journal.way_back()) is True
    assert [move["state"] for move in journal.moves] == ["reversed", "open"]
    assert (journal.open["from"], journal.open["to"], journal.open["consumers"]) == (NEW, OLD, ["w:1"])
    assert journal.reversing


def test_a_third_destination_is_refused_while_a_move_is_open(journal: Journal) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    with pytest.raises(BenchError, match=r"migrate to redis_cache cache1:13000, .* is in progress.*rollback"):
        journal.begin("m2", "migrate", OLD, THIRD)


def test_the_way_back(journal: Journal) -> None:
    with pytest.raises(BenchError, match="never moved"):
        journal.way_back()
    journal.begin("m1", "migrate", OLD, NEW)
    assert journal.way_back() == OLD
    journal.finish()
    assert journal.way_back() == OLD
    journal.begin("m2", "rollback", NEW, OLD)
    assert journal.way_back() == OLD, "an open rollback is resumed"
    journal.finish()
    with pytest.raises(BenchError, match="already taken back"):
        journal.way_back()


def test_the_former_bytes_come_back_unless_somebody_edited_the_file(journal: Journal, tmp_path: Path) -> None:
    config = tmp_path / "common_site_config.json"
    config.write_text('{"a": 1}')
    journal.begin("m1", "migrate", OLD, NEW)
    journal.backup(config)
    config.write_text('{"a": 2}')
    journal.wrote(config)
    journal.finish()
    journal.begin("m2", "rollback", NEW, OLD)
    assert journal.former(config) == b'{"a": 1}'
    config.write_text('{"a": 2, "edited": true}')
    assert journal.former(config) is None


def test_only_a_move_that_wrote_nothing_is_dropped(journal: Journal, tmp_path: Path) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    assert journal.drop() is True and journal.last is None
    journal.begin("m2", "migrate", OLD, NEW)
    (tmp_path / "file").write_text("x")
    journal.wrote(tmp_path / "file")
    assert journal.drop() is False


def controller(token: str) -> dict[str, Any]:
    return {"name": f"deploy@{token}", "machine": token, "pid": 7, "token": token}


def test_the_lease_is_given_once_and_taken_over_by_name(journal: Journal) -> None:
    journal.take(controller("ctl1"), "run1", "")
    journal.take(controller("ctl1"), "run1", "")
    with pytest.raises(BenchError, match="deploy@ctl1 began to move this bench"):
        Journal(journal.folder).take(controller("ctl2"), "run2", "")
    journal.take(controller("ctl2"), "run2", "ctl1")
    assert Journal(journal.folder).lease["run"] == "run2"


def test_a_run_that_lost_its_lease_does_nothing_more(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.take(controller("ctl1"), "m1", "")
    journal.begin("m1", "migrate", OLD, NEW)
    monkeypatch.setenv(TOKEN, "ctl1")
    with journal.phase("Sweep", "stores"):
        assert Journal(journal.folder).lease["seen"] >= journal.lease["since"]
    Journal(journal.folder).take(controller("ctl2"), "m1", "ctl1")
    with pytest.raises(BenchError, match="was taken over by deploy@ctl2"), journal.phase("History", "stores"):
        pytest.fail("it must not begin")
    monkeypatch.setenv(TOKEN, "ctl2")
    assert journal.finish() and not Journal(journal.folder).lease
    monkeypatch.setenv(TOKEN, "ctl1")
    journal.begin("m2", "rollback", NEW, OLD)
    with pytest.raises(BenchError, match="is no longer being moved"), journal.phase("Sweep", "stores"):
        pytest.fail("it must not begin")


def test_a_phase_is_recorded_also_when_it_fails(journal: Journal) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    with journal.phase("Sweep", "stores") as entry:
        entry["jobs"] = 3
    with pytest.raises(ZeroDivisionError), journal.phase("Verify", "bench"):
        raise ZeroDivisionError
    seen = json.loads(journal.path.read_text())["moves"][0]["phases"]
    assert [(phase["phase"], phase["state"]) for phase in seen] == [("Sweep", "done"), ("Verify", "failed")]
    assert seen[0]["jobs"] == 3


def test_what_a_step_left_half_done_is_known_also_to_the_move_that_takes_it_back(journal: Journal) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    with journal.phase("Switch producers", "web", ["web:web"]):
        pass
    with pytest.raises(KeyboardInterrupt), journal.phase("Switch producers", "socketio", ["web:socketio"]):
        raise KeyboardInterrupt
    for moved in (journal, Journal(journal.folder)):
        assert moved.unfinished("Switch producers", "socketio") == {"web:socketio"}
        assert moved.unfinished("Switch producers", "web") == set()
        moved.begin("m2", "rollback", NEW, OLD)
    journal.finish()
    journal.begin("m3", "migrate", OLD, NEW)
    assert journal.unfinished("Switch producers", "socketio") == set(), "an earlier move is none of its business"


def test_files_are_for_the_owner_and_events_without_passwords(journal: Journal) -> None:
    journal.begin("m1", "migrate", OLD, NEW)
    assert (journal.path.stat().st_mode & 0o777, journal.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "s3cret" not in json.dumps(redacted(journal.open))


def test_the_lock_is_waited_for_and_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path):
            holds.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(10)
    with pytest.raises(BenchError, match="another move holds"), locked(tmp_path, patience=0.2):
        pass
    threading.Timer(0.3, done.set).start()
    began = time.monotonic()
    with locked(tmp_path, patience=10):
        assert time.monotonic() - began < 5
    holder.join()
    assert bench_journal.LOCK in {path.name for path in tmp_path.iterdir()}


def last_of(journal: Journal) -> dict[str, object]:
    assert journal.last is not None
    return redacted(journal.last)


def test_a_host_that_closed_a_move_opens_it_again_for_another_that_has_not(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path / "other")
    for each in (journal, other):
        each.begin("m1", "migrate", OLD, NEW)
    journal.finish()
    journal.join("rollback", last_of(other), NEW)
    assert journal.begin("m2", "rollback", NEW, journal.way_back()) is True
    assert (journal.moves[0]["state"], journal.open["to"]) == ("reversed", OLD)


def test_a_host_where_a_move_never_began_stays_where_it_is_when_it_is_taken_back(
    journal: Journal, tmp_path: Path
) -> None:
    other = Journal(tmp_path / "other")
    other.begin("m1", "migrate", OLD, NEW)
    journal.join("rollback", last_of(other), OLD)
    assert (journal.open["from"], journal.open["to"], journal.way_back()) == (OLD, OLD, OLD)
    assert journal.begin("m2", "rollback", OLD, OLD) is False, "it goes where the host is"
    journal.finish()
    with pytest.raises(BenchError, match="already taken back"):
        journal.way_back()


def test_an_earlier_move_is_not_taken_back_with_a_later_one_that_never_began_here(
    journal: Journal, tmp_path: Path
) -> None:
    for each in (journal, other := Journal(tmp_path / "other")):
        each.begin("m1", "migrate", OLD, NEW)
        each.finish()
    other.begin("m2", "migrate", NEW, THIRD)
    journal.join("rollback", last_of(other), NEW)
    assert journal.way_back() == NEW


def test_a_rollback_that_was_closed_on_one_host_is_finished_on_the_other(journal: Journal, tmp_path: Path) -> None:
    for each in (journal, other := Journal(tmp_path / "other")):
        each.begin("m1", "migrate", OLD, NEW)
        each.finish()
        each.begin("m2", "rollback", NEW, OLD)
    journal.finish()
    journal.join("rollback", last_of(other), OLD)
    assert (journal.open["id"], journal.way_back()) == ("m2", OLD)


def test_a_host_where_a_rollback_never_began_migrates_again_with_the_others(journal: Journal, tmp_path: Path) -> None:
    for each in (journal, other := Journal(tmp_path / "other")):
        each.begin("m1", "migrate", OLD, NEW)
        each.finish()
    other.begin("m2", "rollback", NEW, OLD)
    journal.join("migrate", last_of(other), NEW)
    assert (journal.open["id"], journal.open["to"]) == ("m1", NEW)
