"""What a running server says of itself, in the words of a specification. Pure: INFO and CONFIG GET in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.store_redis import POLICIES

# Words of a specification -> CONFIG GET. All three engines know these names; Dragonfly answers one as tcp_keepalive.
_CONFIG = {
    "databases": "databases",
    "max_clients": "maxclients",
    "keepalive": "tcp-keepalive",
    "idle_timeout": "timeout",
}
# Asked for as well; Dragonfly leaves save, appendonly and io-threads unanswered.
CONFIG_NAMES = (*_CONFIG.values(), "save", "appendonly", "dbfilename", "io-threads")

# What INFO says of Dragonfly's cache_mode, which is nearest to lru.
_EVICTIONS = {**{policy: eviction for eviction, policy in POLICIES.items()}, "eviction": "lru"}


def observed(info: Mapping[str, str], config: Mapping[str, str]) -> dict[str, Any]:
    """What runs: the keys of a specification that the server tells, with `pid` and `keys` (how many it holds).

    info: fields of INFO. config: answers to CONFIG GET, by the names asked for.
    """
    state: dict[str, Any] = {
        "pid": int(info["process_id"]),
        "keys": sum(_keys(value) for field, value in info.items() if re.fullmatch(r"db\d+", field)),
        "port": int(info["tcp_port"]),
        "memory": int(info["maxmemory"]),
        "eviction": _EVICTIONS.get(info["maxmemory_policy"], info["maxmemory_policy"]),
        "persistence": _persistence(config),
    }
    state.update({key: int(config[name]) for key, name in _CONFIG.items() if name in config})
    threads = info.get("thread_count") or config.get("io-threads")
    if threads:
        state["threads"] = int(threads)
    return state


def drift(declared: Mapping[str, Any], running: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Keys whose running value is not the declared one: key -> {declared, running}. What a server hides is left out."""
    return {
        key: {"declared": value, "running": running[key]}
        for key, value in declared.items()
        if key in running and running[key] != value
    }


def _keys(statistics: str) -> int:
    match = re.match(r"keys=(\d+)", statistics)
    return int(match.group(1)) if match else 0


def _persistence(config: Mapping[str, str]) -> str:
    if config.get("appendonly") == "yes":
        return "aof"
    # Dragonfly has no `save`: it keeps snapshots exactly when they have a file name.
    return "snapshot" if config.get("save", config.get("dbfilename")) else "none"
