"""What must hold across a fleet, placed in its inventory. Pure; most of it the collection's store_plan says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ansible_collections.benchfly.stores.plugins.module_utils import store_plan
from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import Capacity
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem as SpecProblem

from benchfly.errors import Problem
from benchfly.fleet.model import Bench, Host, Store

# file:line of a dotted key of a host
Where = Callable[[str, str], str]
# host -> name of a store -> its specification
Declared = Mapping[str, Mapping[str, Mapping[str, object]]]


def machine_problems(stores: Sequence[Store], hosts: Mapping[str, Host], where: Where) -> Iterator[Problem]:
    """What the stores of one machine cannot be together; a machine may have several names in the inventory."""
    machines: defaultdict[str, dict[str, Store]] = defaultdict(dict)
    for store in stores:
        machines[hosts[store.host].machine].setdefault(store.name, store)
    for carried in machines.values():
        capacity = Capacity(memory=hosts[next(iter(carried.values())).host].memory)
        specifications = {name: store.spec.mapping for name, store in carried.items()}
        for problem in store_plan.host_problems(specifications, capacity):
            host = carried[problem.key.partition(".")[0]].host
            yield _placed(problem, host, f"stores.{problem.key}", where)


def fleet_problems(
    declared: Declared, unreadable: Collection[str], benches: Sequence[Bench], where: Where
) -> Iterator[Problem]:
    """Names of stores that are not unique, and benches that name a store which is none, or is for something else.

    Nothing is said of the use of an unreadable store.
    """
    chosen = {
        bench.name: {purpose: store for purpose, store in bench.chosen.items() if store not in unreadable}
        for bench in benches
    }
    first_hosts = {bench.name: bench.hosts[0] for bench in benches}
    for problem in store_plan.fleet_problems(declared, chosen):
        name, dot, key = problem.key.partition(".")
        if dot:
            yield _placed(problem, name, key, lambda bench, key: where(first_hosts[bench], key))
        else:
            host = [host for host, stores in declared.items() if name in stores][-1]
            yield _placed(problem, host, f"stores.{name}", where)


def one_instance_problems(benches: Iterable[Bench], stores: Mapping[str, Store], where: Where) -> Iterator[Problem]:
    """A cache that fills up would take the queue's memory, and clearing it would hold up the queue."""
    for bench in benches:
        cache, queue = stores.get(bench.cache_store or ""), stores.get(bench.queue_store or "")
        if cache and queue and cache.endpoint == queue.endpoint:
            key = "frappe_bench_cache_store"
            reason = f"cache and queue of the bench are one instance, {queue.name} at {queue.endpoint}"
            remedy = "Give the cache a store of its own; another database of the same instance is not enough"
            yield Problem(where(bench.hosts[0], key), bench.name, key, reason, remedy)


def _placed(problem: SpecProblem, host: str, key: str, where: Where) -> Problem:
    shown = "" if problem.value is None else f"{problem.value!r} "
    return Problem(where(host, key.partition(",")[0]), host, key, f"{shown}{problem.reason}", problem.remedy)
