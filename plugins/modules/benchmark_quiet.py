#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Tells whether a host and stores have time for a benchmark."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_quiet
short_description: Tell whether a host and stores have time for a benchmark
version_added: 0.1.0
description:
  - Looks for I(seconds) at what the host's processors do, and at how many commands stores serve. Nothing of a benchmark
    may run meanwhile.
  - Does not fail when somebody is at work; I(reasons) says so.
author: The benchfly authors
options:
  cpu:
    description: Per cent of all processors that may be in use; 0 does not look.
    type: float
    default: 0
  commands:
    description: Commands per second that a store may serve; 0 does not look.
    type: float
    default: 0
  urls:
    description: Names of stores to ask, and their URLs.
    type: dict
    default: {}
  seconds:
    description: How long to look.
    type: float
    default: 2
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Wait until nobody is at work
  benchfly.stores.benchmark_quiet:
    cpu: 20
    commands: 100
    urls:
      shop-cache: redis://cache1:13000
  register: look
  until: not look.reasons
  retries: 30
  delay: 10
"""

RETURN = r"""
reasons:
  description: What speaks against a benchmark now, each in a sentence; empty when nothing does.
  returned: always
  type: list
  elements: str
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler

_OWN = 2  # commands of a look itself: INFO when it begins and when it ends


def objections(rows: Mapping[str, Mapping[str, Any]], cpu: float, commands: float, seconds: float) -> Iterator[str]:
    """What speaks against a benchmark, by the sampler's last rows: the host's has an empty name."""
    used = float(rows.get("", {}).get("cpu", 0.0))
    if cpu and used > cpu:
        yield f"{used:.0f} % of the processors are in use, and busy_cpu is {cpu:g}"
    for store, row in rows.items() if commands else ():
        served = float(row.get("commands", 0.0)) - _OWN / seconds
        if store and served > commands:
            yield f"{store} serves {served:.0f} commands a second to others, and busy_commands is {commands:g}"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cpu": {"type": "float", "default": 0},
            "commands": {"type": "float", "default": 0},
            "urls": {"type": "dict", "default": {}, "no_log": True},
            "seconds": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        sampler = Sampler({name: Target.from_url(url) for name, url in given["urls"].items()})
    except ValueError as error:
        module.fail_json(msg=str(error))
    sampler.rows()
    time.sleep(given["seconds"])
    rows = sampler.rows()
    sampler.close()
    reasons = list(objections(rows, given["cpu"], given["commands"], given["seconds"]))
    module.exit_json(changed=False, reasons=reasons, msg="; ".join(reasons))


if __name__ == "__main__":
    main()
