"""Facts for the rules, of what was found on the host and what the workload says; and what a change takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import HASH, ITEM
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_settings import LIVE_SETTINGS
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec, parse

from benchfly.tuning.space import Facts, Settings, space

_MOST = 95.0  # per cent of a workload's values


def facts(
    spec: Settings,
    version: str,
    workload: Workload,
    host: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    stores: int = 0,
) -> Facts:
    """host: what host_capacity and benchmark_environment found. server: fields of INFO. stores: others of the host."""
    found, info = host or {}, server or {}
    families = [family for family in workload.families if family.shape in (HASH, ITEM)]
    fields = [family.items if family.shape == HASH else 1 for family in families]
    ratio = info.get("mem_fragmentation_ratio")
    return Facts(
        spec=dict(spec),
        version=version,
        cpus=found.get("cpus"),
        memory=found.get("memory"),
        somaxconn=found.get("backlog"),
        hugepage=found.get("thp", ""),
        stores=stores,
        fragmentation=float(ratio) if ratio else None,
        evicted=int(info.get("evicted_keys") or 0),
        value=_most(workload),
        fields=max(fields, default=0),
        expires=any(family.ttl for family in workload.families),
        items=sum(family.items for family in workload.families),
        clients=workload.clients[0],
        payload=workload.bytes,
    )


def live(name: str, spec: Settings, version: str, before: Settings, after: Settings) -> dict[str, str] | None:
    """What CONFIG SET makes of a store under the settings `before` one under `after`; None where it must restart.

    What is live and not as declared is set even where it was before: a server that refused it then has to say so again.
    """
    engine = str(spec["engine"])
    changed = {key for key in {*before, *after} if before.get(key, spec.get(key)) != after.get(key, spec.get(key))}
    if any(setting.name in changed and engine in setting.restart for setting in space()):
        return None
    declared, one, other = (_directives(parse(name, {**spec, **each}), version) for each in ({}, before, after))
    wanted = {key: value for key, value in other.items() if one.get(key) != value}
    if set(one) - set(other) or set(wanted) - LIVE_SETTINGS[engine]:
        return None
    return wanted | {key: other[key] for key in LIVE_SETTINGS[engine] & set(other) if declared.get(key) != other[key]}


def _directives(spec: StoreSpec, version: str) -> dict[str, str]:
    if spec.engine == "dragonfly":
        return dict(store_dragonfly.flags(spec, version, ""))
    return dict(store_redis.directives(spec, version))


def _most(workload: Workload) -> int:
    """What 95 % of the values in hashes are not longer than; 0 without any."""
    sizes: Sequence[tuple[int, float]] = sorted(
        (size, family.items * share)
        for family in workload.families
        if family.shape in (HASH, ITEM)
        for size, share in family.sizes
    )
    total, seen = sum(weight for _, weight in sizes), 0.0
    for size, weight in sizes:
        seen += weight
        if seen >= total * _MOST / 100:
            return size
    return 0
