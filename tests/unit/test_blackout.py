"""Blackout windows: the zone's own clock decides, over midnight and when clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.blackout import BlackoutError, current, parse, upcoming

OFFICE = "Mon-Fri 08:00-19:00 Asia/Kolkata"
NIGHT = "Fri 22:00-06:00 Europe/Berlin"


def moment(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("window", "now", "covered"),
    [
        (OFFICE, moment("2026-11-24 02:29"), False),  # a Tuesday; 07:59 in Kolkata
        (OFFICE, moment("2026-11-24 02:30"), True),
        (OFFICE, moment("2026-11-24 13:29"), True),
        (OFFICE, moment("2026-11-24 13:30"), False),
        (OFFICE, moment("2026-11-22 20:00"), False),  # still Sunday in UTC, Monday 01:30 in Kolkata
        (OFFICE, moment("2026-11-28 05:00"), False),  # a Saturday
        (NIGHT, moment("2026-11-27 22:00", "Europe/Berlin"), True),
        (NIGHT, moment("2026-11-28 05:59", "Europe/Berlin"), True),
        (NIGHT, moment("2026-11-28 06:00", "Europe/Berlin"), False),
        (NIGHT, moment("2026-11-27 05:00", "Europe/Berlin"), False),  # the morning of the day on which it begins
        ("daily 00:00-24:00 UTC", moment("2026-11-24 23:59"), True),
        ("Sat,Sun 00:00-24:00 UTC", moment("2026-11-27 23:59"), False),
        ("Sat-Mon 09:00-10:00 UTC", moment("2026-11-30 09:30"), True),
        # 02:30 does not exist on that morning in Berlin; one in UTC says which hour is meant.
        ("Sun 03:00-04:00 Europe/Berlin", moment("2026-03-29 01:15"), True),
        ("Sun 03:00-04:00 Europe/Berlin", moment("2026-10-25 02:15"), True),
        ("Sun 03:00-04:00 Europe/Berlin", moment("2026-10-25 01:15"), False),
    ],
)
def test_when_it_covers(window: str, now: datetime, covered: bool) -> None:
    assert current([window], now) == (window if covered else "")


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ("Mon-Fri 8-19 UTC", "is no window"),
        ("Mon-Fri 08:00-19:00", "is no window"),
        (None, "is no window"),
        ("Mo-Fri 08:00-19:00 UTC", "has no days in 'Mo-Fri'"),
        ("Mon 08:00-24:01 UTC", "has the time 24:01"),
        ("Mon 08:61-09:00 UTC", "has the time 08:61"),
        ("Mon 24:00-08:00 UTC", "begins at 24:00"),
        ("Mon 08:00-19:00 Asia/Calcuta", "no time zone known here"),
        ("Mon 08:00-19:00 ../etc/passwd", "no time zone known here"),
    ],
)
def test_what_is_no_window(window: object, reason: str) -> None:
    with pytest.raises(BlackoutError, match=reason) as caught:
        parse(window)
    assert caught.value.remedy


def test_one_that_begins_before_a_rollout_would_end() -> None:
    assert upcoming([NIGHT, OFFICE], moment("2026-11-24 02:20"), seconds=900) == OFFICE
    assert upcoming([NIGHT, OFFICE], moment("2026-11-24 02:00"), seconds=900) == ""
