"""Which Linux releases a host can be, and where this machine gets their packages from."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

APT = Path("/etc/apt")
KEYRINGS = Path("usr/share/keyrings")


@dataclass(frozen=True, eq=False)  # each is one of a kind
class Release:
    """A release of a distribution: its suites by the mirror's folder they lie in, and what signs them."""

    name: str
    suites: Mapping[str, tuple[str, ...]]
    components: str
    keyring: str
    packages: str = ""  # beyond what every host has

    @property
    def codename(self) -> str:
        return next(iter(self.suites.values()))[0]

    def sources(self, mirrors: dict[str, str], options: str = "") -> str:
        """The lines of a sources.list; the mirrors as find_mirrors gives them, by plain http through the proxy."""
        return "".join(
            f"deb {options}{re.sub('^https:', 'http:', mirrors[folder])} {suite} {self.components}\n"
            for folder, suites in self.suites.items()
            for suite in suites
        )


def _debian(name: str, codename: str, packages: str = "") -> Release:
    suites = {"debian": (codename, f"{codename}-updates"), "debian-security": (f"{codename}-security",)}
    return Release(name, suites, "main", "debian-archive-keyring.gpg", packages)


def _ubuntu(name: str, codename: str) -> Release:
    suites = {"ubuntu": (codename, f"{codename}-updates", f"{codename}-security")}
    return Release(name, suites, "main universe", "ubuntu-archive-keyring.gpg", "ubuntu-keyring")


# Debian 12 has no keyring of Ubuntu's, so that Debian 13 carries it for the building of the others.
UBUNTU_KEYRING_FROM = "debian-13"
RELEASES = {
    release.name: release
    for release in (
        _debian("debian-12", "bookworm"),
        _debian("debian-13", "trixie", "ubuntu-keyring"),
        _ubuntu("ubuntu-22.04", "jammy"),
        _ubuntu("ubuntu-24.04", "noble"),
    )
}


@cache
def machine_mirrors() -> dict[str, str]:
    """The servers of distribution packages in this machine's apt sources: server (with port, if any) -> scheme."""
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    mirrors = {}
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        lines = [line.partition("#")[0] for line in file.read_text().splitlines()]
        for address in re.findall(r"https?://\S+", "\n".join(lines)):
            parts = urlsplit(address)
            # Vendors' repositories hold no release of a distribution.
            if parts.path.strip("/").split("/")[-1] in {"debian", "debian-security", "ubuntu"}:
                mirrors[parts.netloc] = parts.scheme
    return mirrors


@cache
def find_mirrors(release: Release) -> dict[str, str]:
    """Folder -> address on the first of the machine's mirrors that has it: mirrors often carry several distributions.

    A folder that none of them has is absent.
    """
    found = {}
    for folder, suites in release.suites.items():
        for server, scheme in machine_mirrors().items():
            if _answers(scheme, server, f"/{folder}/dists/{suites[0]}/InRelease"):
                found[folder] = f"{scheme}://{server}/{folder}"
                break
    return found


def connect(scheme: str, server: str, timeout: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(server, timeout=timeout)


def _answers(scheme: str, server: str, path: str) -> bool:
    connection = connect(scheme, server, timeout=15)
    try:
        connection.request("HEAD", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
