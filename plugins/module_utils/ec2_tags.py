"""What the tags of an EC2 instance say of it: its groups, its bench, its stores. Pure.

benchfly:fleet = prod                                   which fleet it belongs to
benchfly:group = stores                                 stores, benches or load_generators; several with blanks
benchfly:bench = shop                                   the bench of a host in benches
benchfly:frappe_bench_cache_store = shop-cache          one of a few variables of the bench
benchfly:store:shop-cache = purpose=cache port=6381     one store, with any keys of a store but secret ones
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import store_capacity
from ansible_collections.benchfly.stores.plugins.module_utils.ec2_types import instance_type
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import SECRET_KEYS
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB, SpecError, closest, parse

# Variable of a host with the tags of its instance, as inventories/ec2 has the inventory plugin call it.
VARIABLE = "ec2_tags"
PREFIX = "benchfly:"
FLEET, GROUP, BENCH, STORE = f"{PREFIX}fleet", f"{PREFIX}group", f"{PREFIX}bench", f"{PREFIX}store:"
GROUPS = ("stores", "benches", "load_generators")
# Those that differ between benches of one shape; the others are for files of group_vars.
VARIABLES = ("frappe_bench_path", "frappe_bench_cache_store", "frappe_bench_queue_store")
KNOWN = (FLEET, GROUP, BENCH, *(PREFIX + name for name in VARIABLES))
_ANSIBLES = ("all", "ungrouped", "aws_ec2")
# Ansible makes other letters into underscores, without a word.
_GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SETTINGS = "Say it as in purpose=cache port=6381 memory=4gb, with blanks between"


@dataclass(frozen=True)
class TagProblem:
    """One thing wrong with the tags of an instance; `tag` is the key of the tag."""

    tag: str
    reason: str
    remedy: str


def tagged_stores(
    tags: Mapping[str, str], defaults: Mapping[str, Any], type_name: str = ""
) -> dict[str, dict[str, Any]]:
    """The stores in the tags of an instance, by name, with `defaults` for keys that a tag does not have.

    Where the type of instance is known, a store without `memory` gets an equal part of what the others leave of it.
    """
    found = {
        tag[len(STORE) :]: {**defaults, **dict(_pair(word) for word in value.split() if "=" in word)}
        for tag, value in tags.items()
        if tag.startswith(STORE)
    }
    host = instance_type(type_name)
    lacking = [name for name, store in found.items() if "memory" not in store]
    if host and lacking:
        part = _free(found, host.memory * MIB) / len(lacking)
        for name in lacking:
            found[name]["memory"] = f"{max(0, int(part / _ratio(name, found[name]) / MIB))}mb"
    return found


def tag_of(tags: Mapping[str, str], key: str) -> str | None:
    """The tag that a dotted key of an inventory came from, such as stores.shop-cache.port; None when it did not."""
    top, _, rest = key.partition(".")
    if top == "stores":
        name = next(
            (name for name in _store_names(tags) if rest == name or rest.startswith((f"{name}.", f"{name},"))), None
        )
        return f"{STORE}{name}" if name else None
    tag = BENCH if top == "frappe_bench_name" else PREFIX + top
    return tag if tag in tags else None


def problems(tags: Mapping[str, str]) -> Iterator[TagProblem]:
    """What is wrong with or missing from the tags of an instance of a fleet."""
    for tag in tags:
        if tag.startswith(PREFIX) and tag not in KNOWN and not tag.startswith(STORE):
            near = closest(tag, [*KNOWN, STORE])
            remedy = f"Did you mean {near}" if near else f"Known are {', '.join(KNOWN)} and {STORE}NAME"
            yield TagProblem(tag, "is no tag of benchfly's", remedy)
    groups = tags.get(GROUP, "").split()
    if not groups:
        remedy = f"Say what the instance is: one of {', '.join(GROUPS)}, or several with blanks between"
        yield TagProblem(GROUP, "is empty" if GROUP in tags else "is missing", remedy)
    unknown = [group for group in groups if group not in GROUPS]
    for group in unknown:
        yield TagProblem(GROUP, f"{group!r} is no group", f"Say {closest(group, GROUPS) or ' or '.join(GROUPS)}")
    if groups and not unknown:
        yield from _of_bench(tags, groups)
        yield from _of_stores(tags, groups)


def _of_bench(tags: Mapping[str, str], groups: Sequence[str]) -> Iterator[TagProblem]:
    bench = tags.get(BENCH)
    if "benches" not in groups:
        for tag in (BENCH, *(PREFIX + name for name in VARIABLES)):
            if tag in tags:
                yield TagProblem(
                    tag, "is of benches, and the instance is none", f"Add benches to {GROUP}, or remove it"
                )
    elif bench is None:
        yield TagProblem(BENCH, "is missing", "Name the bench that the instance is a host of")
    elif not _GROUP_NAME.fullmatch(bench) or bench in (*GROUPS, *_ANSIBLES):
        remedy = "Use letters, digits and _, the first no digit, and none of Ansible's own names"
        yield TagProblem(BENCH, f"{bench!r} cannot be the name of a group of Ansible's", remedy)


def _of_stores(tags: Mapping[str, str], groups: Sequence[str]) -> Iterator[TagProblem]:
    names = _store_names(tags)
    if "stores" not in groups:
        for name in names:
            remedy = f"Add stores to {GROUP}, or remove it"
            yield TagProblem(STORE + name, "is of stores, and the instance is none", remedy)
    elif not names:
        yield TagProblem(f"{STORE}NAME", "is missing", f"Give each store of the instance such a tag. {_SETTINGS}")
    for name in names:
        seen: set[str] = set()
        for word in tags[STORE + name].split():
            key, value = _pair(word)
            if not value:
                yield TagProblem(STORE + name, f"{word!r} is no setting", _SETTINGS)
            elif key in SECRET_KEYS:
                yield TagProblem(STORE + name, f"{key} is in it, and tags are no secret", "Say it by reference instead")
            elif key in seen:
                yield TagProblem(STORE + name, f"{key} is in it twice", "Keep one")
            seen.add(key)


def _store_names(tags: Mapping[str, str]) -> list[str]:
    return [tag[len(STORE) :] for tag in tags if tag.startswith(STORE)]


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def _free(stores: Mapping[str, Mapping[str, Any]], memory: int) -> float:
    """Bytes that the stores with a size leave to the others; what cannot be read is named elsewhere."""
    taken = 0
    for name, store in stores.items():
        if "memory" in store:
            try:
                taken += store_capacity.resident_memory(parse(name, store))
            except SpecError:
                continue
    return max(0.0, memory * store_capacity.USABLE_RATIO - taken)


def _ratio(name: str, store: Mapping[str, Any]) -> float:
    """What a store may take of the host's memory at worst, for each byte of its data."""
    try:
        return store_capacity.resident_memory(parse(name, {**store, "memory": "1gb"})) / (1024 * MIB)
    except SpecError:
        return store_capacity.RSS_RATIO
