#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Measures a store under several settings in turn."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tune_measure
short_description: Measure a store under several settings in turn
version_added: 0.1.0
description:
  - Of each step it sets what the store takes while it runs, fills the workload's data in anew, and plays the workload.
  - What the store had before is known to M(benchfly.stores.store_tuning), which is asked first and puts it back.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.benchmark
  - benchfly.stores.benchmark.store
  - benchfly.stores.benchmark.generator
options:
  seconds:
    description: How long each is played.
    type: float
    default: 2
  expected:
    description: Operations per second that the store is known to reach (or 0), for programs that play a number of them.
    type: float
    default: 0
  shared:
    description: Whether others use the store too, so that its own counters prove nothing.
    type: bool
    default: false
  seed:
    description: What random keys are drawn from, by programs that take it.
    type: int
    default: 0
  holder:
    description: Token of the controller that holds the store; where another does by now, nothing is set.
    type: str
    required: true
  steps:
    description:
      - C(live), settings in the words of the engine, and C(rates), operations per second of the open loops that are
        played one after the other; 0 is a closed one.
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    description: Cannot say what would be measured, and does nothing.
    support: none
"""

EXAMPLES = r"""
- name: Measure the store with shorter and with longer values kept compact
  benchfly.stores.tune_measure:
    store: shop-cache
    url: redis://cache1:13000
    workload: "{{ lookup('ansible.builtin.file', 'workloads/session-churn.yml') | from_yaml }}"
    scale: 0.001
    generator: python-client
    holder: tune-4711
    steps:
      - {live: {hash-max-listpack-value: "64"}, rates: [0]}
      - {live: {hash-max-listpack-value: "1024"}, rates: [0]}
"""

RETURN = r"""
steps:
  description:
    - Of each step its C(measurements), one of each rate; C(bytes_per_item), what an item of the
      data took of the store's memory; C(seconds) that it took; and C(invalid), why it does not count.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import play
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import GENERATOR, STORE, WORKLOAD
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Load, Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import NoGeneratorError, choose
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import WorkloadError, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE,
            **WORKLOAD,
            **GENERATOR,
            "seconds": {"type": "float", "default": 2},
            "expected": {"type": "float", "default": 0},
            "shared": {"type": "bool", "default": False},
            "seed": {"type": "int", "default": 0},
            "holder": {"type": "str", "required": True},
            "steps": {"type": "list", "elements": "dict", "required": True},
        },
    )
    given = module.params
    try:
        workload = parse(given["workload_name"], given["workload"], given["scale"])
        target = Target.from_url(given["url"])
        generator, program = choose(given["generator"], given["path"], bool(target.password), workload)
        load = Load(
            seconds=given["seconds"],
            clients=workload.clients[0],
            expected=given["expected"],
            items=workload.items,
            seed=given["seed"],
        )
        found = play.steps(given["steps"], generator, program, target, workload, load, given["shared"], given["holder"])
    except (WorkloadError, NoGeneratorError, ValueError) as error:
        module.fail_json(msg=f"store {given['store']}: {error}")
    except (OSError, ReplyError, play.TakenOverError) as error:
        module.fail_json(msg=f"store {given['store']} at {redact(given['url'])} cannot be used: {error}")
    module.exit_json(changed=True, steps=found)


if __name__ == "__main__":
    main()
