"""Copies keys between two stores by type, pipelined: the one road that every engine and version understands.

DUMP/RESTORE would tie both sides to one RDB version, and Dragonfly's streams cannot be restored by Redis 7.0 at all.
A key is written beside its place and renamed into it, so nobody sees half of one, and an existing key is never
overwritten. Keys may expire while they are read; that is not an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError

CHUNK = 500
BESIDE = b"benchfly:part:"  # what keys are named until they are whole

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def escaped(text: bytes) -> bytes:
    """Text as a glob pattern that matches it alone."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in text)


def copy_keys(source: Any, target: Any, kinds: dict[bytes, str], verify: bool = True) -> set[bytes]:
    """Copy keys, given as key -> type (hash, set, zset, list, stream, string), with their time to live.

    A key that the target has already is left as it is there; sets are united. Returns the keys that were written.
    Raises StoreError when a key reads back differently from the target (with `verify`).
    """
    written: set[bytes] = set()
    for chunk in chunks(kinds.items()):
        values = _read(source, chunk)
        new = _write(target, values)
        written.update(new)
        if verify and new:
            _compare(target, {key: values[key] for key in new})
    return written


def kinds_of(client: Any, keys: list[bytes]) -> dict[bytes, str]:
    """The type of each key that exists."""
    kinds: dict[bytes, str] = {}
    for chunk in chunks(keys):
        pipeline = client.pipeline(transaction=False)
        for key in chunk:
            pipeline.type(key)
        kinds.update({key: kind.decode() for key, kind in zip(chunk, pipeline.execute()) if kind != b"none"})
    return kinds


def _read(client: Any, keys: Iterable[tuple[bytes, str]]) -> dict[bytes, tuple[str, Any, int]]:
    """Of each key that has a value: key -> (type, value, milliseconds to live or -1)."""
    keys = list(keys)
    pipeline = client.pipeline(transaction=False)
    for key, kind in keys:
        _queue_read(pipeline, key, kind)
        pipeline.pttl(key)
    replies = pipeline.execute()
    return {
        key: (kind, value, life)
        for (key, kind), value, life in zip(keys, replies[::2], replies[1::2])
        if value and life != -2
    }


def _queue_read(pipeline: Any, key: bytes, kind: str) -> None:
    if kind == "hash":
        pipeline.hgetall(key)
    elif kind == "set":
        pipeline.smembers(key)
    elif kind == "zset":
        pipeline.zrange(key, 0, -1, withscores=True)
    elif kind == "list":
        pipeline.lrange(key, 0, -1)
    elif kind == "stream":
        pipeline.xrange(key)
    elif kind == "string":
        pipeline.get(key)
    else:
        raise StoreError(f"key {key!r} is of type {kind}, which cannot be moved; move or delete it by hand first")


def _write(client: Any, values: dict[bytes, tuple[str, Any, int]]) -> list[bytes]:
    """Write what the target does not have; return those keys."""
    whole = [key for key, (kind, _value, _life) in values.items() if kind != "set"]
    pipeline = client.pipeline(transaction=False)
    if whole:
        pipeline.unlink(*(BESIDE + key for key in whole))  # what a killed copy may have left
    for key, (kind, value, life) in values.items():
        if kind == "set":
            pipeline.sadd(key, *value)
        else:
            _queue_write(pipeline, BESIDE + key, kind, value)
            if life > 0:
                pipeline.pexpire(BESIDE + key, life)
    pipeline.execute()
    for key in whole:
        pipeline.renamenx(BESIDE + key, key)
    placed = dict(zip(whole, pipeline.execute(raise_on_error=False)))
    for reply in placed.values():
        if isinstance(reply, Exception) and "no such key" not in str(reply):  # which has expired meanwhile
            raise reply
    kept = [BESIDE + key for key, reply in placed.items() if reply is False]
    if kept:
        client.unlink(*kept)
    return [key for key, reply in placed.items() if reply is True]


def _queue_write(pipeline: Any, key: bytes, kind: str, value: Any) -> None:
    """Queue the commands that make `key`."""
    if kind == "hash":
        pipeline.hset(key, mapping=value)
    elif kind == "zset":
        pipeline.zadd(key, dict(value))
    elif kind == "string":
        pipeline.set(key, value)
    elif kind == "stream":
        for entry, fields in value:
            pipeline.xadd(key, fields, id=entry)
    else:
        for part in chunks(value, 10_000):
            pipeline.rpush(key, *part)


def _compare(client: Any, values: dict[bytes, tuple[str, Any, int]]) -> None:
    pipeline = client.pipeline(transaction=False)
    for key, (kind, _value, _life) in values.items():
        _queue_read(pipeline, key, kind)
    for (key, (_kind, value, life)), found in zip(values.items(), pipeline.execute()):
        if not found:
            if life < 0:
                raise StoreError(f"key {key!r} was written to the new store and is not there")
        elif found != value:
            raise StoreError(f"key {key!r} reads back differently from the new store; nothing of it was removed")
