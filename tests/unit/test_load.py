"""The account of jobs, and the driver's file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from demo.load import Request, account, read_requests
from demo.standin import Execution


def enqueue(n: int, *, job: str | None = None, status: int | None = 200) -> Request:
    error = None if status == 200 else "500 or no answer"
    return Request("enqueue", n, 1000.0 + n, 4.2, status, error, job if status == 200 else None)


def ran(job: str, n: int = 1) -> Execution:
    return Execution(n, job, 1001.0, 42)


def test_all_well() -> None:
    jobs = account([enqueue(1, job="a"), enqueue(2, job="b")], [ran("b"), ran("a")]).web
    assert (jobs.acknowledged, jobs.refused, jobs.executed) == (2, 0, 2)
    assert (jobs.lost, jobs.duplicated, jobs.unacknowledged) == ((), (), ())


def test_acknowledged_but_not_executed_is_lost() -> None:
    jobs = account([enqueue(1, job="a"), enqueue(2, job="b")], [ran("a")]).web
    assert jobs.lost == ("b",)
    assert jobs.executed == 1


def test_executed_twice_is_duplicated_and_counts_once() -> None:
    jobs = account([enqueue(1, job="a")], [ran("a"), ran("a"), ran("a")]).web
    assert jobs.duplicated == ("a",)
    assert (jobs.executed, jobs.lost) == (1, ())


def test_refused_is_neither_acknowledged_nor_lost() -> None:
    jobs = account([enqueue(1, status=500), enqueue(2, status=None)], []).web
    assert (jobs.acknowledged, jobs.refused, jobs.lost) == (0, 2, ())


def test_executed_without_acknowledgement_is_told_apart() -> None:
    """The answer was lost on its way, but the job was enqueued: no loss, and no surprise when it ran twice."""
    jobs = account([enqueue(1, status=None)], [ran("a"), ran("a")]).web
    assert (jobs.unacknowledged, jobs.duplicated, jobs.refused) == (("a",), ("a",), 1)


def test_only_enqueues_count() -> None:
    page = Request("page", 1, 1000.0, 9.0, 500, "ConnectionError", None)
    assert account([page], []).web.refused == 0


def test_the_scheduler_has_an_account_of_its_own() -> None:
    first, second, unnoted = (f"site::scheduled_job::{n}" for n in (1, 2, 3))
    result = account(
        [enqueue(1, job="a")],
        [ran("a"), ran(first), ran(first), ran(unnoted)],
        scheduled=[ran(first), ran(second)],
    )
    assert (result.web.executed, result.web.unacknowledged) == (1, ())
    assert (result.scheduler.acknowledged, result.scheduler.executed) == (2, 2)
    assert (result.scheduler.lost, result.scheduler.duplicated) == ((second,), (first,))
    assert result.scheduler.unacknowledged == (unnoted,), "enqueued, and stopped before it could say so"


def test_a_line_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    whole = json.dumps(asdict(enqueue(1, job="a")))
    path.write_text(f"{whole}\n{whole[:20]}")
    assert read_requests(path) == [enqueue(1, job="a")]


def test_no_file_is_no_request(tmp_path: Path) -> None:
    assert read_requests(tmp_path / "requests.jsonl") == []
