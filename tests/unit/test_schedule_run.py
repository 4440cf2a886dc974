"""One scheduled run from its beginning to the notification, with a small playbook in place of the benchmark."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule
from tests.browser import sample
from tests.unit.cli_with_test_playbooks import PLAYBOOKS
from tests.unit.test_benchmark_capacity import OBJECTIVE
from tests.unit.test_benchmark_capacity import measured as searched
from tests.unit.test_results_benchmarks import as_json, measured

from benchfly import cli
from benchfly.benchmark import Benchmark, Comparison
from benchfly.cli import scheduled, verbs
from benchfly.cli.locks import locked
from benchfly.cli.output import Output
from benchfly.playbook import runner
from benchfly.results import Run, history, records
from benchfly.schedule import notify, settings
from benchfly.schedule.findings import Outcome

__all__ = ["searched"]  # a fixture
pytest.importorskip("otava", reason="Apache Otava is not installed")
pytest.importorskip("apprise", reason="Apprise is not installed")
# Of libraries that Apprise imports.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
SECRET = "webhooksecretwebhook"
BENCHMARK = next(command.verb for command in verbs.COMMANDS if command.verb.name == "benchmark")


@dataclass
class Hook:
    """A webhook on the loopback."""

    told: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    url: str = ""


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"json://127.0.0.1:{server.server_port}/{SECRET}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


@pytest.fixture
def nightly(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    monkeypatch.setattr(runner, "playbook", lambda verb: PLAYBOOKS / f"{verb}.yml")
    monkeypatch.setattr("benchfly.report.plots.available", lambda: False)  # how plots look is tested elsewhere
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    sample = tmp_path / "benchmark.json"
    sample.write_text(json.dumps(as_json(measured())))
    variables = {"stop": "", "measured": str(sample)}
    schedule = Schedule("nightly", "02:30", ("shop-cache",), variables=variables, wait_minutes=0, keep=3)
    inventory = str(PLAYBOOKS / "hosts.yml")
    return settings.Settings(schedule, inventory, str(tmp_path / "home"), str(tmp_path), (hook.url,))


def run(given: settings.Settings, stop: str = "", **changes: Any) -> dict[str, Any]:
    variables = {**given.schedule.variables, "stop": stop}
    return scheduled.run(
        replace(given, schedule=replace(given.schedule, variables=variables, **changes)), BENCHMARK, Output()
    )


def past(count: int, speed: float = 1.0, days: int = 30) -> None:
    """Runs of nights before, of a store that was so much faster than the sample's is."""
    for number in range(count):
        started = datetime.now(UTC) - timedelta(days=days - number)
        figures = {("shop-cache against shop-cache-old", "ops_per_second"): speed * 1.24 * (1 + 0.001 * (number % 7))}
        workload = json.dumps({"loop": "closed", "rate": None, "scale": 1.0, "workload": "frappe-site"})
        run_id = f"{started:%Y%m%d-%H%M%S}-schedule-{number:04x}"
        history.keep(history.Scheduled(run_id, "nightly", started, Outcome.MEASURED, "", workload, figures=figures))


def test_a_run_measures_records_and_keeps_quiet(nightly: settings.Settings, hook: Hook, tmp_path: Path) -> None:
    data = run(nightly)
    assert (data["status"], data["exit_code"], data["findings"], data["problems"]) == ("ok", 0, [], [])
    assert hook.told == [], "nothing has changed"
    (row,) = history.runs("nightly")
    assert row.outcome == "measured" and row.benchmark == data["benchmark"]
    assert row.conditions["version of shop-cache"] == "valkey 8.0.1"
    assert ("shop-cache against shop-cache-old", "p99_ms") in row.figures
    assert {record.verb for record in records()} == {"schedule", "benchmark"}
    assert (tmp_path / "home/runs" / data["benchmark"] / "report.html").exists()
    assert "shop-cache against shop-cache-old" in (tmp_path / "home/history.html").read_text()
    shown = (tmp_path / "benchfly-nightly.prom").read_text()
    assert 'benchfly_scheduled_run_measured{schedule="nightly"} 1.0\n' in shown
    assert 'benchfly_scheduled_p99_ms{schedule="nightly",store="shop-cache"}' in shown


