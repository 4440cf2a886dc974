"""What is on disk of a fleet and its hosts while they are up: what their processes and a later command need to know."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fleet.hosts.cgroups import Group

CONTROLLER = 1  # the controller's place in the fleet's network
FIRST_HOST = 11
USER = "deploy"


@dataclass(frozen=True)
class State:
    """A fleet's; its folder is <fleets' folder>/run/<name>."""

    folder: Path
    net: int
    group: Group

    @classmethod
    def load(cls, folder: Path) -> State:
        kept = json.loads((folder / "fleet.json").read_text())
        return cls(folder, kept["net"], Group(tuple(map(Path, kept["group"]))))

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {"net": self.net, "group": [str(folder) for folder in self.group.folders]}
        _write(self.folder / "fleet.json", kept)

    def address(self, place: int) -> str:
        return f"10.99.{self.net}.{place}"

    @property
    def packages(self) -> Path:
        """What the proxy keeps, for all fleets."""
        return self.folder.parents[1] / "packages"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def hosts(self) -> list[HostState]:
        """In the order in which they were made."""
        hosts = [HostState.load(file.parent) for file in self.folder.glob("hosts/*/host.json")]
        return sorted(hosts, key=lambda host: host.place)


@dataclass(frozen=True)
class HostState:
    """A host's; its folder is <fleet>/hosts/<name>."""

    folder: Path
    place: int  # the last number of its address
    release: str
    rootfs: str  # the base under its own layer

    @classmethod
    def load(cls, folder: Path) -> HostState:
        return cls(**{**json.loads((folder / "host.json").read_text()), "folder": folder})

    def save(self) -> None:
        _write(self.folder / "host.json", {key: value for key, value in asdict(self).items() if key != "folder"})

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisor.json"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"


def _write(file: Path, content: object) -> None:
    """Whole or not at all, also when the writer is killed."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1))
    partial.rename(file)
