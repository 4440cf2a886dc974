"""What may be other than it is: space.yml, checked, and what of it is open to trials of one store on one host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import ENGINES, PURPOSES

from benchfly.errors import ResultsError

KINDS = ("store", "host", "layout")
CPU_SETS = "cpu_sets"
_REQUIRED = {"name", "kind", "engines", "purposes", "values", "restart", "risk", "why", "source"}
_OPTIONAL = {"at_most", "tried", "left"}

Settings = Mapping[str, Any]  # keys of a store, as an inventory says them


@dataclass(frozen=True)
class Facts:
    """What rules and bounds need to know. Sizes are bytes; what nobody could tell is None.

    spec: the store as declared, without secrets. version: of its server. cpus, memory, somaxconn: of its host.
    hugepage: transparent_hugepage/enabled there. stores: how many others there are on the host. fragmentation,
    evicted: mem_fragmentation_ratio and evicted_keys of INFO. value: what 95 % of the workload's values in hashes
    are not longer than; fields: of its largest hash; expires: whether keys of it do; items, clients, payload: how
    many there are, and the bytes of all.
    """

    spec: Settings
    version: str = ""
    cpus: int | None = None
    memory: int | None = None
    somaxconn: int | None = None
    hugepage: str = ""
    stores: int = 0
    fragmentation: float | None = None
    evicted: int = 0
    value: int = 0
    fields: int = 0
    expires: bool = False
    items: int = 0
    clients: int = 0
    payload: int = 0

    def bound(self, name: str) -> int | None:
        """The fact that `at_most` names."""
        found = getattr(self, name) if hasattr(self, name) else self.spec.get(name)
        return None if found is None else int(found)


@dataclass(frozen=True)
class Setting:
    """One entry of space.yml."""

    name: str
    kind: str
    engines: tuple[str, ...]
    purposes: tuple[str, ...]
    values: tuple[Any, ...] | str
    restart: tuple[str, ...]
    risk: str
    why: str
    source: str
    at_most: str = ""
    tried: bool = True
    left: str = ""

    def choices(self, facts: Facts) -> tuple[Any, ...]:
        """Its values on that host, with what is declared now among them and in order."""
        values = _cpu_sets(facts) if self.values == CPU_SETS else tuple(self.values)
        bound = facts.bound(self.at_most) if self.at_most else None
        if self.at_most:
            values = tuple(value for value in values if bound is not None and value <= bound)
        today = facts.spec.get(self.name)
        if today in values:
            return values
        plain = all(isinstance(value, int) for value in (*values, today))
        return tuple(sorted((*values, today))) if plain else (today, *values)


@cache
def space() -> tuple[Setting, ...]:
    """Every entry, in the order of the file."""
    return parse(yaml.safe_load(files("benchfly.tuning").joinpath("space.yml").read_text(encoding="utf-8")))


def parse(data: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The entries of such a file. Raises ResultsError that names the entry and what is wrong with it."""
    settings = tuple(_setting(entry) for entry in data["settings"])
    names = [setting.name for setting in settings]
    if len(set(names)) < len(names):
        raise ResultsError(f"space.yml has an entry twice: {', '.join(sorted(names))}")
    return settings


def open_to(facts: Facts, only: Sequence[str] = ()) -> tuple[Setting, ...]:
    """The settings that can be tried on the store of those facts, and have more than one value there.

    `only`: names to choose from; by default all. Raises ResultsError for one that does not exist.
    """
    unknown = set(only) - {setting.name for setting in space()}
    if unknown:
        known = ", ".join(setting.name for setting in space() if setting.tried)
        raise ResultsError(f"{', '.join(sorted(unknown))} is nothing that can be tried. These are: {known}")
    return tuple(
        setting
        for setting in space()
        if setting.tried
        and facts.spec["engine"] in setting.engines
        and facts.spec["purpose"] in setting.purposes
        and facts.spec.get(setting.name, "") != ""
        and (not only or setting.name in only)
        and len(setting.choices(facts)) > 1
    )


def _setting(entry: Mapping[str, Any]) -> Setting:
    name = entry.get("name", "an entry without name")
    wrong = (_REQUIRED - set(entry)) | (set(entry) - _REQUIRED - _OPTIONAL)
    if wrong:
        raise ResultsError(f"space.yml: {name}: {', '.join(sorted(wrong))} is missing, or no key of an entry")
    if entry["kind"] not in KINDS or not set(entry["engines"]) <= set(ENGINES) >= set(entry["restart"]):
        raise ResultsError(f"space.yml: {name}: kind, engines or restart names what does not exist")
    if not set(entry["purposes"]) <= set(PURPOSES):
        raise ResultsError(f"space.yml: {name}: purposes are {', '.join(PURPOSES)}")
    if entry["values"] != CPU_SETS and not (isinstance(entry["values"], list) and entry["values"]):
        raise ResultsError(f"space.yml: {name}: values is a list, or {CPU_SETS}")
    if entry.get("tried", True) == bool(entry.get("left")):
        raise ResultsError(f"space.yml: {name}: `left` says why an entry is not tried, and goes with `tried: false`")
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    return Setting(**{**entry, **lists})


def _cpu_sets(facts: Facts) -> tuple[Any, ...]:
    """Any CPU; the last; all but the first, which on most hosts serves interrupts."""
    if not facts.cpus or facts.cpus < 2:
        return (None,)
    last = str(facts.cpus - 1)
    sets = dict.fromkeys([None, last, f"1-{last}" if facts.cpus > 2 else last])
    threads = facts.spec.get("threads") or 1
    return tuple(each for each in sets if each is None or "-" in each or threads == 1)
