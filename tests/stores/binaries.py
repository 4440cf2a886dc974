"""Servers of other versions than the machine has, kept in .benchfly; a test is skipped where one cannot be had."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from demo.standin.environment import DEFAULT_FOLDER, redis_server_of_package

from benchfly.errors import RefusedError

STANDIN = Path(__file__).parents[1] / "standins/dragonfly"
_FOLDER = DEFAULT_FOLDER.parent / "servers"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Release of Debian -> where it has Valkey 8.
_SUITES = {"bookworm": "bookworm-backports", "trixie": "trixie"}


def redis_6_2() -> str:
    """redis-server 6.2, out of a Python package."""
    try:
        return str(redis_server_of_package())
    except RefusedError as error:
        pytest.skip(f"no redis-server 6.2: {error}")


def valkey_8() -> str:
    """valkey-server: what is on PATH, else Debian's package, unpacked and not installed."""
    found = shutil.which("valkey-server")
    if found:
        return found
    folder = _FOLDER / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = folder / "unpacked/usr/bin/valkey-server"
        if not server.exists():
            _unpack_valkey(folder, server)
    return str(server)


def dragonfly() -> tuple[str, str]:
    """A Dragonfly and what tables call it: the binary that DRAGONFLY names, else what stands in for one."""
    given = os.environ.get("DRAGONFLY") or shutil.which("dragonfly")
    return (given, "Dragonfly") if given else (str(STANDIN), "Dragonfly (stand-in)")


def _unpack_valkey(folder: Path, server: Path) -> None:
    suite, mirror = _SUITES.get(_release("VERSION_CODENAME")), _mirror()
    if not (suite and mirror and _KEYRING.exists()):
        pytest.skip("no valkey-server on PATH, and no Debian 12 or 13 here whose package could be taken")
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    own = {"Dir::Etc::SourceList": "sources.list", "Dir::State::Lists": "lists", "Dir::Cache": "cache"}
    options = [f"-o{key}={folder / value}" for key, value in own.items()]
    options += ["-oDir::Etc::SourceParts=/dev/null", "-oAcquire::Languages=none", "-oAcquire::Check-Valid-Until=false"]
    options += ["-oAPT::Sandbox::User=root"]
    for command in (["update"], ["download", "valkey-tools"]):
        done = subprocess.run(
            ["apt-get", "-qq", *options, *command], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            pytest.skip(f"valkey-tools cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    package = next(folder.glob("valkey-tools_*.deb"))
    subprocess.run(["dpkg-deb", "--extract", package, folder / "unpacked"], check=True)
    server.symlink_to("valkey-check-rdb")  # which is the server under another name
    if subprocess.run([server, "--version"], capture_output=True, check=False).returncode:
        server.unlink()
        pytest.skip("Debian's valkey-server does not run here; its libraries may be missing")


def _release(key: str) -> str:
    text = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    found = re.search(rf'^{key}="?([^"\n]*)', text, re.MULTILINE)
    return found.group(1) if found else ""


def _mirror() -> str:
    """Where this machine has its own packages of Debian from."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for file in files:
        found = re.search(r"https?://\S*/debian\b(?=\s)", file.read_text()) if file.is_file() else None
        if found:
            return found.group(0)
    return ""
