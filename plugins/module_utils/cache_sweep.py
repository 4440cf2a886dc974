"""Moves what a Frappe cache keeps and SQL does not have: queues of rows not yet written, and user settings.

The rest of a cache starts cold, and on the target is made so: while some processes of a bench already use one store and
some still the other, each invalidates its own alone, and what a store still has from an earlier stay is older still.
Source: hooks.persistent_cache_keys, deferred_insert, global_search, monitor and user_settings of Frappe v14 to v16.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.key_copy import chunks, copy_keys, kinds_of

# Lists of pending work, by what the key has after `<db_name>|`, with the side that Frappe takes the oldest item from.
LISTS = {b"insert_queue_for_*": "left", b"monitor-transactions": "left", b"global_search_queue": "right"}
# Everything else that Frappe's own hooks have clear_cache spare, or that reaches SQL late.
KEYS = (b"_user_settings", b"changelog-*", b"recorder-*", b"rate-limit-counter-*", b"rl:*")
DURABLE = (*LISTS, *KEYS)
# What benches keep under no site's name and must not find again as it was: assets by their names with hashes.
_SHARED = b"assets_json"
# A list on its way out of a store, and how much of it the target has.
_OUT, _IN = b"benchfly:out:", b"benchfly:in:"
_COUNT = 5000  # keys that one SCAN looks at: a millisecond or two of the server's time


@dataclass
class CacheSwept:
    """What a sweep of a cache moved."""

    lists: int = 0
    items: int = 0
    keys: int = 0
    cold: int = 0  # keys that the target had and that may be stale


def durable_keys(client: Any, databases: Iterable[str], patterns: tuple[bytes, ...] = DURABLE) -> dict[bytes, bytes]:
    """The sites' keys that must not be lost -> what Frappe calls them, which differs for a list that is set aside.

    Whatever the size of the cache, only names that begin like those wanted come over the wire.
    """
    sites, found = {name.encode() for name in databases}, {}
    initials = b"".join(sorted({pattern[:1] for pattern in patterns}))
    plain_letters = initials.replace(b"_", b"").isalnum()
    for key in client.scan_iter(match=b"*|[" + initials + b"]*" if plain_letters else b"*|*", count=_COUNT):
        plain = _without_mark(key)
        if _is_durable(plain, sites, patterns):
            found[key] = plain
    return found


def is_pending_work(key: bytes) -> bool:
    """Whether a key is one of the lists of work that SQL does not have yet."""
    return any(_is(key, pattern) for pattern in LISTS)


class CacheSweep:
    """The durable part of one bench's cache, on its way from `source` to `target`; the sites by their db_name."""

    def __init__(self, source: Any, target: Any, databases: list[str], persistent: Iterable[str] = ()) -> None:
        """`persistent` are the beginnings of keys that the bench's apps want spared when a cache is cleared."""
        self.source, self.target = source, target
        self.patterns = (*DURABLE, *(name.rstrip("*").encode() + b"*" for name in persistent if name.strip("*")))
        self.sites = {name.encode() for name in databases}
        self.databases = databases
        self.swept = CacheSwept()

    def run(self) -> CacheSwept:
        """Move it. The source must be quiet; the target may be in use."""
        aside = self.start_cold()
        durable = durable_keys(self.source, self.databases, self.patterns)
        aside.update(plain for key, plain in durable.items() if key != plain)
        kinds = kinds_of(self.source, [key for key, plain in durable.items() if key == plain])
        lists = {key for key, kind in kinds.items() if kind == "list"}
        for key in sorted(lists | aside):
            self._move_list(key, next((side for pattern, side in LISTS.items() if _is(key, pattern)), "left"))
        for key in [key for key, kind in kinds.items() if kind == "hash"]:
            self._merge_hash(key)
        others = {key: kind for key, kind in kinds.items() if kind not in ("hash", "list")}
        self.swept.keys += len(copy_keys(self.source, self.target, others))
        for chunk in chunks(key for key in kinds if key not in lists):
            self.source.unlink(*chunk)
        return self.swept

    def start_cold(self) -> set[bytes]:
        """Remove from the target what the bench had cached there; return the lists that a killed sweep has marked."""
        aside = self.clear()
        self.swept.cold += self.target.unlink(_SHARED)
        return aside

    def clear(self) -> set[bytes]:
        """The same of the sites alone, without what all of the bench's share."""
        aside: set[bytes] = set()

        def stale() -> Iterable[bytes]:
            for key in self.target.scan_iter(match=b"*|*", count=_COUNT):
                plain = _without_mark(key)
                if _is_durable(plain, self.sites, self.patterns):
                    aside.update({plain} - {key})
                elif key.partition(b"|")[0] in self.sites:
                    yield key

        for chunk in chunks(stale()):
            self.swept.cold += self.target.unlink(*chunk)
        return aside

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


def _is(key: bytes, pattern: bytes) -> bool:
    return fnmatchcase(key.partition(b"|")[2], pattern)


def _is_durable(key: bytes, sites: Container[bytes], patterns: tuple[bytes, ...]) -> bool:
    return key.partition(b"|")[0] in sites and any(_is(key, pattern) for pattern in patterns)


def _without_mark(key: bytes) -> bytes:
    """The key that a list which is set aside, or the count of what arrived of it, belongs to."""
    return next((key[len(mark) :] for mark in (_OUT, _IN) if key.startswith(mark)), key)
