"""Realtime events: published on channel `events` of redis_queue, kept nowhere."""

from __future__ import annotations

import json
from contextlib import suppress

import frappe
from frappe.utils.background_jobs import get_redis_conn
from redis.exceptions import ConnectionError as RedisConnectionError


def publish_realtime(event: str, message: dict[str, object], room: str) -> None:
    """Publish, or lose the event when redis_queue is down."""
    with suppress(RedisConnectionError):
        get_redis_conn().publish(
            "events", json.dumps({"event": event, "message": message, "room": room, "namespace": frappe.site})
        )
