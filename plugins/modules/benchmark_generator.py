#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Finds a load generator."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_generator
short_description: Find a load generator
version_added: 0.1.0
description:
  - Looks for memtier_benchmark, valkey-benchmark and redis-benchmark, in this order, and says which one a benchmark
    will use. Where none is installed that can play the workload it is C(python-client), which comes along, plays
    everything, and is slow.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.benchmark
options:
  name:
    description: Which one to use; C(auto) takes the first that is installed.
    type: str
    choices: [auto, memtier_benchmark, valkey-benchmark, redis-benchmark, python-client]
    default: auto
  path:
    description: Where it is, if not on PATH. For C(python-client) a Python that has RQ, if the workload is of jobs.
    type: str
    default: ""
  urls:
    description: The stores it will be used on. One with a password rules out programs that take it in their arguments.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Only looks.
    support: full
"""

EXAMPLES = r"""
- name: Find a load generator
  benchfly.stores.benchmark_generator:
    urls:
      - redis://cache1:13000
      - redis://cache2:13000
    workload: "{{ lookup('ansible.builtin.file', 'workloads/frappe-site.yml') | from_yaml }}"
"""

RETURN = r"""
generator:
  description: Its name, path, version, and what a reader of its figures must know (C(caveat)).
  returned: success
  type: dict
workload:
  description:
    - What is to be played, scaled. C(points) are the pairs of clients and operations per second offered (0 in a closed
      loop), C(seconds) of each trial, C(rounds), C(warm_up) in seconds, C(windows), the C(loop), whether the data is
      C(filled) in before, what it is C(invalidated_by), the C(objective) (empty for none), and how many C(steps) a
      round takes at most, which is more than 1 in the search that an objective asks for.
  returned: success
  type: dict
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import WORKLOAD
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import STEPS
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import (
    GENERATORS,
    NoGeneratorError,
    choose,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import parse


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "choices": ["auto", *GENERATORS], "default": "auto"},
            "path": {"type": "str", "default": ""},
            "urls": {"type": "list", "elements": "str", "required": True, "no_log": True},
            **WORKLOAD,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        workload = parse(given["workload_name"], given["workload"], given["scale"])
        password = any(Target.from_url(url).password for url in given["urls"])
        generator, program = choose(given["name"], given["path"], password, workload)
    except (ValueError, NoGeneratorError) as error:
        module.fail_json(msg=str(error))
    found = {
        "name": generator.name,
        "path": program.path,
        "version": program.version,
        "caveat": " ".join([generator.caveat, *generator.approximations(workload)]).strip(),
    }
    wanted = {
        "points": workload.points,
        "seconds": workload.seconds,
        "rounds": workload.rounds,
        "warm_up": workload.warm_up,
        "windows": workload.windows,
        "loop": workload.loop,
        "filled": workload.filled,
        "invalidated_by": workload.invalidated_by,
        "objective": asdict(workload.objective) if workload.objective else {},
        "steps": STEPS if workload.objective else 1,
    }
    module.exit_json(changed=False, generator=found, workload=wanted)


if __name__ == "__main__":
    main()
