"""Whether test hosts can be made on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.fleet.hosts.cgroups import own_groups
from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.releases import RELEASES, find_mirrors, machine_mirrors

PACKAGES = {  # command -> the Debian package that has it
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "tc": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "mount": "mount",
}


@cache
def reason_not_possible(release: str = "debian-12") -> str | None:
    """Why this machine cannot make hosts of that release, and what would help; None if it can."""
    if release not in RELEASES:
        return f"{release} is none of the releases {', '.join(RELEASES)}"
    if sys.platform != "linux":
        return "test hosts need Linux"
    if os.geteuid() != 0:
        return "test hosts need root"
    missing = sorted({package for command, package in PACKAGES.items() if not shutil.which(command)})
    if missing:
        return f"test hosts need packages: apt-get install --no-install-recommends {' '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True).returncode:
        return "this machine lets no one make namespaces (unshare --mount --net)"
    if not Path("/dev/loop-control").exists():
        return "this machine has no loop devices (/dev/loop-control)"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "this machine's kernel has no overlay file system"
    try:
        unified = own_groups()[0]
    except HostsError as error:
        return str(error)
    if not os.access(unified, os.W_OK):
        return f"the cgroup {unified} cannot be written to"
    if not machine_mirrors():
        return "this machine's apt sources name no mirror of Debian's or Ubuntu's"
    absent = set(RELEASES[release].suites) - set(find_mirrors(RELEASES[release]))
    if absent:
        return (
            f"{release} is not to be had from {', '.join(machine_mirrors())}: no /{', /'.join(sorted(absent))} with it"
        )
    return None
