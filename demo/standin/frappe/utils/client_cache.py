"""frappe.client_cache of v16: what is read most is kept in the process, and Redis says when it has changed.

Redis tracks what each connection reads and sends the keys that others change to one connection of the process, its
invalidator: `CLIENT TRACKING ON redirect <id> NOLOOP`, in RESP2. How it fails is v16's:
- The invalidator loses its connection: forget all, try again in a second; after ten times serve from Redis for ever.
- The server does not know the invalidator (it was restarted): serve from Redis for ever.
- Any other refusal of the server is raised, by every call: on such a server v16 does not run.
"""

from __future__ import annotations

import pickle
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from frappe.utils.redis_wrapper import RedisWrapper

_CHANNELS = ("__redis__:invalidate", "clear_persistent_cache")
_MOST_KEYS = 1024
_SECONDS = 600
_RETRIES = 10


class ClientCache:
    """Values of `cache` that this process has read, for ten minutes at most or until somebody changes them."""

    def __init__(self, url: str, cache: RedisWrapper) -> None:
        self.healthy = True
        self._cache = cache
        self._local: dict[str, tuple[Any, float]] = {}  # full key -> value, and when it ends
        self._pool = redis.ConnectionPool.from_url(url)
        try:
            self._invalidator = self._pool.get_connection()
            self._invalidator.send_command("CLIENT", "ID")
            number = self._invalidator.read_response()
            self._invalidator.send_command("SUBSCRIBE", *_CHANNELS)
        except RedisConnectionError:
            self.healthy = False
            return
        # The class given here wins over the one that the URL asks for: unix:// and rediss:// do not work, as in v16.
        self._tracked = redis.Redis.from_url(url, protocol=2, connection_class=_TrackedConnection, invalidator=number)
        threading.Thread(target=self._watch, daemon=True).start()

    def get_value(self, key: str) -> Any:
        if not self.healthy:
            return self._cache.get_value(key)
        name = self._cache.make_key(key)
        value, ends = self._local.get(name, (None, 0.0))
        if ends > time.monotonic():
            return value
        found = None
        with suppress(RedisConnectionError):
            found = self._ask("GET", name)
        if found is None:
            return None
        while len(self._local) >= _MOST_KEYS:
            self._local.pop(next(iter(self._local)), None)
        value = pickle.loads(found)
        self._local[name] = (value, time.monotonic() + _SECONDS)
        return value

    def set_value(self, key: str, value: object) -> None:
        """By a tracked connection: others forget the key, and NOLOOP spares this process the message."""
        if not self.healthy:
            self._cache.set_value(key, value)
            return
        name = self._cache.make_key(key)
        with suppress(RedisConnectionError):
            self._ask("SET", name, pickle.dumps(value, protocol=5))
        self._local[name] = (value, time.monotonic() + _SECONDS)

    def erase_persistent_caches(self, message: str) -> None:
        with suppress(RedisConnectionError):
            self._cache.publish("clear_persistent_cache", message)

    def _ask(self, *command: Any) -> Any:
        try:
            return self._tracked.execute_command(*command)
        except ResponseError as error:
            said = str(error)
            if "client ID" in said and "does not exist" in said:
                self.healthy = False
                return self._cache.execute_command(*command)
            if "unknown subcommand" in said.lower():
                raise RuntimeError("Frappe v16 needs Redis 6.0 or later") from error
            raise

    def _watch(self) -> None:
        """The invalidator's thread: forget what others change. It subscribes again, but has another id by then."""
        retries = 0
        while self.healthy:
            try:
                kind, channel, data = self._invalidator.read_response()
                if kind != b"message" or channel != b"__redis__:invalidate":
                    continue
                if data is None:
                    self._local.clear()  # FLUSHALL
                for name in data or ():
                    self._local.pop(name.decode(), None)
            except (RedisConnectionError, OSError):
                self._local.clear()
                retries += 1
                self.healthy = retries <= _RETRIES
                time.sleep(1)
                self._invalidator.disconnect()
                with suppress(RedisConnectionError):
                    self._invalidator.connect()
                    self._invalidator.send_command("SUBSCRIBE", *_CHANNELS)


class _TrackedConnection(redis.Connection):
    def __init__(self, *arguments: Any, invalidator: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._redirect = invalidator

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        self.send_command("CLIENT", "TRACKING", "ON", "redirect", self._redirect, "NOLOOP")
        self.read_response()
