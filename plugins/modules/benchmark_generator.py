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
    will use. Where none is installed it is C(python-client), which comes along and is slow.
author: The benchfly authors
options:
  name:
    description: Which one to use; C(auto) takes the first that is installed.
    type: str
    choices: [auto, memtier_benchmark, valkey-benchmark, redis-benchmark, python-client]
    default: auto
  path:
    description: Where it is, if not on PATH.
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
"""

RETURN = r"""
generator:
  description: Its name, path, version, and what a reader of its figures must know (C(caveat)).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import (
    GENERATORS,
    NoGeneratorError,
    choose,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "choices": ["auto", *GENERATORS], "default": "auto"},
            "path": {"type": "str", "default": ""},
            "urls": {"type": "list", "elements": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        password = any(Target.from_url(url).password for url in module.params["urls"])
        generator, program = choose(module.params["name"], module.params["path"], password)
    except (ValueError, NoGeneratorError) as error:
        module.fail_json(msg=str(error))
    found = {
        "name": generator.name,
        "path": program.path,
        "version": program.version,
        "caveat": generator.caveat,
    }
    module.exit_json(changed=False, generator=found)


if __name__ == "__main__":
    main()
