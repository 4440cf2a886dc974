#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Plays a workload on a store once, and says what came of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_trial
short_description: Play a workload on a store once
version_added: 0.1.0
description:
  - Runs a load generator on data that M(benchfly.stores.benchmark_dataset) put there, and reads what it printed.
  - A trial that had an error reply, a lost connection, an eviction or a read of a key that was gone is invalid.
    It is reported as such, with its reasons, and does not fail the task.
author: The benchfly authors
options:
  store:
    description: Name of the store, given back.
    type: str
    required: true
  url:
    description: URL of the store.
    type: str
    required: true
  workload:
    description: The workload, as in its YAML file.
    type: dict
    required: true
  workload_name:
    description: Name of the workload, for messages.
    type: str
    default: workload
  generator:
    description: Name of the load generator.
    type: str
    choices: [memtier_benchmark, valkey-benchmark, redis-benchmark, python-client]
    required: true
  path:
    description: Path of the load generator, if not on PATH.
    type: str
    default: ""
  seconds:
    description: How long to play. Programs that play a number of requests get as many as should take so long.
    type: float
    default: 2
  rate:
    description: Operations per second that a warm-up reached, for such programs; 0 if there was none.
    type: float
    default: 0
  shared:
    description: Whether others use the store too, so that its own counters prove nothing.
    type: bool
    default: false
  round:
    description: Number of the round, given back.
    type: int
    default: 0
attributes:
  check_mode:
    description: Cannot say what would be measured, and does nothing.
    support: none
"""

EXAMPLES = r"""
- name: Measure the store
  benchfly.stores.benchmark_trial:
    store: shop-cache
    url: redis://cache1:13000
    workload: "{{ lookup('ansible.builtin.file', 'workloads/frappe-site.yml') | from_yaml }}"
    generator: memtier_benchmark
    seconds: 10
"""

RETURN = r"""
trial:
  description:
    - The round, the store, what was measured (operations, seconds, ops_per_second, p50_ms, p95_ms, p99_ms, errors;
      null when there is nothing to read), and why it is invalid (empty when it is not).
  returned: success
  type: dict
output:
  description: Exact command lines, and what each program printed, by file name.
  returned: success
  type: dict
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Output, OutputError, Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import (
    GENERATORS,
    NoGeneratorError,
    choose,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import WorkloadError, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "str", "required": True},
            "url": {"type": "str", "required": True, "no_log": True},
            "workload": {"type": "dict", "required": True},
            "workload_name": {"type": "str", "default": "workload"},
            "generator": {"type": "str", "choices": list(GENERATORS), "required": True},
            "path": {"type": "str", "default": ""},
            "seconds": {"type": "float", "default": 2},
            "rate": {"type": "float", "default": 0},
            "shared": {"type": "bool", "default": False},
            "round": {"type": "int", "default": 0},
        },
    )
    given = module.params
    trial = {"round": given["round"], "store": given["store"], "measurement": None, "invalid": []}
    output = Output((), {})
    try:
        workload, target = parse(given["workload_name"], given["workload"]), Target.from_url(given["url"])
        generator, program = choose(given["generator"], given["path"], bool(target.password))
        before = store.counters(target)
        output = generator.run(program, target, workload, given["seconds"], given["rate"])
        measurement = generator.parse(output)
        after = store.counters(target)
        trial["measurement"] = asdict(measurement)
        trial["invalid"] = store.objections(before, after, measurement.errors, given["shared"])
    except (WorkloadError, NoGeneratorError, ValueError) as error:
        module.fail_json(msg=f"store {given['store']}: {error}")
    except (OSError, ReplyError, OutputError) as error:
        trial["invalid"] = [f"store {redact(given['url'])}: {error}"]
    module.exit_json(changed=True, trial=trial, output=asdict(output))


if __name__ == "__main__":
    main()
