"""The one specification of a store: its keys, and how what an inventory says becomes a StoreSpec.

The words are the same for Redis, Valkey and Dragonfly; store_redis and store_dragonfly translate them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.store_values import MIB as MIB
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import Address, Choice, Integer, Size, Text
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import closest as closest

ENGINES = ("redis", "valkey", "dragonfly")
PURPOSES = ("cache", "queue")
EVICTIONS = ("lru", "lfu", "random", "none", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
PERSISTENCES = ("none", "aof", "snapshot")

# Dragonfly refuses to start with less (its own flag --maxmemory says so).
DRAGONFLY_BYTES_PER_THREAD = 256 * MIB

# Seconds of writes that a crash may cost unless `max_loss` says otherwise.
_MAX_LOSS = {"none": None, "aof": 1, "snapshot": 60}

# It becomes a folder, a file and a program name.
_STORE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a specification. `key` is dotted (`shop-queue.eviction`); `value` never shows a password."""

    key: str
    value: object
    reason: str
    remedy: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {self.value!r}"
        return f"{self.key}:{shown} {self.reason}. {self.remedy}."


class SpecError(ValueError):
    """A specification is wrong; `problems` has every one that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class Key:
    """One key of a specification. `default` is one for all, or one by purpose, or by `<purpose> on <engine>`."""

    name: str
    type: Choice | Integer | Size | Address | Text
    default: object
    meaning: str
    required: bool = False
    secret: bool = False

    def default_for(self, engine: str, purpose: str) -> object:
        if not isinstance(self.default, dict):
            return self.default
        return self.default.get(f"{purpose} on {engine}", self.default[purpose])


_EVICTION_NAMES = {"noeviction": "none", "allkeys-lru": "lru", "allkeys-lfu": "lfu", "allkeys-random": "random"}
_PERSISTENCE_NAMES = {"rdb": "snapshot", "save": "snapshot", "appendonly": "aof", "false": "none", "true": "snapshot"}

KEYS = (
    Key("engine", Choice(ENGINES), None, "Which server runs", required=True),
    Key("purpose", Choice(PURPOSES), None, "What the bench keeps in it: its cache, or its queues", required=True),
    Key("port", Integer(1, 65535), None, "TCP port", required=True),
    Key("memory", Size(), None, "Most memory the data may take", required=True),
    Key(
        "eviction",
        Choice(EVICTIONS, _EVICTION_NAMES),
        {"cache": "lru", "queue": "none"},
        "Which keys go when memory is full. volatile-* takes only keys that expire",
    ),
    Key(
        "persistence",
        Choice(PERSISTENCES, _PERSISTENCE_NAMES),
        {"cache": "none", "queue": "aof", "queue on dragonfly": "snapshot"},
        "How data outlives the process: an append-only file, or snapshots",
    ),
    Key(
        "max_loss",
        Integer(0, 86400, "seconds"),
        None,
        "Seconds of writes a crash may cost; by default 1 with aof and 60 with snapshot",
    ),
    Key("bind", Address(), "127.0.0.1", "Address it listens on. Beyond loopback it needs a password"),
    Key(
        "address",
        Text("a host name or an IP address", r"[A-Za-z0-9.:_-]+", "10.0.0.5"),
        None,
        "How benches reach it; by default ansible_host, and 127.0.0.1 on a local connection",
    ),
    Key(
        "password",
        Text(
            "a password of printable ASCII without blanks, quotes and backslashes",
            example="what pwgen -s 32 1 prints",
        ),
        None,
        "What clients must present",
        secret=True,
    ),
    # One big hash per site lives on one thread, so more of them seldom help a Frappe cache.
    Key(
        "threads",
        Integer(1, 128),
        {"cache": 1, "cache on dragonfly": 2, "queue": 1},
        "Threads that serve clients; Dragonfly needs 256mb of memory for each",
    ),
    Key("databases", Integer(1, 1024), 16, "Numbered databases; Frappe uses number 0"),
    # Fits below 4096 open files, the kernel's own hard limit.
    Key("max_clients", Integer(1, 1000000), 4000, "Most connections at a time"),
    # A worker's host that vanished would otherwise be handed a job for hours.
    Key("keepalive", Integer(1, 7200, "seconds"), 60, "Silence after which TCP asks whether the client is still there"),
    # Frappe's processes and RQ's workers hold theirs for days.
    Key("idle_timeout", Integer(0, 604800, "seconds"), 0, "Silence after which a client is put out; 0 is never"),
    Key("backlog", Integer(1, 65535), 511, "Connections that may wait to be accepted"),
)


@dataclass(frozen=True)
class StoreSpec:
    """A store, complete and checked. Sizes are bytes, times seconds; what is absent is None."""

    name: str
    engine: str
    purpose: str
    port: int
    memory: int
    eviction: str
    persistence: str
    max_loss: int | None
    bind: str
    address: str | None
    password: str | None = field(repr=False)
    threads: int
    databases: int
    max_clients: int
    keepalive: int
    idle_timeout: int
    backlog: int

    @property
    def mapping(self) -> dict[str, Any]:
        """The specification as an inventory would say it; `parse` of it gives the same StoreSpec."""
        return {key.name: getattr(self, key.name) for key in fields(self) if key.name != "name"}

    def problem(self, key: str, reason: str, remedy: str) -> Problem:
        """A problem with one of its keys."""
        return Problem(f"{self.name}.{key}", getattr(self, key, None), reason, remedy)


def parse(name: str, given: Mapping[str, object]) -> StoreSpec:
    """The store `name` as specified, with defaults for its purpose. Raises SpecError with all that is wrong."""
    if not _STORE_NAME.fullmatch(name):
        remedy = "Use up to 63 letters, digits, _ and -, the first a letter or digit"
        raise SpecError([Problem(name, None, "cannot be the name of a store", remedy)])
    if not isinstance(given, Mapping):
        raise SpecError([Problem(name, None, "is not a mapping of keys", "Indent its keys below its name")])
    problems = [_unknown(name, key) for key in given if key not in {known.name for known in KEYS}]
    values: dict[str, Any] = {}
    for key in KEYS:
        value = given.get(key.name)
        if value is None:
            if key.required:
                problems.append(Problem(f"{name}.{key.name}", None, "is missing", f"Give {key.type.text}"))
            continue
        try:
            values[key.name] = key.type.read(value)
        except ValueError:
            shown = None if key.secret else value
            remedy = key.type.remedy(value)
            problems.append(Problem(f"{name}.{key.name}", shown, f"is not {key.type.text}", remedy))
    if problems:
        raise SpecError(problems)
    spec = _complete(name, values)
    problems = list(_contradictions(spec))
    if problems:
        raise SpecError(problems)
    return spec


def parse_all(given: Mapping[str, Mapping[str, object]]) -> dict[str, StoreSpec]:
    """Every store of a mapping name -> specification. Raises SpecError with all that is wrong in any of them."""
    specs, problems = {}, []
    for name, specification in given.items():
        try:
            specs[name] = parse(name, specification)
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return specs


def is_loopback(bind: str) -> bool:
    """Whether only processes of the same host can reach that address."""
    return ipaddress.ip_address(bind).is_loopback


def _unknown(name: str, key: str) -> Problem:
    names = [known.name for known in KEYS]
    near = closest(str(key), names)
    remedy = f"Did you mean {near}" if near else f"Known keys are {', '.join(names)}"
    return Problem(f"{name}.{key}", None, "is no key of a store", remedy)


def _complete(name: str, values: dict[str, Any]) -> StoreSpec:
    engine, purpose = values["engine"], values["purpose"]
    for key in KEYS:
        if key.name not in values:
            values[key.name] = key.default_for(engine, purpose)
            if key.name == "threads" and engine == "dragonfly":  # a default must fit any memory
                values["threads"] = max(1, min(values["threads"], values["memory"] // DRAGONFLY_BYTES_PER_THREAD))
    if values["max_loss"] is None:
        values["max_loss"] = _MAX_LOSS[values["persistence"]]
    return StoreSpec(name, **values)


def _contradictions(spec: StoreSpec) -> list[Problem]:
    """What no engine could make good."""
    problems = []
    if spec.purpose == "queue" and spec.eviction != "none":
        problems.append(spec.problem("eviction", "would throw jobs away in a queue store", "Leave it out, or say none"))
    if spec.purpose == "cache" and spec.eviction == "none":
        reason = "would make every request fail once the cache is full"
        problems.append(spec.problem("eviction", reason, "Leave it out, or say lru"))
    if spec.persistence == "none" and spec.max_loss is not None:
        problems.append(spec.problem("max_loss", "has no meaning with persistence none", "Leave it out"))
    if spec.password is None and not is_loopback(spec.bind):
        reason = "can be reached from other hosts without a password"
        problems.append(spec.problem("bind", reason, "Give the store a password, or bind it to 127.0.0.1"))
    return problems
