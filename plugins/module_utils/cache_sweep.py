"""Moves what a Frappe cache keeps and SQL does not have: queues of rows not yet written, and user settings.

The rest of a cache starts cold: copied while old processes still invalidate keys, it would serve stale values.
Source: hooks.persistent_cache_keys, deferred_insert, global_search, monitor and user_settings of Frappe v14 to v16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import chunks, copy_keys, escaped, kinds_of

# Lists of pending work, by what the key has after `<db_name>|`, with the side that Frappe takes the oldest item from.
LISTS = {b"insert_queue_for_*": "left", b"monitor-transactions": "left", b"global_search_queue": "right"}
# Everything else that clear_cache spares or that reaches SQL late.
KEYS = (b"_user_settings", b"changelog-*")
# A list on its way out of a store, and how much of it the target has.
_OUT, _IN = b"benchfly:out:", b"benchfly:in:"


@dataclass
class CacheSwept:
    """What a sweep of a cache moved."""

    lists: int = 0
    items: int = 0
    keys: int = 0


class CacheSweep:
    """The durable part of one bench's cache, on its way from `source` to `target`; the sites by their db_name."""

    def __init__(self, source: Any, target: Any, databases: list[str]) -> None:
        self.source, self.target = source, target
        self.sites = [name.encode() + b"|" for name in databases]
        self.swept = CacheSwept()

    def run(self) -> CacheSwept:
        """Move it. The source must be quiet; the target may be in use."""
        for site in self.sites:
            for pattern, side in LISTS.items():
                for key in self._found(site, pattern):
                    self._move_list(key, side)
            for pattern in KEYS:
                keys = kinds_of(self.source, self._found(site, pattern))
                hashes = [key for key, kind in keys.items() if kind == "hash"]
                for key in hashes:
                    self._merge_hash(key)
                self.swept.keys += len(
                    copy_keys(self.source, self.target, {key: kind for key, kind in keys.items() if kind != "hash"})
                )
                for chunk in chunks(keys):
                    self.source.unlink(*chunk)
        return self.swept

    def _found(self, site: bytes, pattern: bytes) -> list[bytes]:
        """Keys of a site in the source, with those that a killed sweep had set aside or marked in either store."""
        found = set(self.source.scan_iter(match=escaped(site) + pattern, count=1000))
        for store in (self.source, self.target):
            for prefix in (_OUT, _IN):
                aside = store.scan_iter(match=escaped(prefix + site) + pattern, count=1000)
                found.update(key[len(prefix) :] for key in aside)
        return sorted(found)

    def _move_list(self, key: bytes, side: str) -> None:
        """Move a list chunk by chunk; each chunk and the count of what arrived are one transaction on the target."""
        self._settle_list(key, side)
        if self.source.exists(key):
            self.source.rename(key, _OUT + key)
            self._push(key, side)

    def _settle_list(self, key: bytes, side: str) -> None:
        """Finish what a killed sweep began: one that went this way, or one that went the other way."""
        if self.source.exists(_OUT + key):
            self._push(key, side)
        self.target.delete(_IN + key)
        if self.target.exists(_OUT + key):
            # The other way round: what had not arrived in the source yet goes back to where it was.
            items = self._newest_first(self.target.lrange(_OUT + key, 0, -1), side)
            pipeline = self.target.pipeline(transaction=True)
            for chunk in chunks(items[int(self.source.get(_IN + key) or 0) :]):
                self._add(pipeline, key, side, chunk)
            pipeline.delete(_OUT + key)
            pipeline.execute()
        self.source.delete(_IN + key)

    def _push(self, key: bytes, side: str) -> None:
        items = self._newest_first(self.source.lrange(_OUT + key, 0, -1), side)
        arrived = int(self.target.get(_IN + key) or 0)
        for chunk in chunks(items[arrived:]):
            pipeline = self.target.pipeline(transaction=True)
            self._add(pipeline, key, side, chunk)
            arrived += len(chunk)
            pipeline.set(_IN + key, arrived)
            pipeline.execute()
        self.source.delete(_OUT + key)
        self.target.delete(_IN + key)
        self.swept.lists += 1
        self.swept.items += len(items)

    @staticmethod
    def _newest_first(items: list[bytes], side: str) -> list[bytes]:
        return items[::-1] if side == "left" else items

    @staticmethod
    def _add(pipeline: Any, key: bytes, side: str, items: list[bytes]) -> None:
        """Put items, newest first, at the end that Frappe takes from: they are older than all that is there."""
        if side == "left":
            pipeline.lpush(key, *items)
        else:
            pipeline.rpush(key, *items)

    def _merge_hash(self, key: bytes) -> None:
        """Add the fields that the target does not have; those it has are newer."""
        for chunk in chunks(self.source.hscan_iter(key, count=1000)):
            pipeline = self.target.pipeline(transaction=False)
            for name, value in chunk:
                pipeline.hsetnx(key, name, value)
            pipeline.execute()
        self.swept.keys += 1
