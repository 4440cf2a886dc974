"""The one specification of a store: how what an inventory says becomes a StoreSpec.

The words (store_keys) are the same for Redis, Valkey and Dragonfly; store_redis and store_dragonfly translate them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import (
    DRAGONFLY_BYTES_PER_THREAD,
    KEYS,
    LISTPACK_ENTRIES,
    SECRET_KEYS,
    Key,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import MIB as MIB
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import closest as closest
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import cpus_in

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
class StoreSpec:
    """A store, complete and checked. Sizes are bytes, times seconds; what is absent is None."""

    name: str
    engine: str
    purpose: str
    port: int
    memory: int
    eviction: str
    eviction_samples: int | None
    listpack_value: int | None
    listpack_entries: int | None
    persistence: str
    max_loss: int | None
    bind: str
    protected_mode: bool
    address: str | None
    password: str | None = field(repr=False)
    acl: Mapping[str, str] | None = field(repr=False)
    tls_cert_file: str | None
    tls_key_file: str | None
    threads: int
    hz: int | None
    active_defrag: bool | None
    cpus: str | None
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
        """A problem with one of its keys; the value of a secret one is not in it."""
        value = None if key in SECRET_KEYS else getattr(self, key)
        return Problem(f"{self.name}.{key}", value, reason, remedy)


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
    for key in KEYS:
        if key.name not in values:
            values[key.name] = _default(key, values)
    return StoreSpec(name, **values)


def _default(key: Key, values: Mapping[str, Any]) -> Any:
    """The default of a key, which fits whatever else was given."""
    default = key.default_for(values["engine"], values["purpose"])
    if key.name == "eviction_samples" and values["eviction"] == "none":
        return None
    if key.name == "max_loss":
        return _MAX_LOSS[values["persistence"]]
    if key.name == "listpack_entries" and values["listpack_value"] is not None:
        return LISTPACK_ENTRIES
    if key.name == "threads":
        by_memory = values["memory"] // DRAGONFLY_BYTES_PER_THREAD if values["engine"] == "dragonfly" else default
        by_cpus = len(cpus_in(values["cpus"])) if values.get("cpus") else default
        return max(1, min(default, by_memory, by_cpus))
    return default


def _contradictions(spec: StoreSpec) -> list[Problem]:
    """What no engine could make good."""
    problems = []
    if spec.purpose == "queue" and spec.eviction != "none":
        problems.append(spec.problem("eviction", "would throw jobs away in a queue store", "Leave it out, or say none"))
    if spec.purpose == "cache" and spec.eviction == "none":
        reason = "would make every request fail once the cache is full"
        problems.append(spec.problem("eviction", reason, "Leave it out, or say lru"))
    if spec.eviction == "none" and spec.eviction_samples is not None:
        problems.append(spec.problem("eviction_samples", "has no meaning with eviction none", "Leave it out"))
    if spec.persistence == "none" and spec.max_loss is not None:
        problems.append(spec.problem("max_loss", "has no meaning with persistence none", "Leave it out"))
    if spec.listpack_value is None and spec.listpack_entries is not None:
        problems.append(spec.problem("listpack_entries", "has no meaning without listpack_value", "Give that as well"))
    if spec.password is None and not is_loopback(spec.bind):
        reason, remedy = "can be reached from other hosts without a password", ""
        if spec.protected_mode:
            remedy = "Give the store a password, or bind it to 127.0.0.1"
        elif ipaddress.ip_address(spec.bind).is_unspecified:
            remedy = "Give the store a password, or bind it to one address"
        if remedy:
            problems.append(spec.problem("bind", reason, remedy))
    if spec.acl and "default" in spec.acl:
        reason = "has rules for default, as whom Frappe's realtime and benchfly itself come"
        problems.append(spec.problem("acl", reason, "Take default out; its password is the key password"))
    if (spec.tls_cert_file is None) != (spec.tls_key_file is None):
        missing = "tls_cert_file" if spec.tls_cert_file is None else "tls_key_file"
        problems.append(spec.problem(missing, "is missing, and the other file of TLS is given", "Give both, or none"))
    if spec.cpus and spec.threads > len(cpus_in(spec.cpus)):
        reason = f"are more than the CPUs in cpus, {spec.cpus}"
        problems.append(spec.problem("threads", reason, "Give the store a CPU for each thread, or fewer threads"))
    return problems
