"""Connections to a store, made with the redis-py of the bench whose Python runs the module (3.5 to 7)."""

from __future__ import annotations

import contextlib
import inspect
import time
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import server_in

try:
    import redis

    HAS_REDIS = True
except ImportError:  # the module says so with the interpreter it ran under
    HAS_REDIS = False

CLIENT_NAME = "benchfly"

# What a monitor's connection runs; none of these writes, so such a client need not be gone before a sweep.
_HARMLESS = {
    "client", "client|list", "command", "config", "config|get", "dbsize", "hello", "info", "latency", "memory",
    "ping", "psubscribe", "slowlog", "slowlog|get", "subscribe", "replconf", "psync",
}  # fmt: skip


class StoreError(Exception):
    """A store did not do what the move needs; the message names its address and what to do."""


def connect(url: str, name: str = CLIENT_NAME, timeout: float = 10.0) -> Any:
    """A client of the store at `url` that answers, with bytes in and bytes out.

    Raises StoreError naming the address (never the password) when it does not answer a PING.
    """
    options: dict[str, Any] = {"client_name": name, "socket_timeout": timeout}
    if not url.startswith("unix:"):  # redis-py before 5 knows no such option for a unix socket
        options["socket_connect_timeout"] = timeout
    if "protocol" in inspect.signature(redis.Connection.__init__).parameters:
        options["protocol"] = 2  # replies of one shape for every redis-py
    client = redis.Redis.from_url(url, **options)
    try:
        client.ping()
    except redis.exceptions.RedisError as error:
        said = str(error).rstrip(".")
        raise StoreError(f"the store at {redact(url)} does not answer: {said}{_next(error, url)}") from error
    return client


def _next(error: Exception, url: str) -> str:
    """What people can do about it, where the server's own words do not say."""
    if isinstance(error.__context__, OSError):
        return ". Start it, which `benchfly deploy` does for stores of the inventory, or mend the network"
    return _undecoded(url)


def _undecoded(url: str) -> str:
    """What to add when this redis-py does not decode a password of the URL, as 3.x does not."""
    if "%" not in url.rpartition("@")[0] or redis.VERSION[0] > 3:
        return ""
    return (
        f". The bench's redis-py {redis.__version__} takes the password of an URL as it is written there; give the "
        "store one of letters, digits, - and _"
    )


def server(client: Any) -> dict[str, str]:
    """Which engine answers, and its version: `{engine, version}`."""
    return server_in(client.info("server"))


def clients(client: Any) -> list[dict[str, str]]:
    """CLIENT LIST as dictionaries. Dragonfly leaves out `cmd` always and `name` on HTTP connections."""
    text = client.execute_command("CLIENT LIST", **{"NEVER_DECODE": True})
    if isinstance(text, list):  # parsed by redis-py already
        return [{str(key): str(value) for key, value in line.items()} for line in text]
    lines = text.decode(errors="replace").splitlines()
    return [dict(pair.partition("=")[::2] for pair in line.split()) for line in lines if line]


def writers(client: Any) -> list[dict[str, str]]:
    """The clients that may still write: neither ours, nor monitors, nor subscribers, nor HTTP.

    Dragonfly does not say what a client ran, so there every other one counts. Its flags do not tell either: a
    subscriber may write, and who runs MONITOR has the flag of who pipelines (1.40.1).
    """
    return [
        entry
        for entry in clients(client)
        if entry.get("name") != CLIENT_NAME
        and entry.get("http") != "true"
        and entry.get("cmd", "").lower() not in _HARMLESS
    ]


def close_ghosts(client: Any) -> list[str]:
    """Close what the store takes for connections of this host, and this host does not have; return their addresses.

    A host that lost its power says nothing to its servers, which believe in its connections until they ask, 60 to 300
    seconds later. What the store lists is read first, so a connection that is closed by us had ended by then.
    """
    own = str(client.client_id())
    listed = clients(client)
    here = next((entry.get("addr", "") for entry in listed if entry.get("id") == own), "").rpartition(":")
    ports = _open_ports()
    if here[2] not in ports:
        return []  # translated on the way, so an address says nothing
    ghosts = [
        entry["addr"]
        for entry in listed
        if entry.get("addr", "").rpartition(":")[0] == here[0] and entry["addr"].rpartition(":")[2] not in ports
    ]
    for address in ghosts:
        with contextlib.suppress(redis.exceptions.ResponseError):  # it is gone by now
            client.execute_command("CLIENT KILL", "ADDR", address)
    return ghosts


def _open_ports() -> set[str]:
    """Ports of this host's TCP connections whose owner could still write: established, or closed by the other side."""
    ports: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as stream:
            for line in list(stream)[1:]:
                _number, local, _remote, state = line.split()[:4]
                if state in ("01", "08"):
                    ports.add(str(int(local.rpartition(":")[2], 16)))
    return ports


def wait_until_quiet(client: Any, url: str, timeout: float) -> float:
    """Wait until nobody but us may write to the store; return the seconds it took.

    Raises StoreError that names the clients that stayed.
    """
    started = time.monotonic()
    while True:
        left = writers(client)
        waited = time.monotonic() - started
        if not left:
            return waited
        if waited >= timeout:
            named = ", ".join(
                f"{entry.get('addr')} (name {entry.get('name') or '-'}, last command {entry.get('cmd', '?')}, "
                f"connected for {entry.get('age')} s)"
                for entry in left[:5]
            )
            raise StoreError(
                f"{len(left)} clients are still connected to the former store at {redact(url)} after {timeout:g} s: "
                f"{named}. Each could still write there. End them (ss -tnp shows the process), then run the same verb "
                "again; it resumes"
            )
        time.sleep(0.05)
