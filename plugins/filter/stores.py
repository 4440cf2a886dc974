"""Filters over the variable `stores`: what is declared, checked, and in each engine's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.benchfly.stores.plugins.module_utils import (
    host_settings,
    store_capacity,
    store_dragonfly,
    store_plan,
    store_redis,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_acl import config as acl_config
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import (
    SpecError,
    StoreSpec,
    closest,
    parse_all,
)

Stores = Mapping[str, Mapping[str, Any]]
# Settings of the kernel -> what they are of a host's Capacity.
_LIMITS = {"net.core.somaxconn": "backlog", "fs.nr_open": "open_files"}


def _parsed(stores: Stores) -> dict[str, StoreSpec]:
    try:
        return parse_all(stores)
    except SpecError as error:
        raise AnsibleFilterError(str(error)) from error


def _rendered(stores: Stores, render: Callable[[StoreSpec], str]) -> dict[str, str]:
    texts, problems = {}, []
    for name, spec in _parsed(stores).items():
        try:
            texts[name] = render(spec)
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise AnsibleFilterError(str(SpecError(problems)))
    return texts


def store_engines(stores: Stores) -> list[str]:
    """Engines that the stores name, as the inventory orders them; "" where one does not say."""
    named = (spec.get("engine", "") if isinstance(spec, Mapping) else "" for spec in stores.values())
    return list(dict.fromkeys(str(engine) for engine in named))


def store_spec(stores: Stores, engine: str | None = None) -> dict[str, dict[str, Any]]:
    """The stores (of one engine), complete with defaults."""
    return {name: spec.mapping for name, spec in _parsed(stores).items() if engine in (None, spec.engine)}


def redis_conf(stores: Stores, version: str, base_dir: str) -> dict[str, str]:
    """redis.conf of each store, for Redis and Valkey."""
    return _rendered(stores, lambda spec: store_redis.config(spec, version, f"{base_dir}/{spec.name}"))


def redis_auth(stores: Stores) -> dict[str, str]:
    """auth.conf of each store, which redis.conf includes."""
    return _rendered(stores, store_redis.secret)


def dragonfly_flags(stores: Stores, version: str, base_dir: str) -> dict[str, str]:
    """Flag file of each store."""
    return _rendered(stores, lambda spec: store_dragonfly.config(spec, version, f"{base_dir}/{spec.name}"))


def dragonfly_environment(stores: Stores) -> dict[str, str]:
    """Environment file of each store."""
    return _rendered(stores, store_dragonfly.secret)


def store_acl(stores: Stores) -> dict[str, str]:
    """users.acl of each store, empty for one without users of its own; only the server may read it."""
    return _rendered(stores, acl_config)


def store_passwords(stores: Stores) -> dict[str, str]:
    """Password of each store that has one."""
    return {name: spec.password for name, spec in _parsed(stores).items() if spec.password}


def store_open_files(stores: Stores) -> dict[str, int]:
    """How many files each store must be allowed to open, LimitNOFILE of its unit."""
    return {name: store_capacity.open_files(spec) for name, spec in _parsed(stores).items()}


def store_problems(
    stores: Stores, capacity: Mapping[str, int | None] | None = None, kernel: Mapping[str, Any] | None = None
) -> list[str]:
    """What is wrong with the stores of one host, whose kernel will be set so."""
    has = dict(capacity or {})
    try:
        declared = host_settings.parse({"memory": {}, "network": kernel or {}, "files": {}, host_settings.HUGEPAGE: ""})
    except host_settings.SettingsError as error:
        raise AnsibleFilterError(str(error)) from error
    for setting in declared:
        key = _LIMITS.get(setting.name)
        if key and has.get(key) is not None:
            has[key] = int(setting.target(str(has[key])))
    return [str(problem) for problem in store_plan.host_problems(stores, store_capacity.Capacity(**has))]


def store_fleet_problems(hostvars: Mapping[str, Any], groups: Mapping[str, list[str]]) -> list[str]:
    """What is wrong across hosts, and between benches and stores."""
    stores = {host: hostvars[host].get("stores") or {} for host in groups.get("stores", [])}
    benches: dict[str, dict[str, object]] = {}
    for host in groups.get("benches", []):
        chosen = {purpose: hostvars[host].get(f"frappe_bench_{purpose}_store") for purpose in ("cache", "queue")}
        benches[host] = {purpose: store for purpose, store in chosen.items() if store}
    return [str(problem) for problem in store_plan.fleet_problems(stores, benches)]


def store_address(store: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    """How benches reach a store of that host."""
    return store_plan.address_of(store, host)


def store_url(name: str, groups: Mapping[str, list[str]], hostvars: Mapping[str, Any]) -> str:
    """URL of the store `name`, wherever in the group `stores` it is declared."""
    known: list[str] = []
    for host in groups.get("stores", []):
        stores = hostvars[host].get("stores") or {}
        if name in stores:
            return store_plan.url(_parsed({name: stores[name]})[name].mapping, hostvars[host])
        known.extend(stores)
    near = closest(name, known)
    remedy = f"Did you mean {near}?" if near else f"Declared are: {', '.join(sorted(known)) or 'none'}."
    raise AnsibleFilterError(f"{name} is the name of no store in the group stores. {remedy}")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "dragonfly_environment": dragonfly_environment,
            "dragonfly_flags": dragonfly_flags,
            "redis_auth": redis_auth,
            "redis_conf": redis_conf,
            "store_acl": store_acl,
            "store_address": store_address,
            "store_engines": store_engines,
            "store_fleet_problems": store_fleet_problems,
            "store_open_files": store_open_files,
            "store_passwords": store_passwords,
            "store_problems": store_problems,
            "store_spec": store_spec,
            "store_url": store_url,
        }
