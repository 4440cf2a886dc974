"""PUBLISH to many subscribers, timed from the intended moment of publishing until each of them has it."""

from __future__ import annotations

import socket
import time
import uuid
from contextlib import suppress
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import recorder, store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import PREFIX
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Load, Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.recorder import Beginning, Recorder
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_GRACE = 1.0  # seconds for the last messages


def play(target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    """An operation is one delivery; what never arrived is an error."""
    subscribers, channel = workload.number("subscribers"), f"{PREFIX}events:{uuid.uuid4().hex}"
    recorders = [Recorder() for _ in range(subscribers + load.clients)]
    begin = Beginning(len(recorders))
    published = [0] * load.clients

    def work(number: int) -> None:
        mine = recorders[number]
        try:
            if number < subscribers:
                _listen(target, channel, mine, begin, load.seconds + _GRACE)
            else:
                client = number - subscribers
                published[client] = _publish(target, channel, workload.number("bytes"), load, client, begin)
        except (OSError, ReplyError) as error:
            mine.trouble = str(error)

    recorder.run_threads(work, len(recorders))
    delivered = sum(sum(each.latencies.values()) for each in recorders)
    recorders[0].errors += max(0, sum(published) * subscribers - delivered)
    return recorder.result(recorders, load.seconds, {"published": sum(published), "subscribers": subscribers})


def _listen(target: Target, channel: str, mine: Recorder, begin: Beginning, seconds: float) -> None:
    with begin.after(lambda: _subscribed(target, channel)) as connection:
        mine.started = begin.at
        with suppress(socket.timeout):
            while (left := begin.at + seconds - time.monotonic()) > 0:
                connection.wait_at_most(left)
                message = connection.reply()
                mine.add(float(message[2].split(" ", 1)[0]), time.monotonic())


def _subscribed(target: Target, channel: str) -> Connection:
    connection = store.connect(target)
    connection.call("SUBSCRIBE", channel)
    return connection


def _publish(target: Target, channel: str, size: int, load: Load, client: int, begin: Beginning) -> int:
    number = 0
    with begin.after(lambda: store.connect(target)) as connection:
        for due in recorder.due_times(begin.at, begin.at + load.seconds, load.rate, client, load.clients):
            connection.call("PUBLISH", channel, f"{due:.6f} ".ljust(size, "x"))
            number += 1
    return number
