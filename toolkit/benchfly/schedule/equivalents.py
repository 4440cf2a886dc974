"""The same schedule for cron, AWX and Semaphore. Pure: a calendar in, text out.

systemd's calendars say more than cron's five fields and than a recurrence rule (RFC 5545); what the others cannot say
is refused by name. In all three the schedule itself has `timer: false`, so that it does not run twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule

from benchfly.errors import RefusedError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHORT = {
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
}
_FORM = re.compile(
    r"(?:(?P<days>(?:mon|tue|wed|thu|fri|sat|sun)[a-z,.]*)\s+)?(?:\*-(?P<month>[\d*,/.]+)-(?P<day>[\d*,/.]+)\s+)?"
    r"(?P<hour>[\d*,/.]+):(?P<minute>[\d*,/.]+)(?::0{1,2})?(?:\s+(?P<zone>[A-Za-z]\S*))?",
    re.IGNORECASE,
)


class Scheduler(StrEnum):
    """Who else may start it."""

    CRON = "cron"
    AWX = "awx"
    SEMAPHORE = "semaphore"


@dataclass(frozen=True)
class Fields:
    """A calendar as cron's fields, each a list of numbers; None is any. Days of the week count from Monday, 0."""

    minutes: Sequence[int] | None
    hours: Sequence[int] | None
    days: Sequence[int] | None
    months: Sequence[int] | None
    weekdays: Sequence[int] | None
    zone: str

    @property
    def cron(self) -> str:
        """The five fields; Sunday is 0 there."""
        weekdays = None if self.weekdays is None else sorted((day + 1) % 7 for day in self.weekdays)
        fields = (self.minutes, self.hours, self.days, self.months, weekdays)
        return " ".join("*" if field is None else ",".join(map(str, field)) for field in fields)

    @property
    def rrule(self) -> str:
        """A recurrence rule, with the seconds at 0."""
        weekdays = None if self.weekdays is None else [_DAYS[day][:2].upper() for day in self.weekdays]
        parts = {"BYMONTH": self.months, "BYMONTHDAY": self.days, "BYDAY": weekdays, "BYHOUR": self.hours}
        frequency = "HOURLY" if self.hours is None else "DAILY"
        given = [f"{name}={','.join(map(str, values))}" for name, values in parts.items() if values is not None]
        minutes = ",".join(map(str, range(60) if self.minutes is None else self.minutes))
        return ";".join([f"FREQ={frequency}", "INTERVAL=1", *given, f"BYMINUTE={minutes}", "BYSECOND=0"])


def fields(calendar: str) -> Fields:
    """Raises RefusedError for what cron cannot say."""
    found = _FORM.fullmatch(_SHORT.get(calendar.strip().lower(), calendar.strip()))
    if not found:
        raise RefusedError(
            f"The calendar {calendar!r} says what cron and recurrence rules cannot. Keep systemd's timer for it, or "
            "write it with days, hours and minutes: Mon..Fri 02:30"
        )
    return Fields(
        minutes=_numbers(calendar, found["minute"], 0, 59),
        hours=_numbers(calendar, found["hour"], 0, 23),
        days=_numbers(calendar, found["day"] or "*", 1, 31),
        months=_numbers(calendar, found["month"] or "*", 1, 12),
        weekdays=_weekdays(calendar, found["days"]),
        zone=found["zone"] or "",
    )


def equivalent(scheduler: Scheduler, schedule: Schedule) -> str:
    """What that scheduler needs for the schedule, as text to put there. Raises RefusedError."""
    when = fields(schedule.calendar)
    if scheduler is Scheduler.AWX:
        return _awx(schedule, when)
    if when.zone:
        raise RefusedError(
            f"{schedule.name}: {scheduler} goes by a clock of its own, and the calendar names {when.zone}. Leave the "
            "zone out, if that is its clock's"
        )
    if when.days is not None and when.weekdays is not None:
        raise RefusedError(
            f"{schedule.name}: {scheduler} would run on those days of the month and on those of the week, where "
            "systemd runs on days that are both. Name one of them"
        )
    return _cron(schedule, when) if scheduler is Scheduler.CRON else _semaphore(schedule, when)


def _cron(schedule: Schedule, when: Fields) -> str:
    return f"# /etc/cron.d/benchfly-{schedule.name}\n{when.cron} root benchfly schedule run {schedule.name}\n"


def _awx(schedule: Schedule, when: Fields) -> str:
    name = f"benchfly schedule {schedule.name}"
    template = {
        "name": name,
        "playbook": "playbooks/schedule.yml",
        "project": "benchfly",
        "inventory": "stores",
        "extra_vars": {"schedule_run": schedule.name},
    }
    start = "DTSTART{}:20260101T000000{}".format(*((f";TZID={when.zone}", "") if when.zone else ("", "Z")))
    rule = {"name": name, "unified_job_template": name, "rrule": f"{start} RRULE:{when.rrule}"}
    tasks = [
        {"name": "Have a job template", "awx.awx.job_template": template},
        {"name": "Have its schedule", "awx.awx.schedule": rule},
    ]
    return _yaml(f"# Tasks with the collection awx.awx, for {schedule.name}\n", tasks)


def _semaphore(schedule: Schedule, when: Fields) -> str:
    name, variables = f"benchfly schedule {schedule.name}", {"schedule_run": schedule.name}
    template = {
        "name": name,
        "app": "ansible",
        "playbook": "playbooks/schedule.yml",
        "arguments": json.dumps(["-e", json.dumps(variables)]),
    }
    rule = {"name": name, "cron_format": when.cron, "active": True, "template_id": "the id that the first answers"}
    body = {"POST /api/project/PROJECT/templates": template, "POST /api/project/PROJECT/schedules": rule}
    return json.dumps(body, indent=2) + "\n"


def _yaml(heading: str, tasks: list[dict[str, Any]]) -> str:
    import yaml

    return heading + yaml.safe_dump(tasks, sort_keys=False, width=200)


def _numbers(calendar: str, text: str, least: int, most: int) -> list[int] | None:
    """`1,15`, `8..18`, `0/15`, `*/15`, `*` as numbers; None is any."""
    found: set[int] = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, dots, last = base.partition("..")
        try:
            begin = least if first == "*" else int(first)
            end = int(last) if dots else most if step or first == "*" else begin
            numbers = range(begin, end + 1, int(step or 1))
        except ValueError:
            raise RefusedError(f"The calendar {calendar!r} has {part!r}, which is no number or range") from None
        if not numbers or begin < least or end > most:
            raise RefusedError(f"The calendar {calendar!r} has {part!r}, which is not within {least} to {most}")
        found.update(numbers)
    return None if len(found) == most - least + 1 else sorted(found)


def _weekdays(calendar: str, text: str | None) -> list[int] | None:
    if not text:
        return None
    found: set[int] = set()
    for part in filter(None, text.lower().split(",")):
        first, _, last = part.partition("..")
        names = [day for day in (first[:3], (last or first)[:3]) if day in _DAYS]
        if len(names) != 2:
            raise RefusedError(f"The calendar {calendar!r} has {part!r}, which is no day of the week")
        begin, end = map(_DAYS.index, names)
        found.update(number % 7 for number in range(begin, (end if end >= begin else end + 7) + 1))
    return sorted(found)
