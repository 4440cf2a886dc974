"""Which server a binary is: its own words for its version, and what is asked of one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem, StoreSpec

BINARIES = {"redis": "redis-server", "valkey": "valkey-server", "dragonfly": "dragonfly"}

_BANNERS = {
    "redis": re.compile(r"Redis server v=(\S+)"),
    "valkey": re.compile(r"^(?:Valkey s|S)erver v=(\S+)"),  # 7.2 leaves out its name
    # Builds between releases end in the commit twice, short and in full.
    "dragonfly": re.compile(r"dragonfly v(\S+?)(?:-[0-9a-f]{40})?(?:\s|$)"),
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def version_in(banner: str, engine: str) -> str | None:
    """The version in what `<binary> --version` printed, or None when it is not that engine."""
    match = _BANNERS[engine].search(_COLOURS.sub("", banner))
    return match.group(1) if match else None


def server_in(info: Mapping[str, str]) -> dict[str, str]:
    """Which engine answers, and its version, in the fields of INFO: `{engine, version}`."""
    if "dragonfly_version" in info:
        return {"engine": "dragonfly", "version": str(info["dragonfly_version"]).replace("df-v", "")}
    if "valkey_version" in info:
        return {"engine": "valkey", "version": str(info["valkey_version"])}
    return {"engine": "redis", "version": str(info["redis_version"])}


def at_least(spec: StoreSpec, version: str, minimum: str) -> list[Problem]:
    """A problem with the engine when its version is older than `minimum`."""
    if numbers(version) >= numbers(minimum):
        return []
    return [spec.problem("engine", f"{version} is too old", f"Install {minimum} or newer")]


def numbers(version: str) -> list[int]:
    """What versions are compared by: 7.0.15 is [7, 0, 15], whatever follows."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return [int(number) for number in match.group().split(".")] if match else []
