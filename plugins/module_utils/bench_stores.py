"""The stores that a move comes from and goes to, as connections."""

from __future__ import annotations

from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import CACHE_KEY, QUEUE_KEY, same_store
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import close_ghosts, connect


def moved_keys(move: dict[str, Any]) -> list[str]:
    """Which of redis_cache and redis_queue name another server after the move, and one that is not retired yet."""
    record = move.get("retired", {})
    swept = [] if "restored" in record else [program["key"] for program in record.get("programs", {}).values()]
    return [
        key
        for key in (QUEUE_KEY, CACHE_KEY)
        if key in move["to"]
        and key not in swept
        and not same_store(move["from"].get(key, move["to"][key]), move["to"][key])
    ]


def both_sides(move: dict[str, Any]) -> list[Any]:
    """Every store that a move still has to do with. Raises StoreError when one of them does not answer."""
    wanted = {move["from"].get(key) for key in moved_keys(move)} | {
        move["to"].get(key) for key in (QUEUE_KEY, CACHE_KEY)
    }
    return [connect(url) for url in sorted(wanted - {None})]


def close_connections(stores: list[Any]) -> list[str]:
    """Close what only a store believes in: the former would wait for it, the new one hand it a job; the addresses."""
    return [address for store in stores for address in close_ghosts(store)]
