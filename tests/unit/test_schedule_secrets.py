"""Nothing that the playbook prints shows a secret of a schedule: neither where to notify nor a store's password."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTIFY, PASSWORD = "notifysecretnotify", "storesecretstore"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def check(folder: Path, calendar: str) -> subprocess.CompletedProcess[str]:
    """The playbook in check mode on this host, with all that it can be made to print."""
    schedule = {
        "calendar": calendar,
        "stores": ["old"],
        "variables": {"benchmark_urls": {"old": f"redis://:{PASSWORD}@10.0.0.9"}},
        "notify": [f"json://10.0.0.9/{NOTIFY}"],
    }
    inventory = folder / "hosts.json"
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "benchmark_schedules": {"nightly": schedule},
        "benchmark_schedule_command": sys.executable,
        "benchmark_schedule_inventory": str(inventory),
    }
    inventory.write_text(json.dumps({"control": {"hosts": {"here": here}}}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), "-e", "ansible_become=no"]
    command += ["--check", "--diff", "-vvv", str(ROOT / "playbooks/schedule.yml")]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.parametrize(
    ("calendar", "code", "words"),
    [("02:30", 0, "OnCalendar=02:30"), ("99:30", 2, "Failed to parse calendar specification")],
)
def test_no_secret_is_printed(tmp_path: Path, calendar: str, code: int, words: str) -> None:
    done = check(tmp_path, calendar)
    said = done.stdout + done.stderr
    assert done.returncode == code and words in said, said
    assert NOTIFY not in said and PASSWORD not in said
