"""When a calendar of systemd is due, by systemd's own account."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime

_MOST = 50  # of those that were missed; that there are many is known by then
_LINE = re.compile(
    r"^\s*(?:Next elapse|Iter(?:\.|ation) #\d+|\(in UTC\)): \w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", re.MULTILINE
)


def due(calendar: str, since: datetime, until: datetime) -> list[datetime]:
    """When it was due after one moment and up to another, at most 50 times; empty where systemd cannot be asked."""
    if since >= until or shutil.which("systemd-analyze") is None:
        return []
    base = f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    command = ["systemd-analyze", "calendar", f"--iterations={_MOST}", f"--base-time={base}", calendar]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}  # in the host's own zone, as its timers
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in _LINE.findall(done.stdout)]
    return [each for each in times if since < each <= until]
