#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Ask a host what it has for stores."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_capacity
author: The benchfly authors
version_added: 0.1.0
short_description: Ask a host what it has for stores
description:
  - Tells what the filter P(benchfly.stores.store_problems#filter) weighs stores against.
  - It looks at a few files of the kernel, where gathering facts of the hardware would list disks and volumes first.
options:
  base_dir:
    description: Folder that has, or will have, the folders of the stores.
    type: path
    required: true
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Ask what the host has
  benchfly.stores.host_capacity:
    base_dir: /var/lib/benchfly
  register: host
"""

RETURN = r"""
capacity:
  description:
    - C(memory), bytes of RAM; C(disk), bytes for data, those that are free and those that stores have already;
      C(cpus), how many; C(open_files), most that one process may be allowed; C(backlog), most connections that a port
      can have waiting. The last two are null where the kernel is not Linux.
  type: dict
  returned: always
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.host_capacity import read


def main() -> None:
    module = AnsibleModule(
        argument_spec={"base_dir": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, capacity=asdict(read(module.params["base_dir"])))


if __name__ == "__main__":
    main()
