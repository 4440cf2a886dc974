"""A bench's units of systemd, as bench's own templates name and group them (`bench setup systemd`)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process, ProcessManager

UNITS = Path("/etc/systemd/system")
MASK = "/dev/null"  # what a masked unit is a link to
_DROP_IN = Path("/run/systemd/system")
# bench's units would have systemd send TERM to a job's own process too, which ends it in the midst, and KILL to all
# after 90 s. With these the worker alone is told, and ends when its job has. They are gone after a start or a reboot.
_WARM_STOP = "[Service]\nKillMode=mixed\nTimeoutStopSec=infinity\n"
_STATES = {"active": "RUNNING", "reloading": "RUNNING", "deactivating": "STOPPING", "failed": "FATAL"}


class Systemd(ProcessManager):
    """The services of a bench's targets (`<bench>-web`, `-workers`, `-redis`). Raises OSError on any refusal.

    A process's name is `<target>:<unit>`, both without their suffixes: `shop-workers:shop-frappe-long-worker@1`.
    """

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def processes(self) -> list[Process]:
        units = self._units()
        found = self._show(sorted(units), "Id", "PartOf", "ActiveState", "SubState", "MainPID") if units else []
        return [
            Process("{}:{}".format(group, unit["Id"][: -len(".service")]), _state(unit), int(unit["MainPID"]), 0)
            for unit in found
            for group in (unit["PartOf"].rpartition(".")[0],)  # none of a unit that is masked
            if group in self._groups
        ]

    def _units(self) -> set[str]:
        """Services that the targets want, and those with a file: bench's workers target does not want the scheduler."""
        units: set[str] = set()
        for target in self._show([f"{group}.target" for group in self._groups], "Wants"):
            units.update(unit for unit in target.get("Wants", "").split() if unit.endswith(".service"))
        for group in self._groups:
            files = UNITS.glob(f"{group.rpartition('-')[0]}-*.service")
            units.update(file.name for file in files if not file.stem.endswith("@"))
        return units

    def stop(self, name: str) -> None:
        drop_in = _drop_in(name)
        if not drop_in.exists():
            drop_in.parent.mkdir(parents=True, exist_ok=True)
            drop_in.write_text(_WARM_STOP, encoding="utf-8")
            self.reload()
        self._systemctl("stop", "--no-block", _unit(name))

    def start(self, name: str) -> None:
        if self.forget_stop(name):
            self.reload()
        self._systemctl("start", "--no-block", _unit(name))

    def forget_stop(self, name: str) -> bool:
        """Remove what `stop` has left for a unit that has ended; True when there was any, and reload() is due.

        It stays while another instance of the template is still ending: without it systemd would kill that one.
        """
        drop_in = _drop_in(name)
        if not drop_in.exists() or self._ends(drop_in):
            return False
        drop_in.unlink()
        if not any(drop_in.parent.iterdir()):
            drop_in.parent.rmdir()
        return True

    def _ends(self, drop_in: Path) -> bool:
        """Whether any unit that the drop-in is for still ends."""
        units = drop_in.parent.name.removesuffix(".d").replace("@.", "@*.")
        return any(unit.get("ActiveState") == "deactivating" for unit in self._show([units], "ActiveState"))

    def signal(self, name: str, signal: str) -> None:
        self._systemctl("kill", "--kill-who=main", f"--signal={signal}", _unit(name))

    def reload(self) -> None:
        """Let systemd read its units again."""
        self._systemctl("daemon-reload")

    def _show(self, units: list[str], *properties: str) -> list[dict[str, str]]:
        text = self._systemctl("show", f"--property={','.join(properties)}", *units)
        return [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.strip().split("\n\n")]

    @staticmethod
    def _systemctl(*arguments: str) -> str:
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def unit_file(program: str) -> Path:
    """Where a bench's unit is linked for systemd."""
    return UNITS / f"{program}.service"


def _unit(name: str) -> str:
    return f"{name.partition(':')[2]}.service"


def _drop_in(name: str) -> Path:
    """Of the unit, or of the template that it is an instance of."""
    unit, at, _instance = name.partition(":")[2].partition("@")
    return _DROP_IN / f"{unit}{at}.service.d" / "benchfly-warm-stop.conf"


def _state(unit: dict[str, str]) -> str:
    """The state in supervisor's words."""
    active = unit["ActiveState"]
    if active == "activating":
        return "BACKOFF" if unit["SubState"] == "auto-restart" else "STARTING"
    return _STATES.get(active, "STOPPED")
