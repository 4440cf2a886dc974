#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""What of a bench on one host speaks against moving it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_check
short_description: Find what speaks against moving a Frappe bench, on one of its hosts
version_added: 0.1.0
description:
  - Looks for what would keep a process from the bench-wide configuration, for what would undo a move later, and for who
    uses the stores of today. Changes nothing.
  - Says only what was found on this host; C(benchfly.stores.bench_findings) holds the hosts of a bench side by side.
requirements:
  - redis-py, as in the bench's own environment, to look at the stores
author: The benchfly authors
options:
  processes:
    description: The bench's processes, as M(benchfly.stores.bench_facts) returned them.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Look for what speaks against a move
  benchfly.stores.bench_check:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    processes: "{{ facts.bench.processes }}"
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
found:
  description: What was found.
  returned: success
  type: dict
  contains:
    reasons: {description: What has to be mended before a move., type: list, elements: str, returned: always}
    warnings: {description: What somebody should know., type: list, elements: str, returned: always}
    addresses: {description: Addresses of this host., type: list, elements: str, returned: always}
    servers: {description: "What tells today's servers apart, by configuration key; empty for one out of reach.",
              type: dict, returned: always}
    callers: {description: Addresses of the clients of today's queue store., type: list, elements: str,
              returned: always}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH, NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.gate import bench as bench_gate
from ansible_collections.benchfly.stores.plugins.module_utils.gate import today
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS


def main() -> None:
    module = AnsibleModule(
        argument_spec={**BENCH, "processes": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    bench = Bench(Path(module.params["path"]))
    look = bench_gate.Look(bench, module.params["processes"], Path(module.params["state_dir"]))
    try:
        findings = bench_gate.findings(look)
        found = {
            "reasons": [finding.text for finding in findings if finding.verdict == NO],
            "warnings": [finding.text for finding in findings if finding.verdict == NOTE],
            **today.look(bench),
        }
    except BenchError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, found=found)


if __name__ == "__main__":
    main()
