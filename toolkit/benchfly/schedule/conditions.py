"""What may explain a change between two runs: versions, settings, hosts, and the commit of the inventory."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchfly.benchmark import Benchmark
from benchfly.benchmark.environment import HOST_FIELDS

_SECONDS = 10  # for git, which has a file or two to read
# Another boot is no other host, yet it may be another placement of memory, or another mitigation.
_OF_A_HOST = (*HOST_FIELDS, "boot_id")


def conditions(benchmark: Benchmark, inventory: Path) -> dict[str, str]:
    """What -> its value, as text; `hz of shop-cache` -> `10`."""
    found = {"benchfly": version("benchfly"), "load generator": f"{benchmark.generator} {benchmark.version}"}
    if commit := inventory_commit(inventory):
        found["commit of the inventory"] = commit
    for host, environment in benchmark.environments.items():
        found |= {f"{name} of {host}": str(environment[name]) for name in _OF_A_HOST if environment.get(name)}
    for server in benchmark.stores:
        found[f"version of {server.name}"] = f"{server.engine} {server.version}"
        found[f"address of {server.name}"] = server.at
        found |= {f"{name} of {server.name}": value for name, value in server.settings.items()}
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is not the same, each in a line: `hz of shop-cache: 10 -> 500`."""
    names = dict.fromkeys((*before, *after))
    return [
        f"{name}: {before.get(name) or 'none'} -> {after.get(name) or 'none'}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def inventory_commit(inventory: Path) -> str:
    """The commit that the inventory is at, and its subject; empty where it is in no repository of git."""
    folder = inventory if inventory.is_dir() else inventory.parent
    if shutil.which("git") is None or not folder.is_dir():
        return ""
    git = ["git", "-C", str(folder)]
    last = _output([*git, "log", "-1", "--format=%h (%s)", "--", "."])
    if not last:
        return ""
    return last + (", with changes on top" if _output([*git, "status", "--porcelain", "--", "."]) else "")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else ""
