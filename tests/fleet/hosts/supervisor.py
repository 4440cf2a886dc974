"""The process that is a host's hardware: its disk, its cable, its power button.

Run by the harness as `python -m tests.fleet.hosts.supervisor <host's folder>`. Mounts and network are in namespaces of
this process, so that they are gone when it and the host's own processes are, however they ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.fleet.hosts.base import in_use
from tests.fleet.hosts.loops import loops
from tests.fleet.hosts.namespaces import NEW_MOUNTS, NEW_NETWORK, OWN_NETWORK, unshare
from tests.fleet.hosts.network import BRIDGE, CABLE, Network, mac, port
from tests.fleet.hosts.processes import wait_until
from tests.fleet.hosts.proxy import PORT
from tests.fleet.hosts.settings import copy_settings, keep_settings
from tests.fleet.hosts.state import CONTROLLER, USER, HostState, State

REBOOT = 133  # how systemd-nspawn ends when its host asked for a reboot
# How the harness shuts a host down: systemd's own signal for it.
HALT = "SIGRTMIN+3"
SETTINGS = "/run/kernel-settings"  # where the host's init finds them
NSPAWN = [
    "systemd-nspawn",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--settings=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--suppress-sync=yes",  # the machine's page cache outlives the host, so that a power cut loses nothing anyway
    "--console=read-only",
    f"--kill-signal={HALT}",
    "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE,CAP_IPC_LOCK",
]
NSPAWN_ENV = {
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # the settings in /proc/sys/net, which each host has of its own
}


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True)


class Supervisor:
    def __init__(self, folder: Path) -> None:
        self.host = HostState.load(folder)
        self.state = State.load(folder.parents[1])
        self.root = folder / "root"
        self.nspawn: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def run(self) -> None:
        (self.state.group / self.host.name).make().join()
        signal.signal(signal.SIGTERM, self.stop)
        with in_use(Path(self.host.rootfs)).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            unshare(NEW_MOUNTS)
            self.mount()
            self.seed()
            self.plug_in()
            while not self.stopping and self.boot() == REBOOT:
                self.renew_network()

    def stop(self, *_: object) -> None:
        self.stopping = True
        if self.nspawn is not None:
            self.nspawn.terminate()

    def mount(self) -> None:
        """The base below, the host's own disk above it."""
        run("mount", "--make-rprivate", "/")
        Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/systemd/nspawn")
        # After a power cut the kernel may still be busy with the last mount: two of them would ruin the file system.
        if not wait_until(lambda: not loops(self.host.disk), 20):
            sys.exit(f"{self.host.disk} is still mounted")
        disk = self.host.folder / "disk"
        for folder in (disk, self.root):
            folder.mkdir(exist_ok=True)
        run("mount", "-o", "loop,noatime,discard", self.host.disk, disk)
        for folder in (disk / "upper", disk / "work"):
            folder.mkdir(exist_ok=True)
        layers = f"lowerdir={self.host.rootfs},upperdir={disk / 'upper'},workdir={disk / 'work'}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)

    def seed(self) -> None:
        """Make it this host, when it starts for the first time."""
        done = self.host.folder / "seeded"
        if done.exists():
            return
        etc = self.root / "etc"
        (etc / "hostname").write_text(f"{self.host.name}\n")
        names = [(self.state.address(CONTROLLER), "controller")]
        names += [(self.state.address(host.place), host.name) for host in self.state.hosts()]
        (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address, name in names))
        proxy = f'Acquire::http::Proxy "http://{self.state.address(CONTROLLER)}:{PORT}";\n'
        (etc / "apt/apt.conf.d/90test-host-proxy").write_text(proxy)
        for key in self.host.folder.glob("ssh_host_*"):
            shutil.copy(key, etc / "ssh")
        home = self.root / "home" / USER
        owner = home.stat()
        (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.state.key.with_suffix(".pub"), home / ".ssh/authorized_keys")
        for path in (home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)
        done.touch()

    def plug_in(self) -> None:
        """Lay the cable: one end into a network namespace of our own, the other into the switch."""
        unshare(NEW_NETWORK)
        switch = f"--net={Network(self.state).namespace}"
        place = self.host.place
        end = ["peer", "name", CABLE, "address", mac(place), "netns", str(os.getpid())]
        run("nsenter", switch, "ip", "link", "add", port(place), "type", "veth", *end)
        run("nsenter", switch, "ip", "link", "set", port(place), "master", BRIDGE, "up")
        self.configure()

    def renew_network(self) -> None:
        """Take the cable into a new namespace, as its settings do not outlast a reboot either."""
        old = os.open(OWN_NETWORK, os.O_RDONLY)
        try:
            unshare(NEW_NETWORK)
            enter = f"--net=/proc/{os.getpid()}/fd/{old}"
            run("nsenter", enter, "ip", "link", "set", CABLE, "netns", str(os.getpid()))
        finally:
            os.close(old)
        self.configure()

    def configure(self) -> None:
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{self.state.address(self.host.place)}/24", "dev", CABLE)
        run("ip", "link", "set", CABLE, "up")
        run("ip", "route", "add", "default", "via", self.state.address(CONTROLLER))

    def boot(self) -> int:
        """Run the host until it halts or asks for a reboot; systemd-nspawn's exit code."""
        network = f"--network-namespace-path=/proc/{os.getpid()}/ns/net"
        settings = self.host.folder / "settings"
        copy_settings(settings)
        keep_settings(settings)
        host = [f"--machine={self.host.name}", f"--directory={self.root}", f"--bind={settings}:{SETTINGS}", network]
        self.nspawn = subprocess.Popen([*NSPAWN, *host, "/usr/sbin/test-host-init"], env={**os.environ, **NSPAWN_ENV})
        if self.stopping:  # asked just before there was anything to stop
            self.nspawn.terminate()
        return self.nspawn.wait()


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
