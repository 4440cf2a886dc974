#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Have certain CPUs serve the interrupts of a host's network devices."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_interrupts
short_description: Have certain CPUs serve the interrupts of network devices
version_added: 0.1.0
description:
  - Each interrupt of a network device, as each queue of EC2's ENA has one, gets one of the CPUs, in turn.
  - It holds until the next boot, which leaves them to the kernel again.
  - Refused where irqbalance runs, which would undo it within seconds.
author: The benchfly authors
options:
  cpus:
    description: CPUs as in V(0-1,4), or V(all).
    type: str
    required: true
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows each interrupt that changes with its CPUs.
    support: full
"""

EXAMPLES = r"""
- name: Keep the network off the CPUs of the stores
  benchfly.stores.host_interrupts:
    cpus: 0-1
"""

RETURN = r"""
interrupts:
  description: Each interrupt with the CPUs that may serve it, before any change.
  type: dict
  returned: always
  sample: {"41": "0-7"}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils import host_interrupts


def main() -> None:
    module = AnsibleModule(argument_spec={"cpus": {"type": "str", "required": True}}, supports_check_mode=True)
    before = host_interrupts.found()
    try:
        changes = host_interrupts.plan(before, module.params["cpus"], os.cpu_count() or 1)
    except host_interrupts.InterruptsError as error:
        module.fail_json(msg=str(error), interrupts=before)
    except ValueError:
        module.fail_json(msg="{0!r} are no CPUs. Say them as in 0-1,4, or all".format(module.params["cpus"]))
    if changes and host_interrupts.balanced():
        remedy = "Stop and disable irqbalance on the host, or leave store_host_interrupt_cpus empty"
        module.fail_json(msg="irqbalance runs, and would undo it. {0}".format(remedy), interrupts=before)
    if changes and not module.check_mode:
        try:
            host_interrupts.apply(changes)
        except OSError as error:
            module.fail_json(msg="{0}. It takes root, and a host that is no container".format(error), interrupts=before)
    sides = {
        "before": host_interrupts.lines(before, list(changes)),
        "after": host_interrupts.lines(changes, list(changes)),
    }
    headers = {"before_header": "interrupts", "after_header": "interrupts"}
    module.exit_json(changed=bool(changes), interrupts=before, diff={**headers, **sides})


if __name__ == "__main__":
    main()
