#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Looks for a moment at what a live store is asked, and makes a workload of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_capture
short_description: Make a workload of what a live store is asked
version_added: 0.1.0
description:
  - Listens with MONITOR until I(seconds) or I(mebibytes) are over, and asks for the length of some items. MONITOR can
    halve the throughput of a busy store, so a store that answers more than I(busy) commands a second is refused.
  - Keeps no value and no name. Keys become numbered families; keys and fields are told apart by hashes with a salt that
    is forgotten.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.benchmark.store
options:
  seconds:
    description: How long to listen at most.
    type: float
    default: 10
  mebibytes:
    description: How much to be told at most.
    type: float
    default: 16
  busy:
    description: Above how many commands a second a store is too busy to be listened to; 0 for no limit.
    type: int
    default: 2000
attributes:
  check_mode:
    description: Refuses what it would refuse, and does not listen.
    support: full
"""

EXAMPLES = r"""
- name: See what the cache is asked
  benchfly.stores.benchmark_capture:
    store: shop-cache
    url: redis://cache1:13000
  register: seen
"""

RETURN = r"""
workload:
  description: As a file in playbooks/workloads.
  returned: when it listened
  type: dict
seen:
  description:
    - How many C(commands) in how many C(seconds) and C(bytes), and which of them are not replayed, C(others).
  returned: when it listened
  type: dict
"""

import socket
import time
from collections.abc import Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import STORE
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capture import Census
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import HASH, ITEM, LIST, STRING
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError


def listen(connection: Connection, census: Census, seconds: float, most: int) -> tuple[float, int]:
    """Count until the time or the bytes are over; how long it was, and how many bytes. Ends with the connection."""
    began, read = time.monotonic(), 0
    connection.call("MONITOR")
    try:
        while read < most and (left := began + seconds - time.monotonic()) > 0:
            connection.wait_at_most(left)
            line = str(connection.reply())
            read += len(line)
            census.add(line)
    except socket.timeout:
        pass
    return time.monotonic() - began, read


def lengths(connection: Connection, shape: str, items: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Lengths of the values that are still there, and how many seconds their keys live, where they do not for ever."""
    words = {STRING: "STRLEN", ITEM: "HSTRLEN", HASH: "HSTRLEN"}
    found: list[int] = []
    lives: list[int] = []
    for key, part in items:
        try:
            if shape != LIST:
                found.append(connection.call(words[shape], key, *([part] if shape != STRING else [])))
            lives.append(connection.call("TTL", key))
        except ReplyError:
            continue  # it is of another type by now
    return [length for length in found if length], [life for life in lives if life > 0]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE,
            "seconds": {"type": "float", "default": 10},
            "mebibytes": {"type": "float", "default": 16},
            "busy": {"type": "int", "default": 2000},
        },
        supports_check_mode=True,
    )
    given, census = module.params, Census()
    where = f"store {given['store']} at {redact(given['url'])}"
    try:
        target = Target.from_url(given["url"])
        with store.connect(target) as connection:
            rate = int(connection.info().get("instantaneous_ops_per_sec", "0"))
            if given["busy"] and rate > given["busy"]:
                module.fail_json(
                    msg=f"{where} answers {rate} commands a second, and listening would slow it. Capture in a quiet "
                    f"hour, or allow it with capture_busy: {rate * 2}"
                )
            if module.check_mode:
                module.exit_json(changed=False)
        with store.connect(target) as connection:
            seconds, read = listen(connection, census, given["seconds"], int(given["mebibytes"] * 2**20))
        with store.connect(target) as connection:
            workload = census.workload(seconds, lambda shape, items: lengths(connection, shape, items))
            # Many short connections are few at a time.
            connected = int(connection.info().get("connected_clients", "1")) - 1
            workload["clients"] = max(1, min(workload["clients"], connected))
    except (OSError, ReplyError) as error:
        module.fail_json(msg=f"{where} cannot be listened to: {error}")
    except ValueError as error:
        module.fail_json(msg=f"{where}: {error}. Capture while its benches are at work")
    seen = {"commands": census.commands, "seconds": seconds, "bytes": read, "others": dict(census.others)}
    module.exit_json(changed=False, workload=workload, seen=seen)


if __name__ == "__main__":
    main()
