#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Lets RQ's workers finish what they run and take nothing new, wherever they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_pause
short_description: Let a bench's RQ workers finish what they run, and take nothing new
version_added: 0.1.0
description:
  - For workers in containers, which are killed when their grace period (30 s, in the chart erpnext) is over, whatever
    they run. Once they are paused no job runs, and their pods can be taken away.
  - C(paused) suspends the workers of the bench's queue store by RQ's own key, and tells those of the bench to end after
    the job in hand by RQ's own command, through the store. What starts them again finds them suspended.
  - The suspension ends by itself some time after I(timeout), should nobody come back to end it.
  - RQ's key has no prefix, so benches that share a queue store are paused together.
requirements:
  - rq, as in the bench's own environment
author: The benchfly authors
options:
  state:
    description: Whether workers take jobs.
    type: str
    choices: [paused, resumed]
    required: true
  timeout:
    description: Seconds that a running job may take.
    type: int
    default: 300
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Does nothing.
    support: full
"""

EXAMPLES = r"""
- name: Let the workers finish what they run
  benchfly.stores.bench_pause:
    path: /home/ops/benches/shop
    state_dir: /home/ops/benches/shop/config/benchfly
    state: paused
"""

RETURN = r"""
late:
  description: Workers that a job held longer than the timeout, each with that job.
  returned: success
  type: list
  elements: str
"""

import contextlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import QUEUE_KEY, Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH, NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    HAS_REDIS,
    StoreError,
    connect,
    redis,
)
from ansible_collections.benchfly.stores.plugins.module_utils.worker_pause import pause, resume


def resume_all(bench: Bench, journal: Journal) -> bool:
    """End the suspension on each queue store of the move: where one was cut short, either may have it."""
    move = journal.last or {"from": {}, "to": {}}
    urls = {bench.config()[QUEUE_KEY], *(side[QUEUE_KEY] for side in (move["from"], move["to"]) if QUEUE_KEY in side)}
    ended = False
    for url in sorted(urls):
        with contextlib.suppress(StoreError):  # a former store may be gone
            ended = resume(connect(url)) or ended
    return ended


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            "state": {"type": "str", "choices": ["paused", "resumed"], "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    if module.check_mode:
        module.exit_json(changed=True, late=[])
    bench, late = Bench(Path(module.params["path"])), []
    try:
        if module.params["state"] == "paused":
            with Journal(Path(module.params["state_dir"])).phase("Stop consumers", "jobs"):
                late = pause(connect(bench.config()[QUEUE_KEY]), bench.bench_id(), module.params["timeout"])
            module.exit_json(changed=True, late=late)
        module.exit_json(changed=resume_all(bench, Journal(Path(module.params["state_dir"]))), late=late)
    except (BenchError, StoreError, OSError, ImportError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")


if __name__ == "__main__":
    main()
