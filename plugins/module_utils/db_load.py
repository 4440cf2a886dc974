"""Plays requests to a site with its cache in one state or another, and has MariaDB say what each came to."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_database import Database
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    CACHE_KEY,
    Bench,
    BenchError,
    redact,
    same_store,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_web import Web, refuse_other_users
from ansible_collections.benchfly.stores.plugins.module_utils.cache_sweep import CacheSweep
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import connect

WARM, COLD, NONE = STATES = ("warm", "cold", "none")
UNREACHABLE = "unreachable"  # the store of the state none
MOST_PATHS = 100
_WARM_UP = 2  # passes before the one that counts, in every state: what they leave in the process itself is always there
_OVERRIDES = 15  # the first version of Frappe that takes a cache from its environment
_COUNT = 5000  # keys that one SCAN looks at


@dataclass(frozen=True)
class Site:
    """A site of a bench, with its configuration over the bench's."""

    bench: Bench
    name: str
    config: dict[str, Any]

    @property
    def database(self) -> str:
        """Its `db_name`, which its cache keys begin with."""
        return str(self.config["db_name"])

    @classmethod
    def find(cls, bench: Bench, wanted: str) -> Site:
        """The site of that name, else the bench's default one, else its only one. Raises BenchError."""
        sites, common = bench.site_configs(), bench.config()
        name = wanted or common.get("default_site") or (next(iter(sites)) if len(sites) == 1 else "")
        if name not in sites:
            reason = f"there is no site {name}" if name else "no default_site says which site is meant"
            raise BenchError(f"{reason}. Set db_load_site to one of: {', '.join(sites) or '(the bench has none)'}")
        return cls(bench, name, {**common, **sites[name]})


@dataclass(frozen=True)
class Cache:
    """A store by name and URL; `own` is the one that the bench's configuration names. One without client is none."""

    name: str
    url: str
    own: bool = False
    client: Any = None

    def keys(self, site: Site) -> Iterator[bytes]:
        """All that it holds of a site."""
        return iter(self.client.scan_iter(match=f"{site.database}|*", count=_COUNT))


class Round:
    """One round: every store in every state once. `given` is as the module bench_db_load takes it."""

    def __init__(self, site: Site, database: Database, given: dict[str, Any]) -> None:
        """Raises BenchError and StoreError for what cannot be measured."""
        self.site, self.database, self.given = site, database, given
        refuse_other_users(site.bench.path)
        if len(given["paths"]) > MOST_PATHS:
            raise BenchError(f"these are {len(given['paths'])} requests; {MOST_PATHS} are the most")
        own = str(site.config.get(CACHE_KEY, ""))
        stores = given["stores"] or {redact(own): own}
        others = not all(same_store(url, own) for url in stores.values())
        version = site.bench.version_of("frappe")
        if (others or NONE in given["states"]) and int(version.partition(".")[0] or 0) < _OVERRIDES:
            raise BenchError(
                f"Frappe {version} takes its cache from its configuration alone. Measure that, in the states warm and "
                "cold"
            )
        self.caches = [Cache(name, url, same_store(url, own), connect(url)) for name, url in stores.items()]
        for cache in self.caches:
            if not cache.own and not cache.client.exists(self._mark) and next(cache.keys(site), None) is not None:
                raise BenchError(
                    f"store {cache.name} at {redact(cache.url)} holds keys of site {site.name} that were not made "
                    "here. Name another store, or remove them first"
                )

    def passes(self) -> list[dict[str, Any]]:
        """What the passes came to, in an order drawn by lot. Raises BenchError, StoreError, OSError."""
        states = self.given["states"]
        turns = [(cache, state) for cache in self.caches for state in states if state != NONE]
        with ExitStack() as stack:
            for cache in self.caches:
                if not cache.own:
                    stack.enter_context(self._borrowed(cache))
            if NONE in states:
                turns.append((stack.enter_context(_unreachable()), NONE))
            random.shuffle(turns)
            return [self._pass(cache, state) for cache, state in turns]

    @property
    def _mark(self) -> str:
        """What says, in a store that is not the bench's own, that keys of the site there are ours; a kill leaves it."""
        return f"benchfly:db-load:{self.site.database}"

    @contextmanager
    def _borrowed(self, cache: Cache) -> Iterator[None]:
        """Such a store for the time of a block. Then it holds nothing of the site, unless the bench has moved there."""
        cache.client.set(self._mark, 1)
        try:
            yield
        finally:
            if not same_store(cache.url, str(self.site.bench.config().get(CACHE_KEY, ""))):
                for key in list(cache.keys(self.site)):
                    cache.client.unlink(key)
            cache.client.delete(self._mark)

    def _pass(self, cache: Cache, state: str) -> dict[str, Any]:
        url = "" if cache.own else cache.url
        with Web(self.site.bench.path, self.site.name, url, self.given["authorization"]) as web:
            self._warm_up(web, cache)
            if state == COLD:
                persistent = self.site.bench.persistent_cache_keys()
                CacheSweep(cache.client, cache.client, [self.site.database], persistent).clear()
            others = self._others()
            requests, seconds = self._play(web)
        return {
            "round": self.given["round"],
            "cache": cache.name,
            "state": state,
            "others": round(others, 3),
            "seconds": round(seconds, 3),
            "requests": requests,
            "spoilt": _failed(requests) or _disturbed(requests, others * seconds, self.given["noise"]),
        }

    def _warm_up(self, web: Web, cache: Cache) -> None:
        """Without a cache some pages of Frappe fail, and that is told with the pass; with one, nothing may."""
        for _ in range(_WARM_UP):
            failed = _failed(self._play(web)[0])
            if failed and cache.client:
                raise BenchError(
                    f"site {self.site.name} {failed}. Request what a guest may read, or say with "
                    "db_load_authorization who asks"
                )
        if cache.client and next(cache.keys(self.site), None) is None:
            raise BenchError(f"Frappe has cached nothing in {cache.name} at {redact(cache.url)}, so it uses another")

    def _play(self, web: Web) -> tuple[list[dict[str, Any]], float]:
        """What each request came to, and the seconds in which statements were counted."""
        requests, seconds = [], 0.0
        for path in self.given["paths"]:
            before, began = self.database.counts(), time.monotonic()
            status = web.get(path)
            asked = self.database.settled().since(before)
            seconds += time.monotonic() - began
            requests.append({"path": path, "status": status, **asdict(asked)})
        return requests, seconds

    def _others(self) -> float:
        """Statements a second that others send."""
        before, began = self.database.settled(), time.monotonic()
        time.sleep(self.given["quiet"])
        return self.database.counts().since(before).questions / (time.monotonic() - began)


@contextmanager
def _unreachable() -> Iterator[Cache]:
    """A store that refuses every connection: its port is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Cache(UNREACHABLE, f"redis://127.0.0.1:{taken.getsockname()[1]}")


def _failed(requests: list[dict[str, Any]]) -> str:
    failed = [f"{request['path']} with {request['status']}" for request in requests if request["status"] >= 400]
    return f"answers {', '.join(failed)}" if failed else ""


def _disturbed(requests: list[dict[str, Any]], others: float, noise: float) -> str:
    counted = sum(request["questions"] for request in requests)
    return f"others send about {others:.1f} of the {counted} statements counted" if others > noise * counted else ""
