"""A small steady load on a bench, through its own configuration, that shows what a move costs its users.

Three probes run side by side at a fixed rate: enqueue a numbered job, write and read a cache key, fetch a page. Each
attempt is one line in a file: `{"probe", "at" (unix time it was due), "ms" (from then on), "error"}`, so a stall shows
with its whole length (no coordinated omission).
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    CACHE_KEY,
    QUEUE_KEY,
    Bench,
    BenchError,
    replace_file,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError, connect, redis

# Any worker can run it: no code of ours in the bench. It returns its argument.
JOB = "operator.index"
UNFINISHED = (b"queued", b"started", b"deferred", b"scheduled")
CURRENT = "canary.current"
JOB_LIFE = 3600  # seconds that a canary's job and its result are kept, until they are counted


@dataclass
class Jobs:
    """What became of the canary's jobs."""

    acknowledged: int = 0
    executed: int = 0
    waiting: int = 0  # queued or running when we stopped to wait
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)


class Store:
    """The store that a key of the bench's configuration names, reconnected whenever the configuration changes."""

    def __init__(self, bench: Bench, key: str) -> None:
        self._bench, self._key = bench, key
        self._read_at, self._url, self._client = -1, "", None

    def client(self) -> Any:
        changed_at = self._bench.common_site_config.stat().st_mtime_ns
        if changed_at != self._read_at:
            url = self._bench.config()[self._key]
            if url != self._url:
                self.close()
                self._client, self._url = connect(url, name="benchfly-canary"), url
            self._read_at = changed_at
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.connection_pool.disconnect()
            self._client, self._url = None, ""


class Canary:
    """Probes one bench for as long as `current` holds its name, so that there is one a bench at most."""

    def __init__(self, bench: Bench, name: str, folder: Path, rate: float, ping_url: str) -> None:
        self.bench, self.name = bench, name
        self.log, self.current = folder / f"canary-{name}.jsonl", folder / CURRENT
        self.interval, self.ping_url = 1 / rate, ping_url
        self.acknowledged: list[str] = []
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def run(self, seconds: float) -> None:
        """Probe; returns when told to stop, or when `seconds` have passed."""
        replace_file(self.log, b"", mode=0o600)
        replace_file(self.current, self.name.encode(), mode=0o600)
        config = self.bench.config()
        probes: list[Callable[[], None]] = []
        if QUEUE_KEY in config:
            probes.append(self._probe("enqueue", self._enqueue, Store(self.bench, QUEUE_KEY)))
        if CACHE_KEY in config:
            probes.append(self._probe("cache", self._cache, Store(self.bench, CACHE_KEY)))
        if self.ping_url:
            probes.append(self._probe("http", self._http, None))
        threads = [threading.Thread(target=probe, daemon=True) for probe in probes]
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.start()
        while self._is_current() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._stopped.set()
        for thread in threads:
            thread.join(timeout=30)

    def _is_current(self) -> bool:
        return self.current.exists() and self.current.read_text(encoding="utf-8") == self.name

    def _probe(
        self, name: str, attempt: Callable[[Store | None, int], None], store: Store | None
    ) -> Callable[[], None]:
        def loop() -> None:
            number, due = 0, time.time()
            while not self._stopped.is_set():
                number += 1
                error = ""
                try:
                    attempt(store, number)
                except (redis.exceptions.RedisError, StoreError, BenchError, OSError) as problem:
                    error = f"{type(problem).__name__}: {problem}"
                    if store is not None:
                        store.close()
                self._note({"probe": name, "at": due, "ms": round((time.time() - due) * 1000, 3), "error": error})
                due += self.interval
                self._stopped.wait(max(0.0, due - time.time()))
            if store is not None:
                store.close()

        return loop

    def _note(self, line: dict[str, Any]) -> None:
        with self._lock, self.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def _enqueue(self, store: Store, number: int) -> None:
        from rq import Queue  # the bench's own

        queue = Queue(f"{self.bench.bench_id()}:short", connection=store.client())
        job_id = f"benchfly-canary-{self.name}-{number}"
        queue.enqueue_call(JOB, args=(number,), job_id=job_id, result_ttl=JOB_LIFE, failure_ttl=JOB_LIFE)
        self.acknowledged.append(job_id)

    def _cache(self, store: Store, number: int) -> None:
        client, key = store.client(), f"benchfly:canary:{self.name}"
        client.set(key, number, ex=60)
        if client.get(key) != str(number).encode():
            raise StoreError("the cache gave back another value than was written")

    def _http(self, _store: None, _number: int) -> None:
        with urllib.request.urlopen(self.ping_url, timeout=60) as answer:
            answer.read()

    def account(self, patience: float) -> Jobs:
        """Wait until the jobs have run, say what became of each, and delete those that have.

        RQ adds an entry to a job's results each time it runs (from 1.13 on), so a second run shows. A canary that
        another one has replaced does not wait: nobody reads what it would say.
        """
        jobs, deadline = Jobs(acknowledged=len(self.acknowledged)), time.monotonic() + patience
        store, statuses = Store(self.bench, QUEUE_KEY), {}
        while True:
            # The configuration may change meanwhile, and nobody must stay connected to a store that is being left.
            commands = [("hget", f"rq:job:{job}", "status") for job in self.acknowledged]
            statuses = dict(zip(self.acknowledged, _pipelined(store.client(), commands)))
            open_jobs = [job for job, status in statuses.items() if status in UNFINISHED]
            if not open_jobs or self.current.exists() or time.monotonic() >= deadline:
                break
            time.sleep(0.2)
        done = [job for job, status in statuses.items() if status == b"finished"]
        runs = _pipelined(store.client(), [("xlen", f"rq:results:{job}") for job in done])
        jobs.executed, jobs.waiting = len(done), len(open_jobs)
        jobs.lost = [job for job, status in statuses.items() if status != b"finished" and status not in UNFINISHED]
        jobs.duplicated = [job for job, count in zip(done, runs) if count > 1]
        self._remove(store.client(), done)
        store.close()
        return jobs

    def _remove(self, client: Any, jobs: list[str]) -> None:
        registry = f"rq:finished:{self.bench.bench_id()}:short"
        for job in jobs:
            client.unlink(f"rq:job:{job}", f"rq:results:{job}")
            client.zrem(registry, job)


def longest_gaps(lines: list[dict[str, Any]], since: float, until: float) -> dict[str, float]:
    """Of each probe, the longest time in milliseconds between two successes that touches the interval.

    The pause between two attempts of an undisturbed probe is part of it, so compare it with a quiet interval.
    """
    gaps: dict[str, float] = {}
    for probe in {line["probe"] for line in lines}:
        ends = sorted(line["at"] + line["ms"] / 1000 for line in lines if line["probe"] == probe and not line["error"])
        pairs = [(before, after) for before, after in zip(ends, ends[1:]) if after > since and before < until]
        gaps[probe] = round(max((after - before for before, after in pairs), default=0.0) * 1000, 1)
    return gaps


def _pipelined(client: Any, commands: list[tuple[str, ...]]) -> list[Any]:
    replies: list[Any] = []
    for start in range(0, len(commands), 500):
        pipeline = client.pipeline(transaction=False)
        for name, *arguments in commands[start : start + 500]:
            getattr(pipeline, name)(*arguments)
        replies += pipeline.execute()
    return replies
