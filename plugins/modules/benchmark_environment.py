#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Says what of a host changes what is measured on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_environment
short_description: Say what of a host changes what is measured on it
version_added: 0.1.0
description:
  - Results of different environments are not comparable; this is what tells them apart.
  - Where the firmware says that the host is an instance of EC2, its metadata service is asked, by IMDSv2 alone.
author: The benchfly authors
options: {}
attributes:
  check_mode:
    description: Only looks.
    support: full
"""

EXAMPLES = r"""
- name: Describe the host
  benchfly.stores.benchmark_environment:
  register: described
"""

RETURN = r"""
environment:
  description:
    - C(kernel), C(system), C(architecture), C(cpu_model), C(cpus), C(memory) in bytes, C(thp), C(governor),
      C(clocksource), C(boot_id), C(instance_type), C(ec2) (C(image), C(life_cycle), C(zone) and C(placement_group) of
      the instance), C(irq) (on how many CPUs the interrupts of each network device were served), C(network) (C(driver),
      C(queues) and C(interrupts) of each device, with the CPUs that may serve them) and C(versions).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.environment import describe


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, environment=describe())


if __name__ == "__main__":
    main()
