#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Says which settings of a store are to be measured next, and in the end which are kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tune_study
author: The benchfly authors
version_added: 0.1.0
extends_documentation_fragment:
  - benchfly.stores.benchmark
short_description: Say which settings of a store are to be measured next
description:
  - Runs on the controller, with the Python package benchfly and its extras C(analysis) and C(tune).
  - The folder of the study has all that was measured; asked again for the same, it goes on where it was.
options:
  folder:
    description: Folder of the study; it is made.
    type: path
    required: true
  plan:
    description:
      - What is asked for, as C(benchfly.tuning.plan.Plan) has it, with C(spec), the store's complete specification
        without secrets, and C(version), that of its server.
      - A study that was cut short is gone on with only where this and the workload are as it had them.
    type: dict
    required: true
  host:
    description: What M(benchfly.stores.host_capacity) and M(benchfly.stores.benchmark_environment) say of its host.
    type: dict
    default: {}
  server:
    description: What M(benchfly.stores.store_tuning) says of the server.
    type: dict
    default: {}
  stores:
    description: How many other stores the host has.
    type: int
    default: 0
  applied:
    description: Settings that the store has now, where they differ from its specification.
    type: dict
    default: {}
  results:
    description: What M(benchfly.stores.tune_measure) returned for the steps that were asked for last.
    type: list
    elements: dict
  asked:
    description: What was returned as RV(asked) with those steps; all the time since then counts for the budget.
    type: float
  finish:
    description: Put the folder of a study that has its outcome aside, so that the next begins anew.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would be tried, and keeps nothing.
    support: full
"""

EXAMPLES = r"""
- name: Know what to measure next
  benchfly.stores.tune_study:
    folder: /srv/benchfly/tuning/shop-cache
    plan: {store: shop-cache, spec: "{{ _public['shop-cache'] }}", version: 7.0.15, objectives: [bytes]}
    workload: "{{ lookup('ansible.builtin.file', 'workloads/session-churn.yml') | from_yaml }}"
    scale: 0.001
"""

RETURN = r"""
choices:
  description: The settings that are open, and the values of each.
  returned: success
  type: dict
findings:
  description: What the rules say.
  returned: success
  type: list
  elements: dict
what:
  description: What the steps are for.
  returned: success
  type: str
steps:
  description:
    - What is to be measured. C(settings) are keys of the store; C(restart) says whether it must be deployed with them,
      else C(live) has what to set.
  returned: success
  type: list
  elements: dict
expected:
  description: Operations per second that the store reached under today's settings; 0 before that was measured.
  returned: success
  type: float
asked:
  description: When the steps were asked for, in seconds of the controller's monotonic clock.
  returned: success
  type: float
outcome:
  description: What the study came to; nothing as long as there are C(steps).
  returned: success
  type: dict
change:
  description: Of each key that is kept its C(value), what it C(was), the C(effect) measured, and C(why) it has one.
  returned: success
  type: list
  elements: dict
document:
  description: The same as YAML for an inventory; empty where nothing is kept.
  returned: success
  type: str
"""
