#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Change settings of running stores."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_config
author: The benchfly authors
version_added: 0.1.0
short_description: Change settings of running stores
description:
  - Sets each with CONFIG SET. The files, which say what a store starts with, are not its concern.
options:
  stores:
    description: Names and complete specifications of the stores, without passwords.
    type: dict
    required: true
  passwords:
    description: Passwords of the stores that have one.
    type: dict
    default: {}
  settings:
    description: Of each store the settings to change, name to value, in the words of its engine.
    type: dict
    required: true
attributes:
  check_mode:
    description: Says that it would change what it was given.
    support: full
"""

EXAMPLES = r"""
- name: Give the cache more memory while it runs
  benchfly.stores.store_config:
    stores: "{{ stores | benchfly.stores.store_spec('redis') }}"
    passwords: "{{ stores | benchfly.stores.store_passwords }}"
    settings:
      shop-cache:
        maxmemory: "1073741824"
"""

RETURN = r"""
refused:
  description: Of each store that would not have a setting changed while it runs, the setting and what the server said.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError, to_store
from ansible_collections.benchfly.stores.plugins.module_utils.store_settings import asked


def change(spec: dict, password: str, settings: dict) -> dict:
    """Set each setting; those that were refused, with the server's words. Raises OSError, ReplyError."""
    refused = {}
    words = asked(spec["engine"], settings)
    with to_store(spec) as connection:
        if password:
            connection.call("AUTH", password)
        for name, value in settings.items():
            try:
                connection.call("CONFIG", "SET", words[name], value)
            except ReplyError as error:
                refused[name] = str(error)
    return refused


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stores": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "settings": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    given, refused = module.params, {}
    for name, settings in {} if module.check_mode else given["settings"].items():
        try:
            no = change(given["stores"][name], given["passwords"].get(name) or "", settings)
        except (OSError, ReplyError) as error:
            module.fail_json(msg="{0}, port {1[port]}: {2}".format(name, given["stores"][name], error))
        if no:
            refused[name] = no
    module.exit_json(changed=any(given["settings"].values()), refused=refused)


if __name__ == "__main__":
    main()
