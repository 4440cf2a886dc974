"""What must hold across a whole fleet. Pure: objects in, problems out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB, closest

from benchfly.errors import Problem
from benchfly.fleet.model import Bench, Host, Store

# file:line of a dotted key of a host
Where = Callable[[str, str], str]

# Part of a host's RAM that its stores may plan with; the rest is for the system, for buffers and for fragmentation.
_USABLE_RAM = 0.9
# While they save, the parent's writes copy pages of the child: at worst once the whole data. Dragonfly does not fork.
_FORKING_ENGINES = ("redis", "valkey")
_PURPOSES = ("cache", "queue")


def names_used_twice(stores: Sequence[Store], where: Where) -> Iterator[Problem]:
    """A store's name stands for one store in the whole fleet."""
    first: dict[str, Store] = {}
    for store in stores:
        other = first.setdefault(store.name, store)
        if other is not store:
            key = f"stores.{store.name}"
            reason = f"host {other.host} carries a store of this name too"
            remedy = (
                "Give each store of the fleet a name of its own, in the variables of its host rather than of a group"
            )
            yield Problem(where(store.host, key), store.host, key, reason, remedy)


def ports_used_twice(stores: Sequence[Store], hosts: Mapping[str, Host], where: Where) -> Iterator[Problem]:
    """Two stores of one machine cannot listen on one port, also when the machine has two names in the inventory."""
    first: dict[tuple[str, int], Store] = {}
    for store in stores:
        other = first.setdefault((hosts[store.host].machine, store.spec.port), store)
        if other is not store:
            key = f"stores.{store.name}.port"
            reason = f"port {store.spec.port} of this machine belongs to store {other.name} of host {other.host}"
            yield Problem(where(store.host, key), store.host, key, reason, "Give each store of a host its own port")


def memory_beyond_ram(stores: Sequence[Store], hosts: Mapping[str, Host], where: Where) -> Iterator[Problem]:
    """The stores of a machine, and a copy of the largest that forks to save, fit into its RAM, where that is known."""
    machines: defaultdict[str, list[Store]] = defaultdict(list)
    for store in stores:
        machines[hosts[store.host].machine].append(store)
    for carried in machines.values():
        host = hosts[carried[0].host]
        copy = max((store.spec.memory for store in carried if _forks(store)), default=0)
        needed = sum(store.spec.memory for store in carried) + copy
        if host.memory is not None and needed > host.memory * _USABLE_RAM:
            parts = " + ".join(f"{store.name} {store.spec.memory // MIB} MiB" for store in carried)
            copied = f" + {copy // MIB} MiB that a fork of the largest may copy while it saves" if copy else ""
            reason = f"{parts}{copied} is more than {_USABLE_RAM:.0%} of the host's {host.memory // MIB} MiB of RAM"
            remedy = "Give the stores less memory, or move one to another host"
            yield Problem(where(host.name, "stores"), host.name, "stores", reason, remedy)


def benches_without_store(
    benches: Sequence[Bench], stores: Mapping[str, Store], declared: Collection[str], where: Where
) -> Iterator[Problem]:
    """A bench names stores that some host carries, each of the right purpose; `declared` has misspecified ones too."""
    for bench in benches:
        for purpose in _PURPOSES:
            key, name = f"frappe_bench_{purpose}_store", getattr(bench, f"{purpose}_store")
            place = where(bench.hosts[0], key)
            if name and name not in declared:
                near = closest(name, sorted(declared))
                known = (
                    f"The fleet has {', '.join(sorted(declared))}" if declared else "Give a host of group stores one"
                )
                remedy = f"Did you mean {near}" if near else known
                yield Problem(place, bench.name, key, f"no host carries a store {name!r}", remedy)
            elif name in stores and (actual := stores[name].spec.purpose) != purpose:
                reason = f"store {name} is for purpose {actual}, not {purpose}"
                remedy = f"Name a store of purpose {purpose}"
                yield Problem(place, bench.name, key, reason, remedy)


def cache_and_queue_in_one(benches: Sequence[Bench], stores: Mapping[str, Store], where: Where) -> Iterator[Problem]:
    """A cache that fills up would take the queue's memory, and clearing it would block the queue."""
    for bench in benches:
        cache, queue = stores.get(bench.cache_store or ""), stores.get(bench.queue_store or "")
        if cache and queue and cache.endpoint == queue.endpoint:
            key = "frappe_bench_cache_store"
            reason = f"cache and queue of the bench are one instance, {queue.name} at {queue.endpoint}"
            remedy = "Give the cache a store of its own; another database of the same instance is not enough"
            yield Problem(where(bench.hosts[0], key), bench.name, key, reason, remedy)


def _forks(store: Store) -> bool:
    return store.spec.engine in _FORKING_ENGINES and store.spec.persistence != "none"
