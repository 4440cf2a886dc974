"""`bench socketio` with the python backend: subscribes to `events` once, and logs what comes to logs/realtime.log.

Serves no browser. Behaves towards Redis as Frappe's node process: the configuration is read once, at the start, and the
process exits with 1 when its connection drops, so that its supervisor starts it again.
"""

from __future__ import annotations

import sys
import time

import frappe
from frappe.realtime import STORE
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError


def main() -> int:
    frappe.init()
    try:
        # Not redis-py's PubSub, which would connect again by itself.
        connection = Redis.from_url(frappe.conf[STORE]).connection_pool.get_connection("SUBSCRIBE")
        connection.send_command("SUBSCRIBE", "events")
        while True:
            kind, _channel, data = connection.read_response()
            if kind == b"message":
                frappe.write_log("realtime.log", f"{time.time():.3f} {data.decode()}")
    except RedisConnectionError as error:
        sys.stderr.write(f"{STORE}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
