"""The root file system that hosts of one release share, made once from the distribution's own packages."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.network import Network
from tests.fleet.hosts.proxy import PORT
from tests.fleet.hosts.releases import KEYRINGS, RELEASES, UBUNTU_KEYRING_FROM, Release, find_mirrors
from tests.fleet.hosts.state import CONTROLLER, USER

INIT = Path(__file__).with_name("init")
PACKAGES = """
apt ca-certificates dbus iproute2 iputils-ping less libpam-systemd netbase openssh-server procps python3
python3-apt sudo systemd systemd-sysv
"""
# Mirrors may be frozen at a day, or a machine's clock wrong; what the packages are is still signed.
APT = """\
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
APT::Install-Recommends "false";
"""
# What would run by itself during a test, or wants a console or devices that a host does not have.
MASKED = """
apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
motd-news.timer console-getty.service getty@.service systemd-firstboot.service systemd-remount-fs.service
"""
SSHD = "PasswordAuthentication no\nPermitRootLogin no\nUseDNS no\n"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


def base(release: Release, folder: Path, network: Network) -> Path:
    """The release's root file system below `folder`, made now unless there is one by this recipe and of this week.

    Packages come through the fleet's proxy. Takes one to two minutes when it has to be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{release.name}.lock"):
        rootfs = folder / f"{release.name}-{_recipe(release)}"
        if not rootfs.exists():
            keyring = _keyring(release, folder, network)
            partial = folder / f"{release.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _install(release, keyring, partial, network)
            _set_up(release, partial)
            partial.rename(rootfs)
            _remove_others(rootfs, release)
    return rootfs


def in_use(rootfs: Path) -> Path:
    """The file on which a running host of that base holds a shared lock."""
    return rootfs.with_name(f"{rootfs.name}.in-use")


def _recipe(release: Release) -> str:
    """Changes with anything that goes into the base, and weekly, since mirrors drop packages that have successors."""
    sources = release.sources(find_mirrors(release))
    week = date.today().isocalendar()[:2]
    recipe = [Path(__file__).read_text(), INIT.read_text(), repr(release), sources, str(week)]
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:12]


def _keyring(release: Release, folder: Path, network: Network) -> Path:
    """What the release is checked with: of this machine, or of a release that is checked in turn."""
    keyring = Path("/") / KEYRINGS / release.keyring
    if keyring.exists() or release.name == UBUNTU_KEYRING_FROM:
        return keyring
    return base(RELEASES[UBUNTU_KEYRING_FROM], folder, network) / KEYRINGS / release.keyring


def _install(release: Release, keyring: Path, rootfs: Path, network: Network) -> None:
    log = rootfs.with_suffix(".log")
    options = [f'--aptopt=Acquire::http::Proxy "http://{network.state.address(CONTROLLER)}:{PORT}"']
    options += [f"--aptopt={line}" for line in APT.splitlines()]
    options += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    build = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--keyring={keyring}", *options]
    build += ["--skip=cleanup/apt/lists", f"--include={PACKAGES} {release.packages}"]
    build += [release.codename, str(rootfs), "-"]
    # The build mounts /proc and the like: in a mount namespace of its own they go with it, whatever happens to it.
    apart = ["nice", "-n", "10", "unshare", "--mount", "--propagation", "private"]
    with log.open("w") as output:
        sources = release.sources(find_mirrors(release))
        done = subprocess.run(
            network.command([*apart, *build]), input=sources, text=True, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise HostsError(f"the base of {release.name} could not be made, see {log}")


def _set_up(release: Release, rootfs: Path) -> None:
    """What makes any of it a test host; what makes it one certain host is seeded when that first starts."""
    etc = rootfs / "etc"
    signed = f"[signed-by=/{KEYRINGS / release.keyring}] "
    for file in (etc / "apt/sources.list.d").glob("*"):
        file.unlink()
    (etc / "apt/sources.list").write_text(release.sources(find_mirrors(release), signed))
    (etc / "apt/apt.conf.d/99mmdebstrap").unlink()
    (etc / "apt/apt.conf.d/90test-host").write_text(APT)
    for file in (*(etc / "ssh").glob("ssh_host_*"), rootfs / "usr/sbin/policy-rc.d"):
        file.unlink(missing_ok=True)
    for name in ("machine-id", "resolv.conf"):
        (etc / name).unlink(missing_ok=True)
        (etc / name).touch()
    (etc / "ssh/sshd_config.d/test-host.conf").write_text(SSHD)
    for unit in MASKED.split():
        link = etc / "systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    subprocess.run(["chroot", rootfs, "useradd", "--create-home", "--shell", "/bin/bash", USER], check=True)
    sudoers = etc / "sudoers.d" / USER
    sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD:ALL\n")
    sudoers.chmod(0o440)
    shutil.copyfile(INIT, rootfs / "usr/sbin/test-host-init")
    (rootfs / "usr/sbin/test-host-init").chmod(0o755)


def _remove_others(rootfs: Path, release: Release) -> None:
    """Bases of the release by older recipes, unless a host runs on them."""
    for other in rootfs.parent.glob(f"{release.name}-*"):
        if other.is_dir() and other != rootfs:
            try:
                with _locked(in_use(other), fcntl.LOCK_NB):
                    shutil.rmtree(other)
                    in_use(other).unlink()
            except BlockingIOError:
                continue


@contextmanager
def _locked(file: Path, how: int = 0) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | how)
        yield
