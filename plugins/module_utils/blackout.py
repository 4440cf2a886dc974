"""Blackout windows: times of the week, in a time zone, in which no move of a bench may begin. Runs on the controller.

A window is written `DAYS HH:MM-HH:MM ZONE`, such as `Mon-Fri 08:00-19:00 Asia/Kolkata` or `Sat,Sun 00:00-24:00 UTC`.
One that ends at or before its beginning lasts into the next day. The clock is the zone's own, summer and winter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Optional

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?P<days>\S+) +(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d) +(?P<zone>\S+)")
_EXAMPLE = "Mon-Fri 08:00-19:00 Asia/Kolkata"
_DAY = 24 * 60


class BlackoutError(ValueError):
    """A window is wrong; the message has the window, the reason and the remedy."""

    def __init__(self, window: object, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy
        super().__init__(f"{window!r} {reason}. {remedy}")


@dataclass(frozen=True)
class Window:
    """Days as numbers from Monday, 0, on; minutes of the day, `end` beyond a day's where it lasts into the next."""

    text: str
    days: frozenset
    begin: int
    end: int
    zone: str

    def covers(self, now: datetime) -> bool:
        """Whether a moment (with a time zone) is in the window."""
        local = now.astimezone(_zone(self.text, self.zone))
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if today in self.days and self.begin <= minute < self.end:
            return True
        return (today - 1) % 7 in self.days and minute < self.end - _DAY


def parse(text: object) -> Window:
    """Raises BlackoutError."""
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise BlackoutError(text, "is no window", f"Write it as {_EXAMPLE}")
    days = frozenset(day for part in found["days"].split(",") for day in _days(text, part))
    begin, end = (_minutes(text, found[edge]) for edge in ("begin", "end"))
    if begin == _DAY:
        raise BlackoutError(text, "begins at 24:00", "Begin it at 00:00 of the next day")
    _zone(text, found["zone"])
    return Window(text, days, begin, end if end > begin else end + _DAY, found["zone"])


def current(windows: Iterable[object], now: Optional[datetime] = None) -> str:
    """The window that the moment (now) is in, or an empty string. Raises BlackoutError for one that is none."""
    moment = now or datetime.now(timezone.utc)
    parsed = [parse(window) for window in windows]
    return next((window.text for window in parsed if window.covers(moment)), "")


def upcoming(windows: Iterable[object], now: datetime, seconds: float) -> str:
    """The window that begins within so many seconds, or an empty string."""
    parsed = [parse(window) for window in windows]
    minutes = (now + timedelta(minutes=number) for number in range(int(seconds // 60) + 2))
    return next((window.text for minute in minutes for window in parsed if window.covers(minute)), "")


def _days(text: object, part: str) -> Iterable[int]:
    first, dash, last = part.lower().partition("-")
    if part.lower() == "daily":
        return range(7)
    if first not in DAYS or (dash and last not in DAYS):
        raise BlackoutError(text, f"has no days in {part!r}", f"Days are {', '.join(DAYS)}, Mon-Fri, or daily")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return [number % 7 for number in range(begin, (end if end >= begin else end + 7) + 1)]


def _minutes(text: object, clock: str) -> int:
    hours, minutes = (int(part) for part in clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > _DAY:
        raise BlackoutError(text, f"has the time {clock}, which there is not", "Times are 00:00 to 24:00")
    return hours * 60 + minutes


def _zone(text: object, name: str):  # type: ignore[no-untyped-def]
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "Name one such as Asia/Kolkata or UTC; if it is right, install tzdata on the controller"
        raise BlackoutError(text, f"names {name}, which is no time zone known here", remedy) from None
