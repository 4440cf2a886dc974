"""One asking of one store on behalf of one bench: its connections, its names, and what it has to clean up."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.store_client import connect, redis

PREFIX = "benchfly:probe:"
# Where a probe is killed, the server itself forgets what it wrote, but for the registry that RQ was writing just then.
TTL = 120
_AT_ONCE = 1000


class Probe:
    """Asks the store at `url`, as `purpose` (cache or queue), for a bench with that major version of Frappe.

    config: the bench's common_site_config.json. former: URL of the store that the bench uses for it today, or empty.
    """

    def __init__(
        self, url: str, purpose: str, frappe: int, bench_id: str, config: dict[str, Any] | None = None, former: str = ""
    ) -> None:
        self.url, self.purpose, self.frappe, self.bench_id = url, purpose, frappe, bench_id
        self.config, self.former = config or {}, former
        self.id = uuid.uuid4().hex
        self.server = {"engine": "", "version": ""}  # of the server, once it has answered
        self._names: set[str] = set()
        self._clients: list[Any] = []
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The connection that most questions use. Raises StoreError when nobody answers."""
        if self._client is None:
            self._client = self.another()
        return self._client

    def another(self, url: str = "") -> Any:
        """A client with connections of its own, to this store or to the one at `url`."""
        client = connect(url or self.url)
        self._clients.append(client)
        return client

    def as_user(self, name: str, password: str) -> Any:
        """A client like `another`, under another user's name."""
        pool = self.client.connection_pool
        options = {**pool.connection_kwargs, "username": name, "password": password}
        client = redis.Redis(connection_pool=redis.ConnectionPool(pool.connection_class, **options))
        self._clients.append(client)
        return client

    def name(self, name: str) -> str:
        """The name of a key of this probe; it is removed when the probe ends."""
        return self.own(f"{PREFIX}{self.id}:{name}")

    def own(self, name: str) -> str:
        """Take a key that somebody else names (RQ) for this probe's; it is removed when the probe ends."""
        self._names.add(name)
        return name

    def expire(self) -> None:
        """Have the server forget every key so far by itself, should this process be killed."""
        pipeline = self.client.pipeline(transaction=False)
        for name in self._names:
            pipeline.expire(name, TTL)
        pipeline.execute(raise_on_error=False)

    def close(self) -> None:
        """Remove every key and connection of this probe, as far as the server still answers."""
        with suppress(redis.exceptions.RedisError):
            for names in batches(sorted(self._names) if self._client else [], _AT_ONCE):
                self.client.delete(*names)
        for client in self._clients:
            client.connection_pool.disconnect()

    @contextmanager
    def bare(self, http: bool = False) -> Iterator[socket.socket]:
        """A connected socket (with TLS where the URL has it) on which nothing was said yet.

        With `http` a scraper's request was sent, and the connection stays open.
        """
        # The only way that every redis-py offers: it makes the socket as its own connections are made.
        stream = self.client.connection_pool.make_connection()._connect()
        stream.settimeout(5)
        try:
            if http:
                # Without Host:, which makes Redis log an attack.
                stream.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                with suppress(OSError):
                    stream.recv(1)  # so the server has taken notice
            yield stream
        finally:
            stream.close()

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def batches(items: Any, size: int) -> Iterable[Any]:
    """Slices of a sequence."""
    return (items[start : start + size] for start in range(0, len(items), size))
