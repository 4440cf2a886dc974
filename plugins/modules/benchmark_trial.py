#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Plays a workload on a store once, or its part of that, and says what came of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_trial
short_description: Play a workload on a store once
version_added: 0.1.0
description:
  - Runs a load generator on data that M(benchfly.stores.benchmark_dataset) put there, and reads what it printed.
    Several hosts and processes share the clients and the rate; P(benchfly.stores.benchmark_merge#filter) puts what they
    measured together.
  - A trial that had an error reply, a lost connection, an eviction or a read of a key that was gone is invalid, unless
    the workload says otherwise. It is reported as such, with its reasons, and does not fail the task. What fails it is
    a store that does not answer before the trial begins.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.benchmark
  - benchfly.stores.benchmark.store
  - benchfly.stores.benchmark.generator
options:
  seconds:
    description: How long to play. Programs that play a number of requests get as many as should take so long.
    type: float
    default: 2
  clients:
    description: Connections of all hosts and processes; 0 for the first number of the workload.
    type: int
    default: 0
  rate:
    description: Operations per second offered by all of them in an open loop; 0 for a closed loop.
    type: float
    default: 0
  expected:
    description: Operations per second that a warm-up reached (or 0), for programs that play a number of requests.
    type: float
    default: 0
  windows:
    description: In how many windows of the same length, one after the other, which are measured each.
    type: int
    default: 1
  processes:
    description: Processes on each host.
    type: int
    default: 1
  host:
    description: Number of this host among those that make load, from 0.
    type: int
    default: 0
  hosts:
    description: Number of hosts that make load.
    type: int
    default: 1
  start_at:
    description: When to begin (Unix time, by this host's clock), so that all hosts begin together; 0 for at once.
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
  seed:
    description: What random keys are drawn from, by programs that take it.
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
    - The round, the store, when it began (C(started), Unix time), how many cores a process took (C(cpu)), how many
      seconds of processor time the store took (C(store_cpu)), and why it is invalid (empty when it is not).
  returned: success
  type: dict
outputs:
  description:
    - Of each process the exact command lines, and what was printed, by file name; all processes of the first window,
      then those of the second.
  returned: success
  type: list
  elements: dict
"""

import os
import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import GENERATOR, STORE, WORKLOAD
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    Output,
    OutputError,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import NoGeneratorError, choose
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.play import play
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import (
    Workload,
    WorkloadError,
    parse,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError


class GoneError(Exception):
    """The store did not answer when the trial was to begin: to go on would be in vain."""


def measure(given: dict[str, Any], workload: Workload, target: Target, outputs: list[Output]) -> dict[str, Any]:
    """What this host has to tell of the trial; `outputs` get what its processes left, readable or not.

    Raises OSError, ReplyError, OutputError, NoGeneratorError, GoneError.
    """
    generator, program = choose(given["generator"], given["path"], bool(target.password), workload)
    load = Load(
        seconds=given["seconds"] / given["windows"],
        clients=given["clients"] or workload.clients[0],
        rate=given["rate"],
        expected=given["expected"],
        items=workload.items,
        seed=given["seed"] + given["round"] * 1000,
    )
    processes = given["processes"]
    loads = trial.shares(load, given["hosts"] * processes)[given["host"] * processes :][:processes]
    if not loads:  # fewer clients than processes
        return {"started": time.time(), "cpu": 0.0, "store_cpu": None, "invalid": []}
    time.sleep(max(0.0, min(60.0, given["start_at"] - time.time())))
    try:
        started, before, used = time.time(), store.counters(target), sum(os.times()[:4])
    except (OSError, ReplyError) as error:
        raise GoneError(f"{redact(given['url'])} does not answer: {error}") from error
    for _ in range(given["windows"]):
        outputs += play(generator, program, target, workload, loads)
    cpu = (sum(os.times()[:4]) - used) / (time.time() - started) / len(loads)
    after = store.counters(target)
    errors = sum(generator.parse(output).measurement.errors for output in outputs)
    # The server counts what all hosts did; the first one tells it.
    counted = (before, after) if given["host"] == 0 else (before, before)
    objections = store.objections(*counted, errors, given["shared"], workload.invalidated_by)
    store_cpu = None if before.cpu is None or after.cpu is None else round(after.cpu - before.cpu, 6)
    return {"started": started, "cpu": round(cpu, 3), "store_cpu": store_cpu, "invalid": objections}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE,
            **WORKLOAD,
            **GENERATOR,
            "seconds": {"type": "float", "default": 2},
            "clients": {"type": "int", "default": 0},
            "rate": {"type": "float", "default": 0},
            "expected": {"type": "float", "default": 0},
            "windows": {"type": "int", "default": 1},
            "processes": {"type": "int", "default": 1},
            "host": {"type": "int", "default": 0},
            "hosts": {"type": "int", "default": 1},
            "start_at": {"type": "float", "default": 0},
            "shared": {"type": "bool", "default": False},
            "round": {"type": "int", "default": 0},
            "seed": {"type": "int", "default": 0},
        },
    )
    given = module.params
    found: dict[str, Any] = {"started": time.time(), "cpu": 0.0, "store_cpu": None}
    outputs: list[Output] = []
    try:
        workload = parse(given["workload_name"], given["workload"], given["scale"])
        found = measure(given, workload, Target.from_url(given["url"]), outputs)
    except (WorkloadError, NoGeneratorError, GoneError, ValueError) as error:
        module.fail_json(msg=f"store {given['store']}: {error}")
    except (OSError, ReplyError, OutputError) as error:
        found["invalid"] = [f"store {redact(given['url'])}: {error}"]
    result = {"round": given["round"], "store": given["store"], **found}
    module.exit_json(changed=True, trial=result, outputs=[asdict(output) for output in outputs])


if __name__ == "__main__":
    main()
