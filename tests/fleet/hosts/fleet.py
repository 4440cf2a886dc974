"""A fleet: hosts on one switch, and the controller from which they are reached."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fleet.hosts.base import base
from tests.fleet.hosts.cgroups import Group, own_groups
from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.host import Host
from tests.fleet.hosts.loops import loops
from tests.fleet.hosts.namespaces import in_network
from tests.fleet.hosts.network import Network
from tests.fleet.hosts.possible import reason_not_possible
from tests.fleet.hosts.processes import wait_until
from tests.fleet.hosts.releases import RELEASES
from tests.fleet.hosts.state import CONTROLLER, FIRST_HOST, USER, HostState, State

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
RESERVED = {"controller", "network"}  # groups of the fleet that are no hosts
DEFAULT_RELEASE = "debian-12"


class Fleet:
    """The fleet `name` below `folder`, where bases, packages and what is up are kept.

    Its addresses are 10.99.<net>.0/24, in namespaces of its own: fleets with the same `net` do not meet.
    """

    def __init__(self, folder: Path, name: str = "fleet", net: int = 0) -> None:
        if not NAME.fullmatch(name):
            raise HostsError(f"{name!r} is no name for a fleet: lower-case letters, digits and dashes")
        self.folder = folder.resolve()
        self.name = name
        self.net = net
        self.run_folder = self.folder / "run" / name

    def up(self, hosts: Mapping[str, str] | Sequence[str], disk: str = "4G") -> None:
        """Make these hosts (name -> release, or names only), or switch them on, and wait until one can log in to each.

        Hosts that are up already stay as they are; new ones know all others by name, not the other way round. What
        an `up` that was killed left behind is finished or cleaned away. The first time a release is asked for, its base
        is made, in one to three minutes. Raises HostsError, also for what reason_not_possible() names.
        """
        wanted = dict(hosts) if isinstance(hosts, Mapping) else dict.fromkeys(hosts, DEFAULT_RELEASE)
        for name in wanted:
            if not NAME.fullmatch(name) or name in RESERVED:
                raise HostsError(f"{name!r} is no name for a host: lower-case letters, digits and dashes")
        for release in set(wanted.values()):
            if reason := reason_not_possible(release):
                raise HostsError(reason)
        with self._locked():
            if not (self._is_known() and self._network.running()):
                self._sweep()
                self._switch_on()
            bases = {
                release: base(RELEASES[release], self.folder / "base", self._network)
                for release in set(wanted.values())
            }
            known = {host.name for host in self._state.hosts()}
            for name, release in wanted.items():
                if name not in known:
                    self._make(name, release, bases[release], disk)
            self._write_known_hosts()
            self.inventory_file.write_text(json.dumps(self.inventory(), indent=1))
            up = [self[name] for name in wanted]
            for host in up:
                host.switch_on()
            for host in up:
                host.wait()

    @classmethod
    def all(cls, folder: Path) -> list[Fleet]:
        """The fleets of the folder that are up, or left behind."""
        return [cls(folder, file.parent.name) for file in sorted(folder.glob("run/*/fleet.json"))]

    def down(self, fast: bool = False) -> None:
        """Shut every host down and remove all that was made for the fleet; `fast` is a power cut.

        Bases and packages stay, for the next time. A host that does not shut down in time is cut off.
        """
        with self._locked():
            if self._is_known() and self._network.running() and not fast:
                with ThreadPoolExecutor() as pool:
                    list(pool.map(_stop, self.hosts))
            self._sweep()

    @property
    def hosts(self) -> list[Host]:
        if not self._is_known():
            return []
        return [Host(host, self._state, self._network) for host in self._state.hosts()]

    def __getitem__(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        raise HostsError(f"there is no host {name!r} in the fleet {self.name}")

    # The controller

    def in_controller(self, argv: Sequence[str | Path]) -> list[str]:
        """The command that runs `argv` where the hosts can be reached. What it leaves running ends with the fleet.

        127.0.0.1 is the controller's own there, and nothing but the fleet is in reach.
        """
        return self._network.command(argv)

    def controller(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end, as text; `options` as of subprocess.run. Does not raise for its exit code."""
        return subprocess.run(self.in_controller(argv), **{"capture_output": True, "text": True, **options})

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in the controller's network: connections opened here reach the hosts, also later."""
        with in_network(self._network.namespace):
            yield

    def inventory(self) -> dict[str, Any]:
        """An Ansible inventory of all hosts: as `deploy`, who becomes root, with the fleet's key and known hosts."""
        return {
            "all": {
                "hosts": {host.name: {"ansible_host": host.address} for host in self.hosts},
                "vars": {
                    "ansible_user": USER,
                    "ansible_become": True,
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "ansible_ssh_private_key_file": str(self._state.key),
                    "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self._state.known_hosts} "
                    "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o ConnectTimeout=5",
                    # Other fleets have other hosts at the same addresses: no connection may be taken for theirs.
                    "ansible_control_path_dir": str(self.run_folder / "ssh"),
                },
            }
        }

    @property
    def inventory_file(self) -> Path:
        """The inventory as a file, written by up()."""
        return self.run_folder / "inventory.json"

    # Faults between hosts; those of one host are the host's

    def partition(self, one: str, other: str) -> None:
        """Let nothing pass between two hosts, or a host and the `controller`, until heal()."""
        self._network.partition(self._place(one), self._place(other))

    def heal(self) -> None:
        self._network.heal()

    # Making and removing; all under the lock

    @property
    def _state(self) -> State:
        return State.load(self.run_folder)

    @property
    def _network(self) -> Network:
        return Network(self._state)

    @property
    def _group(self) -> Group:
        """Where its processes are. The name is the fleet's only, so that they are found also if its state was lost."""
        if self._is_known():
            return self._state.group
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        return Group(tuple(own_groups())) / f"test-fleet-{self.name}-{mark}"

    def _is_known(self) -> bool:
        return (self.run_folder / "fleet.json").exists()

    def _place(self, name: str) -> int:
        return CONTROLLER if name == "controller" else self[name].place

    def _switch_on(self) -> None:
        """Lay down where everything of the fleet will be before any of it is made, so that it is always found again."""
        state = State(self.run_folder, self.net, self._group)
        state.save()
        (self.run_folder / "ssh").mkdir(mode=0o700, exist_ok=True)
        _make_key(state.key, f"{USER}@{self.name}")
        Network(state).start()

    def _make(self, name: str, release: str, rootfs: Path, disk: str) -> None:
        taken = {host.place for host in self._state.hosts()}
        place = next(place for place in range(FIRST_HOST, 255) if place not in taken)
        host = HostState(self.run_folder / "hosts" / name, place, release, str(rootfs))
        shutil.rmtree(host.folder, ignore_errors=True)
        host.folder.mkdir(parents=True)
        _make_key(host.folder / "ssh_host_ed25519_key", f"root@{name}")
        subprocess.run(["truncate", f"--size={disk}", host.disk], check=True)  # sparse: takes what the host writes
        lazily = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-E", lazily, host.disk], check=True)
        host.save()

    def _write_known_hosts(self) -> None:
        lines = []
        for host in self.hosts:
            key = (self.run_folder / "hosts" / host.name / "ssh_host_ed25519_key.pub").read_text()
            lines.append(f"{host.name},{host.address} {' '.join(key.split()[:2])}\n")
        self._state.known_hosts.write_text("".join(lines))

    def _sweep(self) -> None:
        """End and remove whatever there is of the fleet, in whatever state."""
        group = self._group
        group.kill()
        if not wait_until(lambda: not loops(self.run_folder), 20):
            raise HostsError(f"loop devices still hold disks of the fleet {self.name}: {loops(self.run_folder)}")
        group.remove()
        shutil.rmtree(self.run_folder, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        self.run_folder.parent.mkdir(parents=True, exist_ok=True)
        with self.run_folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _stop(host: Host) -> None:
    with contextlib.suppress(HostsError):  # what does not shut down is cut off afterwards
        host.stop()


def _make_key(file: Path, comment: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file], check=True)
