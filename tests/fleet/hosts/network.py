"""A fleet's network, seen from its switch: the cables to the hosts, and what can befall them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.processes import Process, spawn_module, wait_until
from tests.fleet.hosts.state import State

BRIDGE = "br0"
CABLE = "eth0"  # its end at the host
SHAPING = "burst 64k latency 200ms"  # how rate() lets packets wait


def mac(place: int) -> str:
    return f"02:fe:00:00:00:{place:02x}"


def port(place: int) -> str:
    """The cable's end at the switch."""
    return f"port{place}"


class Network:
    """Needs the process of switch.py; raises HostsError where it is not running."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def _switch(self) -> Path:
        return self.state.folder / "switch.json"

    def running(self) -> bool:
        return Process.load(self._switch) is not None

    @property
    def namespace(self) -> Path:
        """The controller's network namespace."""
        switch = Process.load(self._switch)
        if switch is None:
            raise HostsError(f"the fleet {self.state.folder.name} is not up")
        return Path(f"/proc/{switch.pid}/ns/net")

    def start(self) -> None:
        ready, log = self.state.folder / "switch.ready", self.state.folder / "switch.log"
        switch = spawn_module("switch", str(self.state.folder), log=log)
        switch.save(self._switch)
        if not wait_until(lambda: ready.exists() or not switch.running(), 20) or not ready.exists():
            raise HostsError(f"the switch did not start, see {log}")

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command that runs `argv` in the controller's network, among the processes that end with the fleet."""
        procs = (self.state.group / "controller").make().unified / "cgroup.procs"
        enter = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(procs), "nsenter", f"--net={self.namespace}"]
        return [*enter, "--", *map(str, argv)]

    def run(self, line: str) -> None:
        """Run a command of the network's tools; blanks part its words."""
        done = subprocess.run(self.command(line.split()), capture_output=True, text=True)
        if done.returncode:
            raise HostsError(f"`{line}` failed on the switch: {done.stderr.strip()}")

    def unplug(self, place: int) -> None:
        """Take the cable of a host that is off away, both ends of it.

        It would not go by itself at once: connections that cannot end in order keep the host's namespace for minutes.
        """
        self._end_relay(place)
        for end in (port(place), f"near{place}"):  # there may be none
            subprocess.run(self.command(["ip", "link", "delete", end]), capture_output=True)

    # Faults. A host is meant by its place.

    def cable(self, place: int, up: bool) -> None:
        self.run(f"ip link set {port(place)} {'up' if up else 'down'}")

    def delay(self, place: int, milliseconds: float, jitter: float, loss: float) -> None:
        """Put a relay between port and switch that holds every frame back; many a kernel has no netem."""
        self.undelay(place)
        near, far = f"near{place}", f"far{place}"
        self.run(f"ip link add {near} type veth peer name {far}")
        self.run(f"ip link set {port(place)} nomaster")
        self.run(f"ip link set {near} master {BRIDGE} up")
        self.run(f"ip link set {far} up")
        log = self.state.folder / f"relay{place}.log"
        log.unlink(missing_ok=True)
        numbers = [str(number) for number in (milliseconds, jitter, loss)]
        relay = spawn_module("relay", port(place), far, *numbers, log=log, within=self.command([]))
        relay.save(self._relay(place))
        if not wait_until(lambda: log.read_text() == "ready\n" or not relay.running(), 10) or not relay.running():
            raise HostsError(f"the relay did not start, see {log}")

    def undelay(self, place: int) -> None:
        if self._end_relay(place):
            self.run(f"ip link delete near{place}")
            self.run(f"ip link set {port(place)} master {BRIDGE}")

    def _end_relay(self, place: int) -> bool:
        """Whether there was one."""
        file = self._relay(place)
        relay, there_was = Process.load(file), file.exists()
        if relay is not None:
            relay.kill()
        file.unlink(missing_ok=True)
        return there_was

    def _relay(self, place: int) -> Path:
        return self.state.folder / f"relay{place}.json"

    def rate(self, place: int, host_namespace: Path, rate: str | None) -> None:
        """Shape both directions to a rate such as 50mbit; None for no limit."""
        for prefix, interface in (("", port(place)), (f"nsenter --net={host_namespace} ", CABLE)):
            self.run(
                f"{prefix}tc qdisc replace dev {interface} root "
                + (f"tbf rate {rate} {SHAPING}" if rate else "noqueue")
            )

    def partition(self, here: int, there: int) -> None:
        """No frame passes between the two, either way; a connection then waits in vain, it is not refused."""
        self.run("nft add table bridge fleet")
        for hook in ("input", "forward", "output"):  # to the controller, between hosts, from the controller
            self.run(f"nft add chain bridge fleet {hook} {{ type filter hook {hook} priority 0 ; }}")
            for one, other in ((here, there), (there, here)):
                self.run(f"nft add rule bridge fleet {hook} ether saddr {mac(one)} ether daddr {mac(other)} drop")

    def heal(self) -> None:
        self.run("nft add table bridge fleet")  # so that there is one to delete
        self.run("nft delete table bridge fleet")
