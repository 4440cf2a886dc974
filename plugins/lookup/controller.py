# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""The run of Ansible that asks, as a bench's lease names its holder."""

from __future__ import annotations

DOCUMENTATION = r"""
name: controller
author: The benchfly authors
version_added: 0.1.0
short_description: Name the run of Ansible that asks
description:
  - Says who runs this on which machine and in which process, so that another run can be told, and so that this machine
    can tell later whether that process has ended.
"""

EXAMPLES = r"""
- name: Know this controller
  ansible.builtin.set_fact:
    _controller: "{{ lookup('benchfly.stores.controller') }}"
"""

RETURN = r"""
_raw:
  description: A dictionary with C(name), C(machine), C(pid) and C(token); the same in every task of a run.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import this_controller


class LookupModule(LookupBase):
    """What Ansible loads."""

    def run(self, terms: list[Any], variables: Any = None, **options: Any) -> list[dict[str, Any]]:
        return [this_controller()]
