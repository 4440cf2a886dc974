"""Settings of a store three ways: as declared, as on disk, as the server runs. Pure: texts and answers in, rows out.

A setting has the name that its engine gives it (`maxmemory`, `cache_mode`), since that is what an operator looks up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# What it takes to have a setting run as declared: CONFIG SET, a restart, or only the file, since it does already.
LIVE = "live"
RESTART = "restart"
FILE = "file"

# Taken by CONFIG SET while the server runs; whatever is not here waits for a restart. Redis and Valkey could also
# change bind and port, which would cut off the very clients that are to notice nothing.
_LIVE_REDIS = frozenset(
    {
        "activedefrag",
        "appendfsync",
        "auto-aof-rewrite-min-size",
        "auto-aof-rewrite-percentage",
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "hash-max-ziplist-entries",
        "hash-max-ziplist-value",
        "hz",
        "lazyfree-lazy-eviction",
        "lazyfree-lazy-expire",
        "lazyfree-lazy-server-del",
        "lazyfree-lazy-user-del",
        "lazyfree-lazy-user-flush",
        "maxclients",
        "maxmemory",
        "maxmemory-policy",
        "maxmemory-samples",
        "no-appendfsync-on-rewrite",
        "save",
        "tcp-keepalive",
        "timeout",
    }
)
_LIVE_DRAGONFLY = frozenset(
    {"lua_undeclared_keys_shas", "maxclients", "maxmemory", "snapshot_cron", "tcp_keepalive", "timeout"}
)
LIVE_SETTINGS = {"redis": _LIVE_REDIS, "valkey": _LIVE_REDIS, "dragonfly": _LIVE_DRAGONFLY}

# What CONFIG GET does not tell in the words of the file: other files, and paths that the server makes absolute.
_NOT_TOLD = frozenset({"include", "dir", "aclfile", "dbfilename"})
# Dragonfly answers CONFIG GET only for what CONFIG SET takes; INFO tells three more.
_INFO_DRAGONFLY = {"port": "tcp_port", "proactor_threads": "thread_count"}
_SIZE = re.compile(r"(\d+)([kmg]?)b?")
_CACHE_MODE = {"eviction": "true", "noeviction": "false"}


@dataclass(frozen=True)
class Setting:
    """One setting that is not the same three ways; None is absent, or unknown since the store does not run."""

    name: str
    declared: str | None
    on_disk: str | None
    running: str | None
    change: str  # LIVE, RESTART or FILE


def read(text: str, engine: str) -> dict[str, str]:
    """Settings of a configuration file: redis.conf, valkey.conf or a flag file of Dragonfly."""
    settings = {}
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if engine == "dragonfly":
            name, _, value = words.lstrip("-").partition("=")
        else:
            name, _, value = words.partition(" ")
            value = _unquoted(value.strip())
        settings[name] = value
    return settings


def asked(engine: str, names: Iterable[str]) -> dict[str, str]:
    """Settings that CONFIG GET tells of the engine -> the name to ask for (and to set)."""
    if engine != "dragonfly":
        return {name: name for name in names if name not in _NOT_TOLD}
    # Dragonfly takes - for _, and so do the names that Redis shares with it.
    return {name: name.replace("_", "-") for name in names if name in _LIVE_DRAGONFLY}


def running(
    engine: str, started: Mapping[str, str], answers: Mapping[str, str | None], info: Mapping[str, str]
) -> dict[str, str]:
    """What runs: what the server was started with, overruled by what it says of itself.

    started: settings of the copy it was started on. answers: setting -> CONFIG GET, None when it did not know.
    """
    found = dict(started)
    found.update({name: value for name, value in answers.items() if value is not None})
    if engine == "dragonfly":
        found.update({name: info[field] for name, field in _INFO_DRAGONFLY.items() if field in info})
        mode = _CACHE_MODE.get(info.get("maxmemory_policy", ""))
        if mode:
            found["cache_mode"] = mode
    return found


def compare(
    engine: str, declared: Mapping[str, str], on_disk: Mapping[str, str], runs: Mapping[str, str] | None
) -> list[Setting]:
    """Settings that are not the same three ways, by name. `runs` is None when the store does not run."""
    rows = []
    for name in sorted({*declared, *on_disk, *(runs or {})} - _NOT_TOLD):
        values = declared.get(name), on_disk.get(name), (runs or {}).get(name)
        if values[0] is None and values[1] is None:
            continue
        if runs is None or _same(values[0], values[2]):
            if not _same(values[0], values[1]):
                rows.append(Setting(name, *values, change=FILE))
        else:
            rows.append(Setting(name, *values, change=_change(engine, name, values[0])))
    return rows


def _change(engine: str, name: str, declared: str | None) -> str:
    """How to make it run as declared; what is no longer declared has to fall back to the engine's own default."""
    return LIVE if declared is not None and name in LIVE_SETTINGS[engine] else RESTART


def _same(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and _bytes(one) == _bytes(other))


def _bytes(value: str) -> int | str:
    """A size in bytes, since a server answers 67108864 where its file says 64mb; else the text as it is."""
    match = _SIZE.fullmatch(value.lower())
    return int(match.group(1)) * 1024 ** " kmg".index(match.group(2) or " ") if match else value


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
