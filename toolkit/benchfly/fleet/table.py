"""A fleet as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchfly.fleet.model import Bench, Fleet, Store


def fleet_table(fleet: Fleet) -> RenderableType:
    """Stores with their hosts, benches with their stores, and load generators."""
    parts: list[RenderableType] = []
    if fleet.stores:
        parts += [stores_table(fleet.stores.values()), ""]
    if fleet.benches:
        parts += [_benches_table(fleet.benches.values()), ""]
    if any(fleet.schedules.values()):
        parts += [schedules_table(fleet.schedules), ""]
    generators = ", ".join(fleet.load_generators) or "this machine"
    return Group(*parts, Text(f"Load is made by {generators}."))


def stores_table(stores: Iterable[Store]) -> Table:
    """One row for each store."""
    columns = ("Store", "Purpose", "Engine", "Memory", "Eviction", "Host", "Address")
    rows = [
        (
            store.name,
            store.spec.purpose,
            store.spec.engine,
            size(store.spec.memory),
            store.spec.eviction,
            store.host,
            store.endpoint,
        )
        for store in stores
    ]
    return plain_table(columns, rows)


def schedules_table(schedules: Mapping[str, Sequence[Schedule]]) -> Table:
    """What is benchmarked when, on which control host."""
    rows = [
        (host, one.name, one.calendar, ", ".join(one.stores), one.workload, ", ".join(one.blackout))
        for host, found in schedules.items()
        for one in found
    ]
    return plain_table(("Control host", "Schedule", "When", "Stores", "Workload", "Never in"), rows)


def size(number: int) -> str:
    """Bytes as an inventory says them, such as 512mb or 2gb."""
    mebibytes = number // MIB
    return f"{mebibytes // 1024}gb" if mebibytes % 1024 == 0 else f"{mebibytes}mb"


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table without lines; what stands in its cells is text, not markup."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _benches_table(benches: Iterable[Bench]) -> Table:
    rows = [
        (
            bench.name,
            ", ".join(bench.hosts),
            bench.path,
            *(store or "stays" for store in (bench.cache_store, bench.queue_store)),
        )
        for bench in benches
    ]
    return plain_table(("Bench", "Hosts", "Path", "Cache", "Queue"), rows)