def test_a_search_for_a_capacity_has_a_history_too(
    nightly: settings.Settings, searched: tuple[Benchmark, Comparison], tmp_path: Path
) -> None:
    workload = {**sample.WORKLOAD, "loop": "open", "rate": 1000, "clients": 4, "objective": OBJECTIVE}
    (tmp_path / "benchmark.json").write_text(json.dumps({**as_json(searched[0]), "workload": workload}))
    data = run(nightly)
    assert (data["status"], data["problems"]) == ("ok", [])
    (row,) = history.runs("nightly")
    assert row.figures["new against old", "capacity"] == pytest.approx(1.3, abs=0.05)
    assert {metric for _, metric in row.figures} == {"capacity"} and "p99 of 5 ms" in row.workload
    assert (
        'benchfly_scheduled_capacity{schedule="nightly",store="old"}'
        in (tmp_path / "benchfly-nightly.prom").read_text()
    )


def test_figures_that_cannot_be_judged_are_a_failed_run_that_is_told_and_kept(
    nightly: settings.Settings, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(30)
    monkeypatch.setitem(sys.modules, "otava.analysis", None)  # as where it is not installed
    data = run(nightly)
    assert (data["status"], data["exit_code"]) == ("failed", 4)
    assert "need Apache Otava" in hook.told[0]["message"]
    row = history.runs("nightly")[-1]
    assert row.outcome == "failed" and row.figures


def test_a_step_that_fails_keeps_nothing_from_being_told(
    nightly: settings.Settings, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, keep: int) -> None:
        raise OSError("the disk is read-only")

    monkeypatch.setattr(scheduled, "_prune", fail)
    data = run(nightly, "fail")
    assert data["problems"] == ["the disk is read-only"] and len(hook.told) == 1
    assert {record.status for record in records("schedule")} == {"failed"}


def test_a_regression_is_told_once_and_ends_with_its_own_code(nightly: settings.Settings, hook: Hook) -> None:
    past(30, speed=1.3)
    codes = [run(nightly)["exit_code"] for _ in range(4)]
    assert codes == [0, 0, 10, 0]
    ((told),) = hook.told
    assert told["title"] == "benchfly nightly: regression"
    assert "throughput 2" in told["message"]


@pytest.mark.parametrize(
    ("stop", "status", "code", "told"),
    [
        ("blackout", "put off", 11, None),
        ("busy", "missed", 12, "serves 900 commands a second to others"),
        ("fail", "failed", 4, "the store went away"),
    ],
)
def test_what_stops_a_benchmark_is_told_apart(
    nightly: settings.Settings, hook: Hook, stop: str, status: str, code: int, told: str | None
) -> None:
    data = run(nightly, stop)
    assert (data["status"], data["exit_code"]) == (status, code), data
    assert history.runs("nightly")[0].outcome == status
    assert [told in message["message"] for message in hook.told] == ([True] if told else []), data


def test_it_does_not_begin_in_a_blackout_window(nightly: settings.Settings) -> None:
    data = run(nightly, blackout=("daily 00:00-24:00 UTC",))
    assert (data["exit_code"], data["benchmark"]) == (11, "")
    assert "daily 00:00-24:00 UTC" in data["message"]


@pytest.mark.parametrize("name", ["benchmark", "schedule-nightly"])
def test_it_is_missed_when_another_run_does_not_end_in_time(nightly: settings.Settings, hook: Hook, name: str) -> None:
    with locked([name], "`benchfly benchmark`"):
        data = run(nightly)
    assert (data["status"], data["exit_code"]) == ("missed", 12)
    assert "is in use by `benchfly benchmark`" in hook.told[0]["message"]


def test_it_waits_for_another_run_that_ends_in_time(nightly: settings.Settings) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(["benchmark"], "`benchfly benchmark`"):
            held.set()
            free.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    threading.Timer(1.5, free.set).start()
    assert run(nightly, wait_minutes=2)["status"] == "ok"
    other.join()


def test_a_run_that_was_killed_is_told_by_the_next(nightly: settings.Settings, hook: Hook) -> None:
    killed = Run.create("schedule", {"schedule": "nightly"})
    Run.create("schedule", {"schedule": "another"})
    data = run(nightly)
    assert data["exit_code"] == 0 and [one["kind"] for one in data["findings"]] == ["failed"]
    assert killed.id in hook.told[0]["message"] and "was cut short" in hook.told[0]["message"]
    assert [row.outcome for row in history.runs("nightly")] == ["failed", "measured"]
    assert run(nightly)["findings"] == [], "it is told once"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize(("calendar", "kinds"), [("02:30", ["missed"]), ("hourly", [])])
def test_what_never_began_is_told_but_not_by_a_calendar_that_came_later(
    nightly: settings.Settings, calendar: str, kinds: list[str]
) -> None:
    before = history.Scheduled("run0", "nightly", datetime.now(UTC) - timedelta(days=3), Outcome.MEASURED)
    history.keep(replace(before, calendar="02:30"))
    data = run(nightly, calendar=calendar)
    assert [one["kind"] for one in data["findings"]] == kinds, data
    assert history.runs("nightly")[-1].calendar == calendar


def test_folders_that_somebody_removed_are_no_reason_to_stop(nightly: settings.Settings) -> None:
    ended, killed = (Run.create("schedule", {"schedule": "nightly"}) for _ in range(2))
    ended.finish({"status": "ok"})
    for each in (ended, killed):
        shutil.rmtree(each.folder)
    data = run(nightly)
    assert (data["status"], data["findings"]) == ("ok", [])


def test_an_inventory_that_cannot_be_read_is_a_failed_run(
    nightly: settings.Settings, hook: Hook, tmp_path: Path
) -> None:
    data = run(replace(nightly, inventory=str(tmp_path / "nowhere.yml")))
    assert data["exit_code"] == 4
    assert "nowhere.yml" in hook.told[0]["message"] and "does not exist" in hook.told[0]["message"]


def test_folders_of_old_runs_go_and_their_figures_stay(nightly: settings.Settings, tmp_path: Path) -> None:
    made = [run(nightly) for _ in range(4)]
    assert made[-1]["pruned"] == [made[0]["benchmark"], made[0]["run"]]
    assert len(list((tmp_path / "home/runs").iterdir())) == 6
    assert len(history.runs("nightly")) == 4
    assert len(records(limit=-1)) == 6


def test_a_service_that_cannot_be_reached_is_a_problem_without_its_url(
    nightly: settings.Settings, hook: Hook, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hook.status = 500
    urls = (hook.url, f"nosuchscheme://{SECRET}")
    data = run(replace(nightly, notify=urls), "fail")
    assert data["exit_code"] == 4
    assert [problem.rpartition(": ")[2] for problem in data["problems"]] == [
        "number 1 (json) did not take the notification",
        "number 2 (nosuchscheme) is no URL that Apprise knows",
    ]
    texts = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [text for text in texts if SECRET.encode() in text]
    assert SECRET not in "".join(capfd.readouterr())


def test_nobody_is_told_where_nobody_is_to_be() -> None:
    assert notify.send((), "title", "body") == []


def test_the_command_reads_the_files_of_the_role(
    nightly: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(settings.VARIABLE, str(tmp_path))
    others = {"inventory": nightly.inventory, "home": nightly.home, "metrics_dir": ""}
    said = {**nightly.schedule.mapping, **others, "blackout": ["daily 00:00-24:00 UTC"]}
    (tmp_path / "nightly.json").write_text(json.dumps(said))
    (tmp_path / "benchmark.json").unlink()
    assert ended(["schedule", "run", "nightly", "--json"]) == 11
    assert json.loads(capsys.readouterr().out)["status"] == "put off"
    assert ended(["schedule", "list", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["schedules"]
    assert (shown["schedule"], shown["outcome"]) == ("nightly", "put off")
    assert ended(["history", "nightly", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == {"nightly": []}
    assert ended(["history", "weekly"]) == 6


def ended(words: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    return int(stop.value.code or 0)
