"""From an inventory to a Fleet, refusing a wrong one with every problem it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from ansible.module_utils.common.validation import (  # type: ignore[import-untyped]
    check_type_bool,
    check_type_float,
    check_type_int,
)
from ansible_collections.benchfly.stores.plugins.module_utils import (
    blackout,
    ec2_tags,
    host_capacity,
    schedule_spec,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB, SpecError, closest, parse

from benchfly.errors import InventoryError, Problem
from benchfly.fleet import rules
from benchfly.fleet.inventory import Inventory
from benchfly.fleet.model import Bench, Fleet, Host, Store
from benchfly.paths import collection
from benchfly.policy import rules as policy

STORES, BENCHES, LOAD_GENERATORS, CONTROL = "stores", "benches", "load_generators", "control"
_LOCAL = ("local", "ansible.builtin.local")
_MEMORY = "ansible_memtotal_mb"
_BENCH = "frappe_bench_"
_PATH, _NAME = f"{_BENCH}path", f"{_BENCH}name"
_CACHE_STORE, _QUEUE_STORE = f"{_BENCH}cache_store", f"{_BENCH}queue_store"
_BLACKOUT, _POLICY = f"{_BENCH}blackout", f"{_BENCH}policy"
_HOST_CLASS = "host_class"
_EC2 = "aws_ec2"  # the group into which that plugin puts every instance
_SCHEDULES = "benchmark_schedules"


def load(sources: Sequence[str], extra_vars: Sequence[str] = (), benches: Sequence[str] = ()) -> Fleet:
    """The fleet of an inventory; `benches` are names that must exist in it.

    extra_vars are `-e` options as on Ansible's command line. Raises InventoryError with all that is wrong.
    """
    inventory = Inventory(sources, extra_vars)
    problems = inventory.problems
    names = dict.fromkeys(
        name for group in (STORES, BENCHES, LOAD_GENERATORS, CONTROL) for name in inventory.hosts(group)
    )
    for name in names:
        inventory.variables(name)
    problems += _tag_problems(inventory)
    if problems:  # what could not be read would only make more of them
        raise InventoryError(_distinct(problems))
    hosts = {name: _host(inventory, name) for name in names}
    unreadable: set[str] = set()
    declared = {name: _declared(inventory, name, unreadable) for name in inventory.hosts(STORES)}
    carried = [store for name, given in declared.items() for store in _stores(inventory, hosts[name], given)]
    found = [bench for name in inventory.children(BENCHES) if (bench := _bench(inventory, name))]
    stores = {store.name: store for store in carried}
    schedules = {name: tuple(_schedules(inventory, name, stores)) for name in inventory.hosts(CONTROL)}
    problems += _group_problems(inventory)
    problems += rules.machine_problems(carried, hosts, inventory.where)
    problems += rules.fleet_problems(declared, unreadable, found, inventory.where)
    problems += rules.one_instance_problems(found, stores, inventory.where)
    problems += _unknown_benches(inventory, benches)
    if problems:
        raise InventoryError(_distinct(problems))
    return Fleet(
        sources=inventory.sources,
        hosts=hosts,
        stores=stores,
        benches={bench.name: bench for bench in found},
        load_generators=inventory.hosts(LOAD_GENERATORS),
        schedules=schedules,
    )


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    """What stands in one line is one problem, however many hosts of a group have it."""
    distinct: dict[tuple[str, ...], Problem] = {}
    for problem in problems:
        host = "" if problem.where.rpartition(":")[2].isdigit() else problem.host
        distinct.setdefault((problem.where, host, problem.key, problem.reason), problem)
    return list(distinct.values())


def _host(inventory: Inventory, name: str) -> Host:
    is_local = inventory.value(name, "ansible_connection") in _LOCAL
    address = "127.0.0.1" if is_local else str(inventory.value(name, "ansible_host") or name)
    memory = host_capacity.memory() if is_local else _known_memory(inventory, name)
    host_class = inventory.value(name, _HOST_CLASS)
    return Host(name, address, is_local, memory, str(host_class) if host_class else None)


def _known_memory(inventory: Inventory, host: str) -> int | None:
    """Bytes of RAM, from the variable ansible_memtotal_mb or from facts that Ansible has cached."""
    facts = inventory.variables(host).get("ansible_facts") or {}
    mebibytes = inventory.value(host, _MEMORY) or facts.get("memtotal_mb")
    try:
        return check_type_int(mebibytes) * MIB if mebibytes else None
    except TypeError:
        inventory.refuse(host, _MEMORY, f"{mebibytes!r} is not a number", "Give the host's RAM in MiB")
        return None


def _declared(inventory: Inventory, host: str, unreadable: set[str]) -> dict[str, Any]:
    """What a host declares as its stores, templated; where a template is wrong, the store's name is `unreadable`."""
    given = inventory.variables(host).get(STORES)
    if isinstance(given, str):
        given = inventory.value(host, STORES)
    if not isinstance(given, Mapping) or not given:
        reason, remedy = "is not a mapping of store names", "Give each store a name, and its keys below the name"
        if not given:
            reason, remedy = "is missing", f"Define it for this host, or take the host out of group {STORES}"
        inventory.refuse(host, STORES, reason, remedy)
        return {}
    plain = {str(name): inventory.template(host, f"{STORES}.{name}", value) for name, value in given.items()}
    unreadable.update(name for name, value in plain.items() if value is None)
    return {name: value for name, value in plain.items() if value is not None}


