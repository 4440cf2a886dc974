"""One host of a fleet: power, network, disk, and ways in."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.loops import loops
from tests.fleet.hosts.namespaces import in_network
from tests.fleet.hosts.network import Network
from tests.fleet.hosts.processes import Process, spawn_module, wait_until
from tests.fleet.hosts.state import USER, HostState, State

# A command from outside keeps what it may do to the host, and gives up what it could do to the machine.
HARMLESS = "-sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override,-wake_alarm"
FILL = """set -u; file=/var/tmp/fill
fallocate -l "$(($(df --output=avail -k / | tail -n 1) * 99 / 100))K" "$file.most" || exit 1
dd if=/dev/zero of="$file.rest" bs=64k 2>/dev/null; dd if=/dev/zero of="$file.last" bs=512 2>/dev/null
exit 0"""


class Host:
    """Made by Fleet.up(), found by fleet["name"]. Whatever does not go as asked raises HostsError."""

    def __init__(self, host: HostState, state: State, network: Network) -> None:
        self.name = host.name
        self.address = state.address(host.place)
        self.release = host.release
        self.place = host.place  # in the network: the last number of the address
        self._host = host
        self._state = state
        self._network = network
        self._group = state.group / host.name

    # Power

    @property
    def running(self) -> bool:
        return self._supervisor() is not None

    def start(self, seconds: float = 60) -> None:
        """Switch it on, if it is off, and wait until one can log in."""
        self.switch_on()
        self.wait(seconds)

    def switch_on(self) -> None:
        """Switch it on, if it is off, and do not wait; for several at a time."""
        if not self.running:
            self._network.unplug(self.place)  # where it went off by itself
            supervisor = spawn_module("supervisor", str(self._host.folder), log=self._host.console)
            supervisor.save(self._host.supervisor)

    def wait(self, seconds: float = 60, former: int | None = None) -> None:
        """Wait until one can log in; with `former`, to another boot than that of this first process."""
        booted = wait_until(
            lambda: not self.running or (self.leader() not in (None, former) and self._welcomes()), seconds
        )
        if not booted:
            raise HostsError(f"{self.name} does not let anyone in after {seconds:.0f} s, see {self._host.console}")
        if not self.running:
            raise HostsError(f"{self.name} did not start, see {self._host.console}")

    def stop(self, seconds: float = 60) -> None:
        """Shut it down in order."""
        supervisor = self._supervisor()
        if supervisor is not None:
            self.thaw()
            supervisor.signal(signal.SIGTERM)
            if not wait_until(lambda: not supervisor.running(), seconds):
                raise HostsError(f"{self.name} does not shut down in {seconds:.0f} s, see {self._host.console}")
            self._wait_released()

    def kill(self) -> None:
        """Cut the power: every process ends at one moment, and no peer hears a word of it."""
        if self.running:
            self.cut()
            self._group.kill()
            self._wait_released()

    def reboot(self, seconds: float = 60) -> None:
        """Reboot it in order, from within, and wait until one can log in again."""
        former = self.leader()
        self.exec(["systemctl", "reboot"])
        self.wait(seconds, former)

    def freeze(self) -> None:
        """Let no process of it run, while its kernel goes on to acknowledge what arrives."""
        self._group.freeze(True)

    def thaw(self) -> None:
        self._group.freeze(False)

    # Ways in

    def ssh(self, command: str, *, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command as the user `deploy`, who may sudo, over SSH from the controller."""
        return _run(self._network.command(self.ssh_command(command)), f"{self.name}: {command}", check, timeout)

    def ssh_command(self, *command: str) -> list[str]:
        options = [f"UserKnownHostsFile={self._state.known_hosts}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
        options += ["BatchMode=yes", "ConnectTimeout=5", "LogLevel=ERROR"]
        words = ["ssh", "-F", "none", "-i", str(self._state.key), *(f"-o{option}" for option in options)]
        return [*words, f"{USER}@{self.address}", *command]

    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, without its network: also when the cable is cut or sshd is down."""
        return _run(self.exec_command(argv), f"{self.name}: {' '.join(argv)}", check, timeout)

    def exec_command(self, argv: Sequence[str]) -> list[str]:
        leader = self.leader()
        if leader is None:
            raise HostsError(f"{self.name} is not running")
        enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        return [*enter, "--", "setpriv", f"--bounding-set={HARMLESS}", "--", *argv]

    def leader(self) -> int | None:
        """The pid that its first process has on the machine; None while there is none. Changes with every boot."""
        supervisor = self._supervisor()
        nspawn = supervisor.children() if supervisor else []
        runtime = Process.of(nspawn[0]) if nspawn else None
        first = runtime.children() if runtime else []
        return first[0] if first else None

    # Network

    def cut(self) -> None:
        """Pull the cable."""
        self._network.cable(self.place, up=False)

    def plug(self) -> None:
        self._network.cable(self.place, up=True)

    def delay(self, milliseconds: float, jitter: float = 0, loss: float = 0) -> None:
        """Hold frames back each way, by milliseconds +- jitter, and lose a percentage of them."""
        self._network.delay(self.place, milliseconds, jitter, loss)

    def undelay(self) -> None:
        self._network.undelay(self.place)

    def rate(self, rate: str | None) -> None:
        """Limit both directions to a rate such as `50mbit`, until None lifts it or the host reboots."""
        supervisor = self._supervisor()
        if supervisor is None:
            raise HostsError(f"{self.name} is not running")
        self._network.rate(self.place, Path(f"/proc/{supervisor.pid}/ns/net"), rate)

    # Disk and memory

    def fill(self) -> None:
        """Leave no byte free on its disk."""
        self.exec(["sh", "-c", FILL])

    def unfill(self) -> None:
        self.exec(["sh", "-c", "rm -f /var/tmp/fill.*"])

    def memory(self) -> int | None:
        """Bytes that its processes and its page cache use; None where the machine does not count them."""
        file = self._group.memory
        return int(file.read_text()) if file else None

    def _supervisor(self) -> Process | None:
        return Process.load(self._host.supervisor)

    def _welcomes(self) -> bool:
        """Whether sshd answers, and lets others in than root: it starts before systemd allows them."""
        if Path(f"/proc/{self.leader()}/root/run/nologin").exists():
            return False
        try:
            with in_network(self._network.namespace), socket.create_connection((self.address, 22), 1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _wait_released(self) -> None:
        """The host is gone from the switch, and its disk is free for the next start."""
        self._network.unplug(self.place)
        if not wait_until(lambda: not loops(self._host.disk), 20):
            raise HostsError(f"{self.name}: its disk {self._host.disk} is not released")


def _run(argv: list[str], what: str, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise HostsError(f"{what}\nended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done
