#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Puts the data of a benchmark into a store, or takes it away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_dataset
short_description: Put the data of a benchmark into a store, or take it away
version_added: 0.1.0
description:
  - Every key begins with C(benchfly:bench:), and only such keys are ever removed. What a benchmark that was killed
    left behind is removed before new data is written.
  - Refuses a store that holds other keys, unless I(allow_data) says that this is known, and one whose memory limit
    leaves no room, since it would evict or refuse what others write.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.benchmark
  - benchfly.stores.benchmark.store
options:
  generator:
    description: The load generator that will read the data; each numbers items in its own way.
    type: str
    choices: [memtier_benchmark, valkey-benchmark, redis-benchmark, python-client]
    default: python-client
  allow_data:
    description: Whether the store may hold other keys.
    type: bool
    default: false
  state:
    description: Whether the data shall be there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Refuses what it would refuse; writes and removes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Fill the store
  benchfly.stores.benchmark_dataset:
    store: shop-cache
    url: redis://cache1:13000
    workload: "{{ lookup('ansible.builtin.file', 'workloads/frappe-site.yml') | from_yaml }}"
    generator: memtier_benchmark
"""

RETURN = r"""
server:
  description:
    - Name, address, engine and version of the store, and how many keys it holds that no benchmark made
      (C(foreign_keys)).
    - Whether it is on the host that asks (C(local)), and what CONFIG GET says of what changes its speed (C(settings)).
    - Once it is filled how many C(items) there are, and how much of its memory they took, C(memory_bytes).
  returned: success
  type: dict
removed:
  description: Number of keys of a benchmark that were removed.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import STORE, WORKLOAD
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import (
    Workload,
    WorkloadError,
    parse,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError


def refusal(connection: Connection, workload: Workload, foreign: int, allow_data: bool) -> str:
    """Why this store must be left alone, or an empty string."""
    if foreign and not allow_data:
        return (
            f"holds {foreign} keys that no benchmark made. A benchmark takes processor time and memory from whoever "
            "uses them. If that is wanted, name the store in benchmark_allow_data"
        )
    needed, room = 2 * workload.bytes, store.room(connection)  # small values take twice their size
    if room is not None and room < needed:
        return (
            f"has {max(room, 0) >> 20} MiB left of its memory limit; the data needs {needed >> 20} MiB, so others "
            "would lose keys. Take a workload with fewer items, or a store with more memory"
        )
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE,
            **WORKLOAD,
            "generator": {"type": "str", "choices": list(GENERATORS), "default": "python-client"},
            "allow_data": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    given = module.params
    fill = given["state"] == "present"
    try:
        workload = parse(given["workload_name"], given["workload"], given["scale"])
        with store.connect(Target.from_url(given["url"])) as connection:
            foreign = store.foreign_keys(connection)
            reason = refusal(connection, workload, foreign, given["allow_data"]) if fill else ""
            if reason:
                module.fail_json(msg=f"store {given['store']} at {redact(given['url'])} {reason}")
            server = {
                "name": given["store"],
                "at": redact(given["url"]),
                **store.describe(connection.info()),
                "foreign_keys": foreign,
                "local": connection.local,
                "settings": store.settings(connection),
            }
            removed = 0 if module.check_mode else store.remove(connection)
            if fill and not module.check_mode:
                before = store.used_memory(connection)
                if workload.filled:
                    store.fill(connection, workload, GENERATORS[given["generator"]])
                    server["items"] = sum(family.items for family in workload.families)
                    server["memory_bytes"] = max(0, store.used_memory(connection) - before)
    except (OSError, ReplyError) as error:
        module.fail_json(msg=f"store {given['store']} at {redact(given['url'])} cannot be used: {error}")
    except (ValueError, WorkloadError) as error:
        module.fail_json(msg=f"store {given['store']}: {error}")
    module.exit_json(changed=fill or removed > 0, server=server, removed=removed)


if __name__ == "__main__":
    main()
