"""Numbered jobs, and the logs that say which were enqueued by the scheduler, begun and executed.

A line of each log: `<n> <job id> <unix time, seconds> <pid>`. executed.log has a line for every execution, so a job
that ran twice is in it twice; one that is in started.log alone was running when its worker was killed.
"""

from __future__ import annotations

import os
import time

import frappe
from frappe.utils.background_jobs import enqueue
from rq import get_current_job


def enqueue_numbered(n: int, queue: str, job_id: str | None = None, sleep: float = 0, log: str | None = None) -> str:
    """Enqueue job number `n`, which takes `sleep` seconds. Returns its id."""
    job = enqueue("frappe.numbered.run", queue=queue, job_id=job_id, n=n, sleep=sleep)
    if log:
        _note(log, n, job.id)
    return job.id


def run(n: int, sleep: float) -> None:
    _note("started.log", n, get_current_job().id)
    if sleep:
        time.sleep(sleep)
    _note("executed.log", n, get_current_job().id)


def _note(log: str, n: int, job_id: str) -> None:
    frappe.write_log(log, f"{n} {job_id} {time.time():.3f} {os.getpid()}")
