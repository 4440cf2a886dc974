"""The fleet as plain objects: hosts, the stores they carry, and the benches that use them. No Ansible in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import SECRET_KEYS
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec

from benchfly.policy.rules import GateRule, Rule


@dataclass(frozen=True)
class Host:
    """A host of the inventory; `memory` is its RAM in bytes where known, `host_class` what hosts like it are called."""

    name: str
    address: str
    is_local: bool
    memory: int | None
    host_class: str | None = None

    @property
    def machine(self) -> str:
        """What tells machines apart: one machine may have several names in an inventory."""
        return "this machine" if self.is_local else self.address


@dataclass(frozen=True)
class Store:
    """A store on its host; `address` is how benches reach it."""

    spec: StoreSpec
    host: str
    address: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def endpoint(self) -> str:
        """address:port, with brackets around an IPv6 address."""
        return f"[{self.address}]:{self.spec.port}" if ":" in self.address else f"{self.address}:{self.spec.port}"


@dataclass(frozen=True)
class Bench:
    """A Frappe bench: the hosts it lives on, the names of the stores it is to use, and what holds up its moves."""

    name: str
    hosts: tuple[str, ...]
    path: str
    cache_store: str | None
    queue_store: str | None
    blackout: tuple[str, ...] = ()
    policy: tuple[Rule | GateRule, ...] = ()

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of its stores."""
        return tuple(self.chosen.values())

    @property
    def chosen(self) -> Mapping[str, str]:
        """Purpose -> name of its store, without the purposes that stay where they are."""
        chosen = {"cache": self.cache_store, "queue": self.queue_store}
        return {purpose: store for purpose, store in chosen.items() if store}


@dataclass(frozen=True)
class Fleet:
    """Everything an inventory says; `sources` are what it was read from, `schedules` those of each control host."""

    sources: tuple[str, ...]
    hosts: Mapping[str, Host]
    stores: Mapping[str, Store]
    benches: Mapping[str, Bench]
    load_generators: tuple[str, ...]
    schedules: Mapping[str, tuple[Schedule, ...]] = field(default_factory=dict)

    def stores_of(self, benches: Iterable[Bench]) -> tuple[Store, ...]:
        """The stores that those benches use, each once."""
        names = dict.fromkeys(name for bench in benches for name in bench.stores)
        return tuple(self.stores[name] for name in names)

    def as_dict(self) -> dict[str, Any]:
        """The fleet as plain data for JSON, without what is secret."""
        data = asdict(self)
        for store in data["stores"].values():
            store["spec"] = {key: value for key, value in store["spec"].items() if key not in SECRET_KEYS}
        for schedule in (schedule for schedules in data["schedules"].values() for schedule in schedules):
            del schedule["notify"]
            schedule["variables"].pop("benchmark_urls", None)  # these may have passwords in them
        return data
