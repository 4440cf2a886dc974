"""What a verb is about to do, told from the fleet before anything is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import RenderableType

from benchfly.errors import RefusedError
from benchfly.fleet.model import Bench, Fleet
from benchfly.fleet.table import plain_table, schedules_table, stores_table

_COLUMNS = ("Bench", "Hosts", "Moves", "From", "To")


def migrate_plan(fleet: Fleet, benches: Iterable[Bench]) -> RenderableType:
    """From where each bench moves, and where to."""
    rows = [
        (bench.name, ", ".join(bench.hosts), purpose, _today(fleet, bench, purpose), _described(fleet, store))
        for bench in benches
        for purpose, store in bench.chosen.items()
    ]
    return plain_table(_COLUMNS, rows)


def rollback_plan(fleet: Fleet, benches: Iterable[Bench]) -> RenderableType:
    """From where each bench moves back; where to is in the journal on its hosts."""
    rows = [
        (
            bench.name,
            ", ".join(bench.hosts),
            purpose,
            _today(fleet, bench, purpose),
            "where it was before its last move",
        )
        for bench in benches
        for purpose in bench.chosen
    ]
    return plain_table(_COLUMNS, rows)


def deploy_plan(fleet: Fleet, benches: Sequence[Bench]) -> RenderableType:
    """Which stores are brought up where."""
    hosts = deploy_hosts(fleet, benches)
    return stores_table(store for store in fleet.stores.values() if store.host in hosts)


def deploy_hosts(fleet: Fleet, benches: Sequence[Bench]) -> list[str]:
    """Hosts whose stores are brought up: all of the fleet's, or for some of its benches those that carry their stores.

    Raises RefusedError when there is none.
    """
    wanted = fleet.stores.values() if len(benches) == len(fleet.benches) else fleet.stores_of(benches)
    if not wanted:
        raise RefusedError(
            "There is no store to deploy. Give a host of the group `stores` one, and name it in a bench."
        )
    return sorted({store.host for store in wanted})


def schedule_plan(fleet: Fleet, benches: Sequence[Bench]) -> RenderableType:
    """What is run when, on which control host. Raises RefusedError when there is nothing to install or to remove."""
    if not fleet.schedules:
        raise RefusedError(
            "There is no control host. Put the host that is to run benchmarks into the group `control`, and give it "
            "benchmark_schedules."
        )
    return schedules_table(fleet.schedules)


def changed_hosts(fleet: Fleet, benches: Sequence[Bench]) -> list[str]:
    """Hosts whose stores change their version, and those of benches, which are asked afterwards how they get on.

    A host of a bench that has stores of its own is left out, unless these are to change.
    """
    changed = deploy_hosts(fleet, benches)
    carriers = {store.host for store in fleet.stores.values()}
    return sorted({*changed, *(host for bench in benches for host in bench.hosts if host not in carriers)})


def _described(fleet: Fleet, name: str) -> str:
    store = fleet.stores[name]
    return f"{name} ({store.spec.engine} at {store.endpoint})"


def endpoint_today(bench: Bench, purpose: str) -> str | None:
    """host:port of the store in the configuration of a bench on this machine; None when it names none."""
    try:
        config = json.loads((Path(bench.path) / "sites/common_site_config.json").read_text(encoding="utf-8"))
        url = urlsplit(config[f"redis_{purpose}"])
    except (OSError, ValueError, KeyError):
        return None
    return f"{url.hostname}:{url.port}"


def _today(fleet: Fleet, bench: Bench, purpose: str) -> str:
    """The store that a bench on this machine has in its configuration; a bench elsewhere is asked by the playbook."""
    if not fleet.hosts[bench.hosts[0]].is_local:
        return "what its configuration says"
    endpoint = endpoint_today(bench, purpose)
    if endpoint is None:
        return "not configured"
    known = next((store.name for store in fleet.stores.values() if store.endpoint == endpoint), None)
    return _described(fleet, known) if known else endpoint
