"""Realtime events: published on channel `events` of redis_queue, before v15 of redis_socketio; kept nowhere."""

from __future__ import annotations

import json
from contextlib import suppress

import frappe
from frappe.utils.background_jobs import get_redis_conn
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

STORE = "redis_queue" if frappe.MAJOR >= 15 else "redis_socketio"

# v14's own, one per process like that of the jobs.
_redis_server: Redis | None = None


def get_redis_server() -> Redis:
    global _redis_server
    if _redis_server is None:
        _redis_server = Redis.from_url(frappe.conf[STORE])
    return _redis_server


def publish_realtime(event: str, message: dict[str, object], room: str) -> None:
    """Publish, or lose the event when the store is down."""
    with suppress(RedisConnectionError):
        connection = get_redis_conn() if frappe.MAJOR >= 15 else get_redis_server()
        connection.publish(
            "events", json.dumps({"event": event, "message": message, "room": room, "namespace": frappe.site})
        )
