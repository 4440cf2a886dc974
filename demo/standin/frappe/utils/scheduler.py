"""The scheduler: a process that enqueues what is due, once a tick."""

from __future__ import annotations

import time
import traceback

import frappe
from frappe.numbered import enqueue_numbered
from redis.exceptions import RedisError


def start_scheduler() -> None:
    """Tick for ever. Each tick reads the configuration anew, but the connection to the queue stays what it was."""
    while True:
        frappe.init()
        time.sleep(frappe.conf.get("scheduler_tick_interval") or 60)
        for site in frappe.get_sites():
            try:
                enqueue_events(site)
            except RedisError:
                traceback.print_exc()


def enqueue_events(site: str) -> None:
    """Enqueue the site's due job, unless maintenance or a pause forbids, and note it in scheduled.log once it is."""
    frappe.init(site)
    if frappe.conf.get("maintenance_mode") or frappe.conf.get("pause_scheduler"):
        return
    tick = time.time_ns() // 1_000_000  # unique also over restarts
    enqueue_numbered(tick, queue="long", job_id=f"scheduled_job::frappe.numbered.run::{tick}", log="scheduled.log")