def _stores(inventory: Inventory, host: Host, given: Mapping[str, Any]) -> Iterator[Store]:
    """The well-formed stores of a host."""
    for name, specification in given.items():
        try:
            spec = parse(name, specification)
        except SpecError as error:
            for problem in error.problems:
                shown = "" if problem.value is None else f"{problem.value!r} "
                inventory.refuse(host.name, f"{STORES}.{problem.key}", shown + problem.reason, problem.remedy)
        else:
            yield Store(spec, host.name, spec.address or host.address)


def _bench(inventory: Inventory, name: str) -> Bench | None:
    """The bench of a group; None when it cannot be one, which is noted."""
    hosts = inventory.hosts(name)
    if not hosts:
        inventory.refuse(name, "hosts", "the bench has no host", f"Put its hosts into group {name}")
        return None
    options = _bench_options()
    values = [_bench_values(inventory, name, host, options) for host in hosts]
    for key in (_PATH, _CACHE_STORE, _QUEUE_STORE, _BLACKOUT, _POLICY):
        if len({str(value.get(key)) for value in values}) > 1:
            inventory.refuse(hosts[0], key, "differs between the hosts of the bench", f"Set it once, for group {name}")
    of_bench = values[0]
    return Bench(
        name=name,
        hosts=hosts,
        path=of_bench.get(_PATH) or "",
        cache_store=of_bench.get(_CACHE_STORE) or None,
        queue_store=of_bench.get(_QUEUE_STORE) or None,
        blackout=tuple(window.text for window in _parsed(inventory, hosts[0], _BLACKOUT, of_bench, blackout.parse)),
        policy=tuple(_parsed(inventory, hosts[0], _POLICY, of_bench, policy.parse)),
    )


def _schedules(inventory: Inventory, host: str, stores: Mapping[str, Store]) -> Iterator[schedule_spec.Schedule]:
    """The well-formed schedules of a control host."""
    if _SCHEDULES not in inventory.variables(host):
        return
    known = len(inventory.problems)
    given = inventory.value(host, _SCHEDULES)
    if len(inventory.problems) > known:  # a template in it is wrong, and noted
        return
    try:
        found = schedule_spec.parse_all(given)
    except SpecError as error:
        for problem in error.problems:
            shown = "" if problem.value is None else f"{problem.value!r} "
            key = _SCHEDULES if problem.key == _SCHEDULES else f"{_SCHEDULES}.{problem.key}"
            inventory.refuse(host, key, shown + problem.reason, problem.remedy)
        return
    for schedule in found.values():
        given_by_url = schedule.variables.get("benchmark_urls", {})
        for name in schedule.stores:
            if name not in stores and name not in given_by_url:
                near = closest(name, sorted(stores))
                remedy = f"Did you mean {near}" if near else f"Stores are {', '.join(sorted(stores)) or 'none'}"
                key = f"{_SCHEDULES}.{schedule.name}.stores"
                inventory.refuse(host, key, f"{name!r} is the name of no store", remedy)
        yield schedule


def _parsed(
    inventory: Inventory, host: str, key: str, values: Mapping[str, Any], parse: Callable[[Any], Any]
) -> Iterator[Any]:
    """The parsed entries of a list; those that cannot be parsed are noted."""
    given = values.get(key)
    for number, entry in enumerate(given if isinstance(given, list) else ()):
        try:
            yield parse(entry)
        except blackout.BlackoutError as error:
            place, reason, remedy = f"{key}[{number}]", f"{entry!r} {error.reason}", error.remedy
        except policy.PolicyError as error:
            place = f"{key}[{number}].{error.key}".rstrip(".")
            reason, remedy = error.reason, error.remedy
        else:
            continue
        inventory.problems.append(Problem(inventory.where(host, key), host, place, reason, remedy))


