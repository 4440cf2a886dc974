"""Servers of several versions for test hosts, packed on this machine as their releases are."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.store_version import BINARIES
from tests.fleet.hosts import Host
from tests.stores.binaries import Binary, release

TESTS = Path(__file__).parents[1]
# What the stand-in for Dragonfly consists of; its parts find each other by where they are.
STAND_IN = ("standins/dragonfly", "standins/dragonfly_answers.py", "data/dragonfly/helpfull.txt")


def archive(folder: Path, engine: str, server: Binary) -> dict[str, str]:
    """A release as a tar file in the folder, and the variables that ask for it."""
    return pack(folder, engine, server.version, {f"bin/{BINARIES[engine]}": server.path.read_bytes()})


def stand_in(folder: Path, version: str) -> dict[str, str]:
    """The same of the stand-in for Dragonfly, which then says that it stands in for that version."""
    files = {name: (TESTS / name).read_bytes() for name in STAND_IN}
    return pack(folder, "dragonfly", version, {**files, "standins/version": version.encode()})


def real_dragonfly(folder: Path, path: str) -> dict[str, str]:
    """The same of a Dragonfly of this machine."""
    return archive(folder, "dragonfly", Binary(release(Path(path), "dragonfly"), Path(path)))


def pack(folder: Path, engine: str, version: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """A tar file of these programs, by their paths in it, and the variables that ask for it."""
    path = folder / f"{engine}-{version}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{engine}-{version}/{name}")
            member.size, member.mode, member.uid = len(content), 0o755, 1000
            tar.addfile(member, io.BytesIO(content))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    said = {"install": "archive", "version": version, "url": str(path), "sha256": sha256}
    return {f"{engine}_{name}": value for name, value in said.items()}


def put(host: Host, program: Path, path: str) -> None:
    """Copy a program to the host."""
    command = host.exec_command(["sh", "-c", 'mkdir -p "${1%/*}" && cat > "$1" && chmod 755 "$1"', "sh", path])
    with program.open("rb") as source:
        subprocess.run(command, stdin=source, check=True)
