"""Control groups: what was started for a fleet is in groups of that fleet, to be limited, frozen and ended as one."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.processes import wait_until

# Of the old hierarchies, those a host's systemd works with. Freezing and ending use the unified one.
WANTED = {"name=systemd", "cpu", "cpuacct", "memory", "pids", "blkio"}


def own_groups() -> list[Path]:
    """Where the calling process is in each hierarchy that matters, the unified one first.

    Raises HostsError on a machine without the unified hierarchy (cgroup2), which has had it since Linux 4.5.
    """
    unified, others = [], []
    where = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = source.split()[:3]
        if kind == "cgroup2":
            unified.append(_inside(point, root, where[""]))
        elif kind == "cgroup":
            others += [_inside(point, root, path) for names, path in where.items() if _same(names, options)]
    if not unified:
        raise HostsError("there is no unified cgroup hierarchy (cgroup2) on this machine")
    return unified[:1] + others


def _same(names: str, options: str) -> bool:
    held = set(names.split(",")) & WANTED
    return bool(held) and held <= set(options.split(","))


def _inside(point: str, root: str, path: str) -> Path:
    """Where a group lies when the hierarchy's `root` is mounted at `point`."""
    relative = path.removeprefix(root) if root != "/" else path
    return Path(point) / relative.lstrip("/")


@dataclass(frozen=True)
class Group:
    """One group in every hierarchy; the first folder is the unified one's."""

    folders: tuple[Path, ...]

    def __truediv__(self, name: str) -> Group:
        return Group(tuple(folder / name for folder in self.folders))

    @property
    def unified(self) -> Path:
        return self.folders[0]

    @property
    def memory(self) -> Path | None:
        """The file with the bytes of memory that the group uses, page cache included."""
        files = (folder / name for folder in self.folders for name in ("memory.usage_in_bytes", "memory.current"))
        return next((file for file in files if file.exists()), None)

    def make(self) -> Group:
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def join(self) -> None:
        """Put the calling process into the group."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def freeze(self, frozen: bool) -> None:
        (self.unified / "cgroup.freeze").write_text(str(int(frozen)))
        if not wait_until(lambda: f"frozen {int(frozen)}" in self._events(), 10):
            raise HostsError(f"{self.unified} would not {'freeze' if frozen else 'thaw'}")

    def kill(self) -> None:
        """End every process in the group and below, all at one moment."""
        with contextlib.suppress(FileNotFoundError):
            (self.unified / "cgroup.kill").write_text("1")
        if not wait_until(self.empty, 20):
            raise HostsError(f"processes in {self.unified} would not end")

    def empty(self) -> bool:
        return "populated 1" not in self._events()

    def remove(self) -> None:
        """Remove the group, which must be empty: a moment may pass until the kernel has let go of its processes."""
        if not wait_until(lambda: _removed(self.folders), 20):
            raise HostsError(f"the cgroup {self.unified.name} would not go, in one of {list(map(str, self.folders))}")

    def _events(self) -> str:
        try:
            return (self.unified / "cgroup.events").read_text()
        except (FileNotFoundError, OSError):
            return ""


def _removed(folders: tuple[Path, ...]) -> bool:
    for folder in folders:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                Path(path).rmdir()
    return not any(folder.exists() for folder in folders)
