"""When a schedule is due, by systemd; and the same schedule for cron, AWX and Semaphore."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule

from benchfly.errors import RefusedError
from benchfly.schedule.calendar import due
from benchfly.schedule.equivalents import Scheduler, equivalent, fields

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


@needs_systemd
def test_what_was_due_is_counted_in_the_calendars_own_zone() -> None:
    found = due("Mon..Fri 02:30 Asia/Kolkata", FRIDAY, FRIDAY + timedelta(days=5))
    assert [f"{each:%a %H:%M}" for each in found] == ["Sun 21:00", "Mon 21:00", "Tue 21:00"]


@needs_systemd
def test_what_names_no_zone_is_counted_in_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    found = due("02:30", FRIDAY, FRIDAY + timedelta(days=2))
    assert [f"{each:%a %H:%M}" for each in found] == ["Fri 21:00", "Sat 21:00"]


@needs_systemd
def test_summer_and_winter_are_the_zones() -> None:
    before = datetime(2026, 3, 27, 12, tzinfo=UTC)  # the clock of Berlin goes forward on the 29th
    found = due("02:30 Europe/Berlin", before, before + timedelta(days=4))
    assert [f"{each:%d %H:%M}" for each in found if each.day != 29] == ["28 01:30", "30 00:30", "31 00:30"]


@needs_systemd
def test_nothing_is_due_when_the_clock_went_back_or_the_calendar_is_none() -> None:
    assert due("daily", FRIDAY, FRIDAY - timedelta(hours=3)) == []
    assert due("whenever", FRIDAY, FRIDAY + timedelta(days=3)) == []


@pytest.mark.parametrize(
    ("calendar", "cron"),
    [
        ("hourly", "0 * * * *"),
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("02:30", "30 2 * * *"),
        ("Mon..Fri 02:30", "30 2 * * 1,2,3,4,5"),
        ("Sat,Sun *-*-* 23:00:00", "0 23 * * 0,6"),
        ("Fri..Mon 01:05", "5 1 * * 0,1,5,6"),
        ("*-*-1,15 04:00", "0 4 1,15 * *"),
        ("*-1,7-01 04:00", "0 4 1 1,7 *"),
        ("*:0/15", "0,15,30,45 * * * *"),
        ("8..18/5:00", "0 8,13,18 * * *"),
        ("*:*", "* * * * *"),
    ],
)
def test_a_calendar_in_the_words_of_cron(calendar: str, cron: str) -> None:
    assert fields(calendar).cron == cron


@pytest.mark.parametrize(
    "calendar", ["2026-12-24 18:00", "02:30:15", "*-*~1 02:00", "yearly", "25:00", "Foo 02:30", "02:61", "12..8:00", ""]
)
def test_what_cron_cannot_say_is_refused_by_name(calendar: str) -> None:
    with pytest.raises(RefusedError, match="calendar"):
        fields(calendar)


def printed(scheduler: Scheduler, calendar: str) -> str:
    return equivalent(scheduler, Schedule("nightly", calendar, ("shop-cache",), notify=("slack://secret",)))


def test_cron_starts_the_same_command() -> None:
    line = printed(Scheduler.CRON, "Mon..Fri 02:30").splitlines()[-1]
    assert line == "30 2 * * 1,2,3,4,5 root benchfly schedule run nightly"


@pytest.mark.parametrize("scheduler", [Scheduler.CRON, Scheduler.SEMAPHORE])
@pytest.mark.parametrize(
    ("calendar", "words"), [("02:30 Europe/Berlin", "names Europe/Berlin"), ("Mon *-*-01 02:30", "days that are both")]
)
def test_what_would_run_at_other_times_is_refused(scheduler: Scheduler, calendar: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        printed(scheduler, calendar)


def test_awx_gets_a_template_and_a_rule() -> None:
    template, schedule = yaml.safe_load(printed(Scheduler.AWX, "Mon..Fri 02:30 Europe/Berlin"))
    assert template["awx.awx.job_template"]["extra_vars"] == {"schedule_run": "nightly"}
    rule = schedule["awx.awx.schedule"]["rrule"]
    assert rule == (
        "DTSTART;TZID=Europe/Berlin:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=2;"
        "BYMINUTE=30;BYSECOND=0"
    )
    assert "FREQ=HOURLY;INTERVAL=1;BYMINUTE=0,15,30,45" in printed(Scheduler.AWX, "*:0/15")


def test_semaphore_gets_a_template_and_a_cron_format() -> None:
    template, schedule = json.loads(printed(Scheduler.SEMAPHORE, "02:30")).values()
    assert json.loads(template["arguments"]) == ["-e", '{"schedule_run": "nightly"}']
    assert schedule["cron_format"] == "30 2 * * *"


@pytest.mark.parametrize("scheduler", Scheduler)
def test_nothing_printed_says_where_to_notify(scheduler: Scheduler) -> None:
    assert "secret" not in printed(scheduler, "02:30")
