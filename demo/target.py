"""Chooses the engine that the demo moves to: Dragonfly where there is one, else Valkey, else a second Redis."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchfly.errors import RefusedError


@dataclass(frozen=True)
class Target:
    """An engine, its binary, and why it was chosen."""

    engine: str  # redis | valkey | dragonfly
    binary: Path
    why: str


def choose(redis_server: Path, downloads: Path, environment: Mapping[str, str] = os.environ) -> Target:
    """The first of: $DRAGONFLY, dragonfly on PATH, $DRAGONFLY_URL with $DRAGONFLY_SHA256, valkey-server, redis-server.

    Dragonfly's releases come without checksums, so a download needs one that you pinned yourself. Raises RefusedError
    when something that was asked for cannot be had.
    """
    given = environment.get("DRAGONFLY")
    if given:
        binary = Path(given)
        if not os.access(binary, os.X_OK) or not binary.is_file():
            raise RefusedError(f"DRAGONFLY={given}: is no program. Name the dragonfly binary, or unset DRAGONFLY.")
        return Target("dragonfly", binary.resolve(), "DRAGONFLY names it")
    found = shutil.which("dragonfly")
    if found:
        return Target("dragonfly", Path(found), "dragonfly is on PATH")
    url = environment.get("DRAGONFLY_URL")
    if url:
        return Target("dragonfly", _download(url, environment.get("DRAGONFLY_SHA256", ""), downloads), f"from {url}")
    why = "no Dragonfly here (give one with DRAGONFLY=/path, or DRAGONFLY_URL and DRAGONFLY_SHA256)"
    valkey = shutil.which("valkey-server")
    if valkey:
        return Target("valkey", Path(valkey), f"{why}; valkey-server is on PATH")
    return Target("redis", redis_server, f"{why}, and no Valkey; so a second Redis")


def _download(url: str, sha256: str, folder: Path) -> Path:
    """A release archive (or a bare binary), kept by its checksum; the path of the binary in it."""
    if len(sha256) != 64:
        raise RefusedError("DRAGONFLY_URL needs DRAGONFLY_SHA256, the 64 digits that sha256sum prints of that file.")
    binary = folder / sha256 / "dragonfly"
    if binary.exists():
        return binary
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except (OSError, ValueError) as error:
        raise RefusedError(f"{url} cannot be downloaded: {error}. Is there a network?") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256.lower():
        raise RefusedError(f"{url}: its sha256 is {found}, not {sha256}. Nothing of it was used.")
    binary.parent.mkdir(parents=True, exist_ok=True)
    archive, partial = binary.with_name("download"), binary.with_name("dragonfly.part")
    archive.write_bytes(content)
    if tarfile.is_tarfile(archive):
        partial.write_bytes(_from_archive(archive, url))
        archive.unlink()
    else:
        archive.rename(partial)
    partial.chmod(0o755)
    return partial.rename(binary)


def _from_archive(archive: Path, url: str) -> bytes:
    with tarfile.open(archive) as files:
        for member in files:
            stream = files.extractfile(member) if Path(member.name).name.startswith("dragonfly") else None
            if stream is not None:
                return stream.read()
    raise RefusedError(f"{url}: the archive holds no file whose name begins with dragonfly.")
