# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""What the modules that play workloads on stores have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The workload, the store and the load generator; `module_utils/benchmark/arguments.py` has them as arguments."""

    DOCUMENTATION = r"""
options:
  workload:
    description: The workload, as in its YAML file.
    type: dict
    required: true
  workload_name:
    description: Name of the workload, for messages.
    type: str
    default: workload
  scale:
    description: What the workload's data, clients, rates and time are multiplied by.
    type: float
    default: 1.0
"""

    STORE = r"""
options:
  store:
    description: Name of the store, given back and in messages.
    type: str
    required: true
  url:
    description: URL of the store.
    type: str
    required: true
"""

    GENERATOR = r"""
options:
  generator:
    description: Name of the load generator.
    type: str
    choices: [memtier_benchmark, valkey-benchmark, redis-benchmark, python-client]
    required: true
  path:
    description: Path of the load generator, if not on PATH.
    type: str
    default: ""
"""
