"""A stand-in for Frappe v14, v15 and v16: what they say to Redis, under Frappe's own names, and nothing else.

There is no login and no document, and a database only where a test has one (database.py). What is Frappe's here, and
only that: the names and shapes of keys, queues, jobs and channels; which process opens which connection, when, and from
which configuration; which errors of Redis are swallowed and which reach the user; the entry points that bench starts.
Behaviour follows Frappe 15.51 with rq 1.15.1 and redis-py 4.5.5, and where MAJOR says so v14 or v16 with the libraries
of theirs. Laid into a bench as apps/frappe/frappe by benchfly's demo, which writes the version that it is to be; never
installed elsewhere.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from frappe.utils.client_cache import ClientCache
from frappe.utils.redis_wrapper import RedisWrapper

__version__ = "15.51.1"

MAJOR = int(__version__.partition(".")[0])

bench_path = Path(__file__).resolve().parents[3]
sites_path = bench_path / "sites"

# Of the request or job in hand; read anew by init().
site: str | None = None
conf: dict[str, Any] = {}

# Made once per process, by the first init(), from the configuration of that moment. A later change of the
# configuration does not touch them: a living process stays with its store.
cache: RedisWrapper = None  # type: ignore[assignment]
# What is read most. v16 keeps it in the process; before it is `cache` itself.
client_cache: ClientCache | RedisWrapper = None  # type: ignore[assignment]


def init(site_name: str | None = None) -> None:
    """Begin a request or job: read the configuration anew, and connect the cache if this process has not yet."""
    global site, conf, cache, client_cache
    site, conf = site_name, get_site_config(site_name)
    if cache is None:
        cache = RedisWrapper.from_url(conf["redis_cache"])
        client_cache = ClientCache(conf["redis_cache"], cache) if MAJOR >= 16 else cache


def get_hooks() -> Any:
    return client_cache.get_value("app_hooks")


def get_site_config(site_name: str | None) -> dict[str, Any]:
    """Common configuration, the site's over it, and from v15 on the environment over both."""
    merged: dict[str, Any] = json.loads((sites_path / "common_site_config.json").read_text())
    if site_name:
        merged |= json.loads((sites_path / site_name / "site_config.json").read_text())
    if MAJOR >= 15:
        for key in ("redis_cache", "redis_queue"):
            merged[key] = os.environ.get(f"FRAPPE_{key.upper()}", merged[key])
    return merged


def get_sites() -> list[str]:
    return sorted(path.parent.name for path in sites_path.glob("*/site_config.json"))


def write_log(name: str, line: str) -> None:
    """Append a line to a log of the bench in a single write, so that processes never cut into each other's lines."""
    descriptor = os.open(bench_path / "logs" / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        data = f"{line}\n".encode()
        written = os.write(descriptor, data)
        if written < len(data):  # the disk is full; what is torn would spoil the next line as well
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    finally:
        os.close(descriptor)
