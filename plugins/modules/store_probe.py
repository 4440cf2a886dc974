#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Asks a store whether it does what a bench needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_probe
short_description: Ask a store whether it does what a bench needs
version_added: 0.1.0
description:
  - Sends the target server what Frappe and RQ will send it, from the bench's host and through the bench's own
    libraries, and reports need by need what it answered.
  - Writes only keys under C(benchfly:probe:) and jobs named C(benchfly-probe-*), and removes them.
requirements:
  - redis-py and rq, as in the bench's own environment
author: The benchfly authors
options:
  url:
    description: URL of the store.
    type: str
    required: true
  purpose:
    description: What the bench will use it for.
    type: str
    choices: [cache, queue]
    required: true
  path:
    description: The bench folder.
    type: path
    required: true
attributes:
  check_mode:
    description: Probes all the same, since it leaves nothing behind.
    support: full
"""

EXAMPLES = r"""
- name: Ask the new queue store
  benchfly.stores.store_probe:
    url: redis://cache1:11000
    purpose: queue
    path: /home/frappe/frappe-bench
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
gate:
  description: The verdict (C(go), C(settings) or C(no)), the server and every need.
  returned: success
  type: dict
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError, redact
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    HAS_REDIS,
    StoreError,
    connect,
    redis,
    server,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_needs import Probe, verdict


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "purpose": {"type": "str", "choices": ["cache", "queue"], "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    url, purpose, bench = module.params["url"], module.params["purpose"], Bench(Path(module.params["path"]))
    try:
        major = int((bench.version_of("frappe") or "0").partition(".")[0])
        client = connect(url)
        needs = Probe(client, purpose, major, bench.bench_id()).ask()
        found = server(client)
    except (BenchError, StoreError, ImportError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{purpose} store {redact(url)}: {error}")
    gate = {
        "purpose": purpose,
        "store": redact(url),
        **found,
        "frappe": bench.version_of("frappe"),
        "verdict": verdict(needs),
        "needs": [asdict(need) for need in needs],
        "reasons": [
            f"{purpose} store {redact(url)}: {need.need}: {need.answer}. Remedy: {need.remedy or 'use another engine'}"
            for need in needs
            if need.verdict != "ok"
        ],
    }
    module.exit_json(changed=False, gate=gate)


if __name__ == "__main__":
    main()
