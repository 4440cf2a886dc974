"""Jobs over rq, named as Frappe names them: queue `<bench_id>:<queue>`, job `<site>::<id>`.

v14 leaves a job's id to rq unless the caller gives one; v16 writes `|` for every `:`, which rq 2 does not take.
"""

from __future__ import annotations

import importlib
import os
import socket
import time
from typing import Any
from uuid import uuid4

import frappe
from redis import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from rq import Queue, SimpleWorker, Worker
from rq.job import Job

TIMEOUTS = {"short": 300, "default": 300, "long": 1500}
RESULT_TTL = 600
FAILURE_TTL = 7 * 24 * 3600

# One per process, made at its first use and never again, whatever the configuration says later.
_redis_queue_conn: Redis | None = None


def get_redis_conn() -> Redis:
    """The process's connection to redis_queue. Only making it is tried again; a lost one raises at its next use."""
    global _redis_queue_conn
    if _redis_queue_conn is None:
        _redis_queue_conn = _connect(frappe.conf["redis_queue"], attempts=5)
    return _redis_queue_conn


def _connect(url: str, attempts: int) -> Redis:
    connection = Redis.from_url(url)
    for attempt in range(1, attempts + 1):
        try:
            connection.ping()
            break
        except (BusyLoadingError, RedisConnectionError):
            if attempt == attempts:
                raise
            time.sleep(1)
    return connection


def generate_qname(queue: str) -> str:
    bench_id = frappe.conf.get("bench_id") or str(frappe.bench_path).strip("/").replace("/", "-")
    return f"{bench_id}:{queue}"


def get_queues_timeout() -> dict[str, int]:
    """Seconds that a job of each queue may take, those of the bench's own queues among them."""
    return TIMEOUTS | {queue: worker["timeout"] for queue, worker in (frappe.conf.get("workers") or {}).items()}


def create_job_id(job_id: str | None) -> str | None:
    """The id of a job in the store; None leaves it to rq."""
    if job_id is None and frappe.MAJOR < 15:
        return None
    full = f"{frappe.site}::{job_id or uuid4()}"
    return full.replace(":", "|") if frappe.MAJOR >= 16 else full


def enqueue(method: str, queue: str = "default", job_id: str | None = None, **kwargs: Any) -> Job:
    """Enqueue `method`, a dotted name. When this returns, the job is in the queue."""
    return Queue(generate_qname(queue), connection=get_redis_conn()).enqueue_call(
        execute_job,
        kwargs={"site": frappe.site, "user": "Administrator", "method": method, "kwargs": kwargs},
        timeout=get_queues_timeout()[queue],
        job_id=create_job_id(job_id),
        result_ttl=int(frappe.conf.get("rq_results_ttl") or RESULT_TTL),
        failure_ttl=int(frappe.conf.get("rq_job_failure_ttl") or FAILURE_TTL),
    )


def execute_job(site: str, user: str, method: str, kwargs: dict[str, Any]) -> Any:
    """Runs in a work horse: a fork of the worker for this one job, with new connections to the worker's stores."""
    frappe.init(site)
    # What every job reads before its own work begins.
    frappe.get_hooks()
    frappe.cache.hget("defaults", user)
    module, _, name = method.rpartition(".")
    return getattr(importlib.import_module(module), name)(**kwargs)


def start_worker(queues: str, fork: bool = True) -> None:
    """Work on a comma-separated list of queues until told to stop (TERM: after the job in hand)."""
    frappe.init()
    connection = get_redis_conn()
    name = f"{uuid4().hex}.{socket.gethostname()}.{os.getpid()}.{queues}"
    kind = Worker if fork else SimpleWorker
    kind([generate_qname(queue) for queue in queues.split(",")], name=name, connection=connection).work()
