"""What a running server says of itself. Pure: INFO and answers to CONFIG GET in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Asked for whatever the engine; Dragonfly leaves the first two unanswered.
CONFIG_NAMES = ("save", "appendonly", "dbfilename")


def observed(engine: str, info: Mapping[str, str], config: Mapping[str, str | None]) -> dict[str, Any]:
    """What runs: `pid`, `keys` (how many it holds), `clients` (other than the one that asks), `memory` and `used`
    (bytes), `persistence` as a specification says, and `version`, None when the server does not say that it is one of
    that engine.

    info: fields of INFO. config: answers to CONFIG GET by CONFIG_NAMES, None for a name that the server does not know.
    """
    return {
        "pid": int(info["process_id"]),
        "keys": sum(_keys(value) for field, value in info.items() if re.fullmatch(r"db\d+", field)),
        "clients": int(info["connected_clients"]) - 1,
        "memory": int(info["maxmemory"]),
        "used": int(info["used_memory"]),
        "persistence": _persistence(config),
        "version": _version(engine, info),
    }


def _version(engine: str, info: Mapping[str, str]) -> str | None:
    version = info.get(f"{engine}_version")
    return version[len("df-v") :] if version and engine == "dragonfly" else version


def _keys(statistics: str) -> int:
    match = re.match(r"keys=(\d+)", statistics)
    return int(match.group(1)) if match else 0


def _persistence(config: Mapping[str, str | None]) -> str:
    if config.get("appendonly") == "yes":
        return "aof"
    # Dragonfly has no `save`: it keeps snapshots exactly when they have a file name.
    save = config.get("save")
    return "snapshot" if (config.get("dbfilename") if save is None else save) else "none"
