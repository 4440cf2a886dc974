"""What a host of a lab is told at its first boot: to switch off when its time is over, whoever is left to care.

It is launched so that this ends it (InstanceInitiatedShutdownBehavior). The timer is a unit of the host's own: it
outlives a reboot, and needs neither network nor credentials.
"""

from __future__ import annotations

from datetime import UTC, datetime

import yaml

UNIT = "benchfly-expiry"
_FOLDER = "/etc/systemd/system"


def user_data(expires: datetime) -> str:
    """For cloud-init."""
    files = {"service": service(), "timer": timer(expires)}
    config = {
        "write_files": [
            {"path": f"{_FOLDER}/{UNIT}.{kind}", "content": content, "permissions": "0644"}
            for kind, content in files.items()
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", f"{UNIT}.timer"]],
    }
    return f"#cloud-config\n{yaml.safe_dump(config, sort_keys=False)}"


def service() -> str:
    return """\
[Unit]
Description=End of the benchfly lab

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl poweroff
"""


def timer(expires: datetime) -> str:
    """Persistent: a host that was switched off at that moment ends when it boots."""
    return f"""\
[Unit]
Description=Time of the benchfly lab

[Timer]
OnCalendar={expires.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC
Persistent=true

[Install]
WantedBy=timers.target
"""