def _bench_options() -> dict[str, dict[str, Any]]:
    """The variables of a bench, as the role frappe_bench declares them."""
    specification = collection() / "roles/frappe_bench/meta/argument_specs.yml"
    entry_points = yaml.safe_load(specification.read_text())["argument_specs"].values()
    return {key: option for entry_point in entry_points for key, option in entry_point["options"].items()}


def _bench_values(
    inventory: Inventory, bench: str, host: str, options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The variables of a bench on one host, each checked against its declaration."""
    given = [key for key in inventory.variables(host) if key.startswith(_BENCH)]
    for key in given:
        if key not in options:
            near = closest(key, sorted(options))
            remedy = f"Did you mean {near}" if near else f"Known are {', '.join(sorted(options))}"
            inventory.refuse(host, key, "is no variable of a bench", remedy)
    for key, remedy in ((_PATH, "to the bench's folder"), (_NAME, f"to {bench}")):
        if key not in given:
            inventory.refuse(host, key, "is missing", f"Set it {remedy}, for group {bench}")
    values = {key: inventory.value(host, key) for key in given if key in options}
    for key, value in values.items():
        option = options[key]
        if value is None:
            continue  # a template in it is wrong, and noted
        try:
            _CHECKS[option["type"]](value)
        except TypeError:
            inventory.refuse(host, key, f"{value!r} is not of type {option['type']}", str(option["description"]))
        if value not in option.get("choices", (value,)):
            inventory.refuse(host, key, f"{value!r} is not one of {', '.join(option['choices'])}", "Say one of them")
    if values.get(_PATH) == "":
        inventory.refuse(host, _PATH, "is empty", "Set it to the bench's folder")
    if (name := values.get(_NAME)) is not None and name != bench:
        inventory.refuse(host, _NAME, f"{name!r} is not the group that holds the host, {bench}", f"Set it to {bench}")
    return values


def _check_text(value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(value)


def _check_list(value: object) -> None:
    if not isinstance(value, list):
        raise TypeError(value)


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "str": _check_text,
    "path": _check_text,
    "int": check_type_int,
    "float": check_type_float,
    "bool": check_type_bool,
    "list": _check_list,
}


def _tag_problems(inventory: Inventory) -> Iterator[Problem]:
    """What is wrong with the tags of instances of EC2, also of those that are in no group for want of a tag.

    An inventory that has another scheme of tags is none of benchfly's business.
    """
    for host in inventory.hosts(_EC2):
        tags = inventory.variables(host).get(ec2_tags.VARIABLE) or {}
        for problem in ec2_tags.problems(tags) if ec2_tags.FLEET in tags else ():
            place = inventory.tag_place(host, problem.tag)
            yield Problem(place, host, problem.tag, problem.reason, problem.remedy)


def _group_problems(inventory: Inventory) -> Iterator[Problem]:
    """Groups that cannot be a fleet."""
    benches = inventory.children(BENCHES)
    if not inventory.hosts(BENCHES) and not benches and not inventory.hosts(STORES):
        reason = f"there is neither a group {STORES} with hosts nor a group {BENCHES} with a group for each bench"
        yield Problem(inventory.source, "all", "inventory", reason, "Copy inventories/example and change it")
    for host in inventory.hosts(BENCHES):
        homes = [bench for bench in benches if host in inventory.hosts(bench)]
        if len(homes) != 1:
            reason = f"the host is in {' and '.join(homes)}" if homes else f"the host is in group {BENCHES} itself"
            remedy = "Put it into the group of one bench; give a machine with two benches two names"
            yield Problem(inventory.where(host, "inventory_hostname"), host, BENCHES, reason, remedy)


def _unknown_benches(inventory: Inventory, wanted: Sequence[str]) -> Iterator[Problem]:
    known = inventory.children(BENCHES)
    for name in wanted:
        if name not in known:
            near = closest(name, known)
            remedy = f"Did you mean {near}" if near else f"Benches are {', '.join(known) or 'none'}"
            yield Problem(inventory.source, name, "--bench", "there is no such bench", remedy)
