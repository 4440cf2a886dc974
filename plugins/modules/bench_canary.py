#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Measures what a move costs the users of a bench, while it happens."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_canary
short_description: Measure what a move costs the users of a bench
version_added: 0.1.0
description:
  - With I(state=running) it enqueues numbered jobs, writes and reads the cache and fetches a page at a fixed rate,
    through the bench's own configuration, until the canary is stopped. Run it with C(async).
  - With I(state=stopped) it ends a running canary; the running task then counts its jobs and returns.
requirements:
  - redis-py and rq, as in the bench's own environment
author: The benchfly authors
options:
  name:
    description: Identifier of the run; part of the names of its jobs.
    type: str
    required: true
  state:
    description: Whether the canary runs.
    type: str
    choices: [running, stopped]
    required: true
  rate:
    description: Attempts a second of each probe.
    type: float
    default: 10
  seconds:
    description: The longest time it runs when nobody stops it.
    type: int
    default: 3600
  ping_url:
    description: Page to fetch; none when empty.
    type: str
    default: ''
  patience:
    description: Seconds to wait in the end until its jobs have run.
    type: int
    default: 60
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Does nothing.
    support: full
"""

EXAMPLES = r"""
- name: Start the canary
  benchfly.stores.bench_canary:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    name: 20261123-061205
    state: running
    ping_url: http://127.0.0.1:8000/api/method/ping
  async: 3700
  poll: 0
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
canary:
  description: Attempts, errors, longest gaps in milliseconds, and what became of the jobs.
  returned: state is running
  type: dict
"""

import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH, NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.canary import CURRENT, Canary, longest_gaps
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS, StoreError, redis

QUIET = 2.0  # seconds at the beginning, before anything is moved, that the rest is held against


def run(module: AnsibleModule, folder: Path) -> dict[str, object]:
    bench = Bench(Path(module.params["path"]))
    canary = Canary(bench, module.params["name"], folder, module.params["rate"], module.params["ping_url"])
    started = time.time()
    canary.run(module.params["seconds"])
    lines = [json.loads(line) for line in canary.log.read_text(encoding="utf-8").splitlines()]
    jobs = canary.account(module.params["patience"])
    return {
        "attempts": dict(Counter(line["probe"] for line in lines)),
        "errors": dict(Counter(line["probe"] for line in lines if line["error"])),
        "first_errors": [line for line in lines if line["error"]][:5],
        "gap_ms": longest_gaps(lines, started + QUIET, time.time()),
        "gap_ms_before": longest_gaps(lines, started, started + QUIET),
        "jobs": asdict(jobs),
        "log": str(canary.log),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["running", "stopped"], "required": True},
            "rate": {"type": "float", "default": 10},
            "seconds": {"type": "int", "default": 3600},
            "ping_url": {"type": "str", "default": ""},
            "patience": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["state_dir"])
    if module.check_mode:
        module.exit_json(changed=False, canary={})
    if module.params["state"] == "stopped":
        running = (folder / CURRENT).exists()
        (folder / CURRENT).unlink(missing_ok=True)
        module.exit_json(changed=running)
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        measured = run(module, folder)
    except (BenchError, StoreError, OSError, ImportError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(changed=True, canary=measured)


if __name__ == "__main__":
    main()
