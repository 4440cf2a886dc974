"""Playbooks on test hosts, run from the fleet's controller as an operator would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.fleet.conftest import ROOT
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until

TIMEOUT = 600  # seconds of one run
ENVIRONMENT = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_SHOW_CUSTOM_STATS": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
}


@dataclass(frozen=True)
class Done:
    """One run of a playbook."""

    code: int
    output: str

    @property
    def words(self) -> str:
        """The output with its blanks and line breaks made one."""
        return " ".join(self.output.split())

    @property
    def failed(self) -> set[str]:
        """Hosts on which something failed, or that were not reached."""
        recap = re.findall(r"^(\S+) +: .*unreachable=(\d+) +failed=(\d+)", self.output, re.MULTILINE)
        return {host for host, *counts in recap if counts != ["0", "0"]}

    def changed(self, host: str) -> list[str]:
        """Tasks that changed something on that host, in order."""
        found, task = [], ""
        for line in self.output.splitlines():
            match = re.match(r"(?:TASK|RUNNING HANDLER) \[(?:[\w.]+ : )?(.*)\] \*", line)
            task = match.group(1) if match else task
            if re.match(rf"changed: \[{host}\]", line):
                found.append(task)
        return found

    def stats(self, name: str) -> Any:
        """What the playbook handed over with set_stats."""
        text = self.output.partition("\tRUN: ")[2]
        return json.loads(text[: text.index("\n\n")])[name]


@dataclass(frozen=True)
class Playbooks:
    """Runs playbooks on the hosts of a fleet; inventories and logs are kept in `folder`."""

    fleet: Fleet
    folder: Path

    def run(self, playbook: Path, groups: Mapping[str, Any], *words: str) -> Done:
        """A playbook to its end; `groups` is the inventory beside the fleet's own."""
        argv = self._command(playbook, groups, *words)
        done = self.fleet.controller(argv, cwd=ROOT, env=os.environ | ENVIRONMENT, timeout=TIMEOUT)
        (self.folder / f"{time.monotonic_ns()}-{playbook.stem}.log").write_text(done.stdout + done.stderr)
        return Done(done.returncode, done.stdout + done.stderr)

    def verb(self, verb: str, groups: Mapping[str, Any], *words: str) -> Done:
        return self.run(ROOT / f"playbooks/{verb}.yml", groups, *words)

    def killed(self, verb: str, groups: Mapping[str, Any], host: Host, sign: str) -> None:
        """Run a verb, and kill its controller as soon as the host has the file `sign`."""
        argv = self.fleet.in_controller(self._command(ROOT / f"playbooks/{verb}.yml", groups))
        with subprocess.Popen(
            argv, env=os.environ | ENVIRONMENT, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL
        ) as controller:
            try:
                there = wait_until(lambda: host.exec(["test", "-e", sign], check=False).returncode == 0, 120)
            finally:
                os.killpg(controller.pid, signal.SIGKILL)
        assert there

    def _command(self, playbook: Path, groups: Mapping[str, Any], *words: str) -> list[str | Path]:
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump(dict(groups)))
        ansible = Path(sys.executable).with_name("ansible-playbook")
        return [ansible, "-i", self.fleet.inventory_file, "-i", inventory, playbook, "--diff", *words]
