"""frappe.cache: pickled values under `<db_name>|<key>`.

As in v15, a lost connection is swallowed by most methods, which then behave as on a miss.
Those for lists and sets are not guarded, and any other error of Redis (READONLY, OOM) is raised by all.
"""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from typing import Any

import frappe
import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisWrapper(redis.Redis):
    def make_key(self, key: str, user: str | None = None) -> str:
        return f"{frappe.conf['db_name']}|user:{user}:{key}" if user else f"{frappe.conf['db_name']}|{key}"

    def get_value(self, key: str, user: str | None = None) -> Any:
        with suppress(RedisConnectionError):
            return _loads(self.get(self.make_key(key, user)))

    def set_value(self, key: str, value: object, user: str | None = None, expires_in_sec: int | None = None) -> None:
        with suppress(RedisConnectionError):
            if expires_in_sec and frappe.MAJOR < 15:
                self.setex(self.make_key(key, user), expires_in_sec, _dumps(value))
            else:
                self.set(self.make_key(key, user), _dumps(value), ex=expires_in_sec or None)

    def hget(self, name: str, key: str) -> Any:
        with suppress(RedisConnectionError):
            return _loads(super().hget(self.make_key(name), key))

    def hset(self, name: str, key: str, value: object) -> None:
        with suppress(RedisConnectionError):
            super().hset(self.make_key(name), key, _dumps(value))

    def lpush(self, key: str, value: str) -> None:
        super().lpush(self.make_key(key), value)

    def rpush(self, key: str, value: str) -> None:
        super().rpush(self.make_key(key), value)

    def sismember(self, name: str, value: str) -> bool:
        return bool(super().sismember(self.make_key(name), value))

    def get_keys(self, pattern: str) -> list[bytes]:
        """Full names of the site's keys that match; by KEYS, as Frappe does."""
        with suppress(RedisConnectionError):
            return self.keys(self.make_key(pattern))
        return []

    def delete_keys(self, names: list[bytes]) -> None:
        """Delete full names, all in one command however many there are, as Frappe does."""
        with suppress(RedisConnectionError):
            if names:
                (self.unlink if frappe.MAJOR >= 15 else self.delete)(*names)


def clear_cache() -> None:
    """Delete every key of the site but the persistent ones."""
    from frappe.hooks import persistent_cache_keys

    names = set(frappe.cache.get_keys("*"))
    for pattern in persistent_cache_keys:
        names.difference_update(frappe.cache.get_keys(pattern))
    frappe.cache.delete_keys(sorted(names))
    if frappe.MAJOR >= 16:
        frappe.client_cache.erase_persistent_caches(json.dumps({"doctype": None, "site": frappe.site}))


def _dumps(value: object) -> bytes:
    return pickle.dumps(value, protocol=5 if frappe.MAJOR >= 16 else pickle.DEFAULT_PROTOCOL)


def _loads(value: bytes | None) -> Any:
    return None if value is None else pickle.loads(value)
