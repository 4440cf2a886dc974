#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Checks that a bench works on its stores and has left its former ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_verify
short_description: Check that a bench works on its stores and has left its former ones
version_added: 0.1.0
description:
  - Looks at the configuration, the processes, the registered workers, the realtime subscriber, and at what the former
    stores of the last move still hold. Changes nothing.
  - On a bench that was never moved it checks the stores that the configuration names.
requirements:
  - redis-py, as in the bench's own environment
author: The benchfly authors
options:
  patience:
    description: Seconds to wait for workers and socketio to register.
    type: int
    default: 20
extends_documentation_fragment:
  - benchfly.stores.bench
  - benchfly.stores.bench.process_manager
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Verify the bench
  benchfly.stores.bench_verify:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    supervisor_socket: /var/run/supervisor.sock
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
ok:
  description: Whether every check holds.
  returned: success
  type: bool
amiss:
  description: What does not hold, for people.
  returned: success
  type: list
  elements: str
checks:
  description: Every check and what was seen.
  returned: success
  type: list
  elements: dict
census:
  description: Jobs of the bench in its queue store, by registry.
  returned: success
  type: dict
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_census import Verification, census
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    PURPOSE_KEYS,
    QUEUE_KEY,
    Bench,
    BenchError,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    NO_REDIS,
    PROCESS_MANAGER,
    process_manager,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    HAS_REDIS,
    StoreError,
    connect,
    redis,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
            "patience": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    bench = Bench(Path(module.params["path"]))
    try:
        processes = bench_processes(bench.path, process_manager(module.params))
        last = Journal(Path(module.params["state_dir"])).last
        config = bench.config()
        urls = last["to"] if last else {key: config[key] for key in PURPOSE_KEYS.values() if key in config}
        expected = [process for process in processes if process.role != "redis"]
        checks = Verification(bench, expected, urls, last["from"] if last else {}).checks(module.params["patience"])
        counts = census(connect(urls[QUEUE_KEY]), bench.bench_id()) if QUEUE_KEY in urls else {}
    except (BenchError, StoreError, OSError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{bench.path}: {error}")
    module.exit_json(
        changed=False,
        ok=all(check.ok for check in checks),
        amiss=[f"{check.check}: {check.detail}" for check in checks if not check.ok],
        checks=[asdict(check) for check in checks],
        census=counts,
    )


if __name__ == "__main__":
    main()
