"""What work costs on a store's host. Pure: a comparison and prices in, currency out.

The whole host is paid for the store; the hosts of benches and of load are not in it, nor are volumes and traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import RSS_RATIO, USABLE_RATIO

from benchfly.aws.prices import Prices, price
from benchfly.benchmark.comparison import CAPACITY, Comparison, Spread
from benchfly.benchmark.trials import Benchmark, Server

MONTH = 730  # hours
GB = 1e9


@dataclass(frozen=True)
class Cost:
    """What a store costs, in `currency`; None where nobody knows, which `why` says.

    hourly: the host. operations: a million of them at the latency objective, from its capacity's interval. data: a GB
    of payload for a month, on a host as full as it may be; items: 1,000 items (sessions, where the workload has them).
    """

    store: str
    engine: str
    type: str
    currency: str
    source: str
    hourly: float | None
    operations: Spread | None
    data: float | None
    items: float | None
    why: str


def costs(benchmark: Benchmark, comparison: Comparison, known: Sequence[Prices]) -> list[Cost]:
    """One for each store, in the benchmark's order."""
    return [_cost(server, benchmark, comparison, known) for server in benchmark.stores]


def types(benchmark: Benchmark) -> dict[str, str]:
    """Store -> instance type of its host; empty where it is not on EC2."""
    return {
        server.name: str(benchmark.environments.get(server.host, {}).get("instance_type") or "")
        for server in benchmark.stores
    }


def _cost(server: Server, benchmark: Benchmark, comparison: Comparison, known: Sequence[Prices]) -> Cost:
    kind = types(benchmark)[server.name]
    found = price(kind, known)
    if not kind or found is None:
        why = f"no price of {kind} is known" if kind else f"{server.host or server.at} is no instance of EC2"
        return Cost(server.name, server.engine, kind, "", "", None, None, None, None, why)
    hourly, source = found
    capacity = _capacity(server.name, comparison)
    held = _held(server, benchmark)
    reasons = [
        *([] if capacity else ["no capacity at a latency objective was measured"]),
        *([] if held else ["the memory of its data or of its host was not noted"]),
    ]
    bytes_held, items_held = held or (None, None)
    return Cost(
        store=server.name,
        engine=server.engine,
        type=kind,
        currency=source.currency,
        source=f"{source.source}, {source.as_of}",
        hourly=hourly,
        operations=_million(hourly, capacity) if capacity else None,
        data=hourly * MONTH / (bytes_held / GB) if bytes_held else None,
        items=hourly * MONTH / (items_held / 1000) if items_held else None,
        why="; ".join(reasons),
    )


def _capacity(store: str, comparison: Comparison) -> Spread | None:
    return next((row.interval for row in comparison.rows if row.store == store and row.metric is CAPACITY), None)


def _million(hourly: float, capacity: Spread) -> Spread | None:
    """What a million operations cost: dear where the capacity is low."""
    if min(capacity.low, capacity.median, capacity.high) <= 0:
        return None
    median, low, high = (hourly / 3600 / rate * 1e6 for rate in (capacity.median, capacity.high, capacity.low))
    return Spread(median, low, high)


def _held(server: Server, benchmark: Benchmark) -> tuple[float, float] | None:
    """Bytes of payload, and items, that a host holds which is as full as benchfly lets one be."""
    memory = benchmark.environments.get(server.host, {}).get("memory")
    total = sum(family.items for family in benchmark.workload.families)
    if not memory or not server.memory_bytes or not server.items or not total:
        return None
    fits = float(memory) * USABLE_RATIO / RSS_RATIO / server.memory_bytes
    return fits * server.items * benchmark.workload.bytes / total, fits * server.items
