"""Client-side caching as Frappe v16 does it: CLIENT TRACKING over RESP2 with REDIRECT and NOLOOP."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import recorder, store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    OutputError,
    Target,
    value,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.mix import ITEM_FORMAT
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.recorder import Beginning, Recorder
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_CHANNEL = "__redis__:invalidate"
_GRACE = 1.0


def play(target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    """An operation is one client's hearing of one write, timed from when the write was due."""
    family, writers = workload.families[0], workload.number("writers")
    keys = [family.key + ITEM_FORMAT % number for number in range(family.items)]
    due_of: dict[str, float] = {}
    _refusal(target)
    recorders = [Recorder() for _ in range(load.clients + writers)]
    begin = Beginning(len(recorders))
    written = [0] * writers

    def work(number: int) -> None:
        try:
            if number < load.clients:
                _cache(target, keys, due_of, recorders[number], begin, load.seconds + _GRACE)
            else:
                written[number - load.clients] = write(number - load.clients)
        except (OSError, ReplyError) as error:
            recorders[number].trouble = str(error)

    def write(writer: int) -> int:
        count, payload = 0, value(family.sizes[0][0])
        with begin.after(lambda: store.connect(target)) as connection:
            for due in recorder.due_times(begin.at, begin.at + load.seconds, load.rate, writer, writers):
                key = keys[(writer + count * writers) % len(keys)]
                due_of[key] = due
                connection.call("SET", key, payload)
                count += 1
        return count

    recorder.run_threads(work, len(recorders))
    heard = sum(sum(each.latencies.values()) for each in recorders)
    details = {"written": sum(written), "clients": load.clients, "unheard": sum(written) * load.clients - heard}
    return recorder.result(recorders, load.seconds, details)


def _refusal(target: Target) -> None:
    """Raises OutputError where the store does not do what Frappe v16 needs."""
    with store.connect(target) as connection:
        try:
            connection.call("CLIENT", "TRACKING", "ON", "REDIRECT", str(connection.call("CLIENT", "ID")), "NOLOOP")
        except ReplyError as error:
            raise OutputError(f"it refuses what the cache of Frappe v16 needs, CLIENT TRACKING: {error}") from error


def _cache(
    target: Target, keys: list[str], due_of: dict[str, float], mine: Recorder, begin: Beginning, seconds: float
) -> None:
    """A web process: reads everything once, and again what it hears of."""
    with ExitStack() as opened:

        def prepare() -> tuple[Connection, Connection]:
            invalidations, data = (opened.enter_context(store.connect(target)) for _ in range(2))
            redirect = str(invalidations.call("CLIENT", "ID"))
            invalidations.call("SUBSCRIBE", _CHANNEL)
            data.call("CLIENT", "TRACKING", "ON", "REDIRECT", redirect, "NOLOOP")
            for key in keys:
                data.call("GET", key)
            return invalidations, data

        invalidations, data = begin.after(prepare)
        mine.started = begin.at
        with suppress(socket.timeout):
            while (left := begin.at + seconds - time.monotonic()) > 0:
                _hear(invalidations, data, due_of, mine, left)


def _hear(invalidations: Connection, data: Connection, due_of: dict[str, float], mine: Recorder, left: float) -> None:
    invalidations.wait_at_most(left)
    heard = invalidations.reply()[2] or []
    now = time.monotonic()
    for key in heard:
        if key in due_of:
            mine.add(due_of[key], now)
            data.call("GET", key)
