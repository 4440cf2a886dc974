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
_BESIDE = b"benchfly:part:"

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def escaped(text: bytes) -> bytes:
    """Text as a glob pattern that matches it alone."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in text)


def copy_keys(source: Any, target: Any, kinds: dict[bytes, str], verify: bool = True) -> int:
    """Copy keys, given as key -> type (hash, set, zset, list, stream, string), with their time to live.

    A key that the target has already is left as it is there; sets are united. Returns how many were written.
    Raises StoreError when a key reads back differently from the target (with `verify`).
    """
    written = 0
    for chunk in chunks(kinds.items()):
        values = _read(source, chunk)
        new = _write(target, values)
        written += len(new)
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
    pipeline = client.pipeline(transaction=False)
    renames: dict[int, bytes] = {}
    commands = 0
    for key, (kind, value, life) in values.items():
        if kind == "set":
            pipeline.sadd(key, *value)
            commands += 1
            continue
        beside = _BESIDE + key
        pipeline.unlink(beside)
        count = _queue_write(pipeline, beside, kind, value)
        if life > 0:
            pipeline.pexpire(beside, life)
            count += 1
        pipeline.renamenx(beside, key)
        renames[commands + 1 + count] = key
        pipeline.unlink(beside)
        commands += count + 3
    replies = pipeline.execute()
    return [key for index, key in renames.items() if replies[index]]


def _queue_write(pipeline: Any, key: bytes, kind: str, value: Any) -> int:
    """Queue the commands that make `key`; return how many."""
    if kind == "hash":
        pipeline.hset(key, mapping=value)
    elif kind == "zset":
        pipeline.zadd(key, dict(value))
    elif kind == "string":
        pipeline.set(key, value)
    elif kind == "stream":
        for entry, fields in value:
            pipeline.xadd(key, fields, id=entry)
        return len(value)
    else:
        parts = list(chunks(value, 10_000))
        for part in parts:
            pipeline.rpush(key, *part)
        return len(parts)
    return 1


def _compare(client: Any, values: dict[bytes, tuple[str, Any, int]]) -> None:
    found = _read(client, [(key, kind) for key, (kind, _value, _life) in values.items()])
    for key, (_kind, value, life) in values.items():
        if key not in found:
            if life < 0:
                raise StoreError(f"key {key!r} was written to the new store and is not there")
        elif found[key][1] != value:
            raise StoreError(f"key {key!r} reads back differently from the new store; nothing of it was removed")
