"""Stores together: where benches find one, and what a host or a fleet cannot carry. Pure, no host is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.benchfly.stores.plugins.module_utils import store_capacity, store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import Capacity
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import (
    Problem,
    SpecError,
    StoreSpec,
    closest,
    parse,
)


def engine_problems(spec: StoreSpec) -> list[Problem]:
    """What the store's engine cannot do of its specification."""
    return store_dragonfly.problems(spec) if spec.engine == "dragonfly" else store_redis.problems(spec)


def host_problems(stores: Mapping[str, Mapping[str, object]], capacity: Capacity) -> list[Problem]:
    """What is wrong with the stores of one host, each and, when all can be read, together."""
    specs, found = [], []
    for name, given in stores.items():
        try:
            spec = parse(name, given)
        except SpecError as error:
            found.extend(error.problems)
        else:
            specs.append(spec)
            found.extend(engine_problems(spec))
    if len(specs) == len(stores):
        found.extend(_shared_ports(specs))
        found.extend(store_capacity.problems(specs, capacity))
    return found


def fleet_problems(
    stores: Mapping[str, Mapping[str, Mapping[str, object]]], benches: Mapping[str, Mapping[str, object]]
) -> list[Problem]:
    """What is wrong across hosts.

    stores: host -> store name -> specification. benches: bench -> purpose (cache, queue) -> name of its store,
    a purpose being absent when benchfly does not move it.
    """
    found: list[Problem] = []
    hosts: dict[str, str] = {}
    purposes: dict[str, object] = {}
    for host, named in stores.items():
        for name, given in named.items():
            if name in hosts:
                reason = f"is declared on {hosts[name]} and on {host}"
                found.append(Problem(name, None, reason, "Names of stores are unique in the fleet; rename one"))
            hosts[name] = host
            purposes[name] = given.get("purpose") if isinstance(given, Mapping) else None
    for bench, chosen in benches.items():
        found.extend(_bench_problems(bench, chosen, purposes))
    return found


def address_of(given: Mapping[str, object], host: Mapping[str, Any]) -> str:
    """How benches reach a store of that host (its Ansible variables): `address`, or what Ansible itself uses."""
    if given.get("address"):
        return str(given["address"])
    if host.get("ansible_connection") == "local":
        return "127.0.0.1"
    return str(host.get("ansible_host") or host["inventory_hostname"])


def url(given: Mapping[str, object], host: Mapping[str, Any]) -> str:
    """`redis://[:password@]address:port` of a store of that host, as Frappe, redis-py and node read it.

    With TLS it is `rediss://`; who connects must trust the certificate's issuer.
    """
    password = f":{quote(str(given['password']), safe='')}@" if given.get("password") else ""
    address = address_of(given, host)
    scheme = "rediss" if given.get("tls_cert_file") else "redis"
    return f"{scheme}://{password}{f'[{address}]' if ':' in address else address}:{given['port']}"


def _shared_ports(specs: Iterable[StoreSpec]) -> list[Problem]:
    found = []
    taken: dict[int, StoreSpec] = {}
    for spec in specs:
        other = taken.setdefault(spec.port, spec)
        if other is not spec:
            mixed = ", and cache and queue in one instance evict jobs" if other.purpose != spec.purpose else ""
            found.append(spec.problem("port", f"is also the port of {other.name}{mixed}", "Give each store its own"))
    return found


def _bench_problems(bench: str, chosen: Mapping[str, object], purposes: Mapping[str, object]) -> Iterable[Problem]:
    for purpose, named in chosen.items():
        key, store = f"{bench}.frappe_bench_{purpose}_store", str(named)
        if store not in purposes:
            near = closest(store, list(purposes))
            remedy = f"Did you mean {near}" if near else "Declare it in `stores` of a host in the group stores"
            yield Problem(key, store, "is the name of no store", remedy)
        elif purposes[store] != purpose:
            yield Problem(key, store, f"is a store for {purposes[store]}", f"Name one whose purpose is {purpose}")
