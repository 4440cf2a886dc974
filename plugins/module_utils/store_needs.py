"""What Frappe and RQ need of a store, each asked of the server itself through the bench's own libraries.

Every probe works on keys under `benchfly:probe:` and removes them. It answers with a verdict:
`ok`, `setting` (works once the named setting is changed) or `no`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.benchfly.stores.plugins.module_utils.store_client import clients, redis, server

PREFIX = "benchfly:probe:"
# What Frappe's clear_cache does on a site with many keys; Dragonfly's defaults stop at 8192 and 65536.
MANY_KEYS, MANY_ARGUMENTS = 9_000, 70_000


@dataclass(frozen=True)
class Need:
    """One need and what the server answered."""

    need: str
    used_by: str
    answer: str
    verdict: str  # ok | setting | no
    remedy: str = ""


class Probe:
    """Asks one store, as `purpose` (cache or queue), on behalf of one version of Frappe."""

    def __init__(self, client: Any, purpose: str, frappe_major: int, bench_id: str) -> None:
        self.client, self.purpose, self.frappe_major, self.bench_id = client, purpose, frappe_major, bench_id
        self.prefix = f"{PREFIX}{uuid.uuid4().hex}:"
        self.engine = server(client)["engine"]

    def ask(self) -> list[Need]:
        """Every need of the purpose, in the order of their weight."""
        asked: list[Callable[[], Need]] = [self.eviction]
        if self.purpose == "cache":
            asked += [self.keys_beyond_default, self.unlink_many, self.tracking]
        else:
            asked += [self.job_life, self.empty_queue, self.client_list, self.publish]
        try:
            return [need for need in map(self._answer, asked) if need is not None]
        finally:
            for chunk in _batches(list(self.client.scan_iter(match=self.prefix + "*", count=1000)), 1000):
                self.client.unlink(*chunk)

    @staticmethod
    def _answer(ask: Callable[[], Need]) -> Need | None:
        try:
            return ask()
        except redis.exceptions.RedisError as error:
            return Need((ask.__doc__ or "").strip().rstrip("."), "", f"{type(error).__name__}: {error}", "no")

    def eviction(self) -> Need:
        """Memory policy fits the purpose."""
        info = self.client.info("memory")
        policy, limit = str(info.get("maxmemory_policy", "")), int(info.get("maxmemory", 0))
        evicts = policy not in ("", "noeviction")
        if self.purpose == "cache":
            good, why = evicts and limit > 0, "a full cache that refuses writes gives 500 on every page"
            remedy = "give the store a memory limit and eviction lru"
        else:
            good, why = not evicts, "an evicted job is a lost job"
            remedy = "set eviction none on the queue store"
        answer = f"maxmemory {limit >> 20} MiB, {policy or 'no policy'}"
        return Need("Memory policy fits the purpose", why, answer, "ok" if good else "setting", "" if good else remedy)

    def keys_beyond_default(self) -> Need:
        """KEYS returns every key."""
        for chunk in _batches(range(MANY_KEYS), 1000):
            self.client.mset({f"{self.prefix}key:{number}": 1 for number in chunk})
        found = len(self.client.keys(f"{self.prefix}key:*"))
        good = found == MANY_KEYS
        return Need(
            "KEYS returns every key",
            "frappe.clear_cache; what KEYS leaves out stays stale",
            f"{found} of {MANY_KEYS}",
            "ok" if good else "setting",
            "" if good else "start the server with --keys_output_limit=1000000 (role dragonfly does)",
        )

    def unlink_many(self) -> Need:
        """UNLINK takes all keys of a site in one command."""
        names = [f"{self.prefix}none:{number}" for number in range(MANY_ARGUMENTS)]
        need, used_by = "UNLINK takes all keys of a site in one command", "frappe.clear_cache"
        try:
            self.client.unlink(*names)
        except redis.exceptions.RedisError as error:
            remedy = "start the server with --max_multi_bulk_len=1000000 (role dragonfly does)"
            return Need(need, used_by, f"{MANY_ARGUMENTS} keys: {error}", "setting", remedy)
        return Need(need, used_by, f"{MANY_ARGUMENTS} keys accepted", "ok")

    def tracking(self) -> Need | None:
        """CLIENT TRACKING with REDIRECT on RESP2."""
        if self.frappe_major < 16:
            return None
        need, used_by = "CLIENT TRACKING with REDIRECT on RESP2", "ClientCache of Frappe 16 and later"
        listener, tracked = (self.client.connection_pool.make_connection() for _side in range(2))

        def ask(connection: Any, *command: Any) -> Any:
            connection.send_command(*command)
            return connection.read_response()

        try:
            listener_id = ask(listener, "CLIENT", "ID")
            ask(listener, "SUBSCRIBE", "__redis__:invalidate")
            ask(tracked, "CLIENT", "TRACKING", "ON", "redirect", listener_id, "NOLOOP")
            ask(tracked, "GET", f"{self.prefix}tracked")
            self.client.set(f"{self.prefix}tracked", 1)
            arrived = listener.can_read(timeout=2)
        except redis.exceptions.ResponseError as error:
            remedy = "keep the cache on Redis or Valkey; only the queue may go to this engine"
            return Need(need, used_by, str(error), "no", remedy)
        finally:
            tracked.disconnect()
            listener.disconnect()
        if not arrived:
            return Need(
                need, used_by, "accepted, but no invalidation arrived", "no", "keep the cache on Redis or Valkey"
            )
        return Need(need, used_by, "an invalidation arrived", "ok")

    def job_life(self) -> Need:
        """A job can be enqueued, popped and read back."""
        from rq import Queue  # the bench's own
        from rq.job import Job

        need, used_by = "A job can be enqueued, popped and read back", "RQ, as Frappe pins it"
        queue = Queue(f"{self.prefix}queue".replace(":", "-"), connection=self.client)
        job = queue.enqueue_call(
            "operator.index", args=(1,), result_ttl=60, job_id=f"benchfly-probe-{uuid.uuid4().hex}"
        )
        try:
            popped = self.client.blpop([queue.key], timeout=2)
            self.client.xadd(f"{self.prefix}results", {"type": 1}, maxlen=10, approximate=True)
            self.client.zadd(f"{self.prefix}finished", {job.id: 1.5})
            again = Job.fetch(job.id, connection=self.client)
            good = popped is not None and popped[1].decode() == job.id and again.func_name == "operator.index"
            if hasattr(self.client, "blmove"):
                self.client.rpush(f"{self.prefix}left", job.id)
                good = good and self.client.blmove(f"{self.prefix}left", f"{self.prefix}right", 2) is not None
        finally:
            job.delete()
            queue.delete(delete_jobs=False)
        return Need(
            need, used_by, "it came back the same" if good else "it came back differently", "ok" if good else "no"
        )

    def empty_queue(self) -> Need:
        """RQ's script that empties a queue may touch the jobs."""
        from rq import Queue

        need, used_by = "RQ's script that empties a queue may touch the jobs", "bench purge-jobs"
        queue = Queue(f"{self.prefix}empty".replace(":", "-"), connection=self.client)
        try:
            queue.enqueue_call("operator.index", args=(1,), job_id=f"benchfly-probe-{uuid.uuid4().hex}")
            count = queue.empty()
        except redis.exceptions.ResponseError as error:
            remedy = "allow RQ's script by its SHA with --lua_undeclared_keys_shas (role dragonfly does)"
            return Need(need, used_by, str(error), "setting", remedy)
        finally:
            for job_id in queue.job_ids:
                self.client.unlink(f"rq:job:{job_id}")
            queue.delete(delete_jobs=False)
        return Need(need, used_by, f"{count} job removed", "ok" if count == 1 else "no")

    def client_list(self) -> Need:
        """CLIENT LIST names every client."""
        unnamed = [entry.get("addr", "?") for entry in clients(self.client) if "name" not in entry]
        need, used_by = "CLIENT LIST names every client", "RQ before 2.0 when a worker starts"
        if not unnamed:
            return Need(need, used_by, "every line has name=", "ok")
        remedy = "end the HTTP connection (a metrics scraper) to the store's port, or scrape over RESP"
        return Need(need, used_by, f"no name= for {', '.join(unnamed[:3])}", "setting", remedy)

    def publish(self) -> Need:
        """Published messages arrive."""
        channel = f"{self.prefix}events"
        listener = self.client.pubsub(ignore_subscribe_messages=True)
        try:
            listener.subscribe(channel)
            listener.get_message(timeout=1)
            self.client.publish(channel, "hello")
            message = listener.get_message(timeout=2) or listener.get_message(timeout=2)
        finally:
            listener.close()
        arrived = message is not None and message["data"] == b"hello"
        return Need(
            "Published messages arrive",
            "frappe.publish_realtime and socketio",
            "arrived" if arrived else "did not arrive within 4 s",
            "ok" if arrived else "no",
        )


def verdict(needs: list[Need]) -> str:
    """One word for a store: go, `settings` (go once they are changed), or no."""
    verdicts = {need.verdict for need in needs}
    return "no" if "no" in verdicts else "settings" if "setting" in verdicts else "go"


def _batches(items: Any, size: int) -> Any:
    return (items[start : start + size] for start in range(0, len(items), size))
