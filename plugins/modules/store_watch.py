#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Watch a store, and tell for how long it did not answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_watch
author: The benchfly authors
version_added: 0.1.0
short_description: Watch a store, and tell for how long it did not answer
description:
  - Asks for an answer every 10 ms, each time on a connection of its own as a client that comes back does.
  - A store that wants a password has answered; one that is loading its data has not.
options:
  store:
    description: Specification of the store, without its password.
    type: dict
    required: true
  until_gone:
    description: File whose absence ends the watch, once the store answers.
    type: path
    required: true
  timeout:
    description: Seconds after which it ends anyway.
    type: int
    default: 3600
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Watch a store while other tasks restart it
  benchfly.stores.store_watch:
    store: {bind: 127.0.0.1, port: 11000}
    until_gone: /run/benchfly-restart
  async: 3600
  poll: 0
"""

RETURN = r"""
longest:
  description: Seconds of the longest time between two answers.
  type: float
  returned: always
  sample: 0.31
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError, to_store

INTERVAL = 0.01


def answers(spec: dict) -> bool:
    try:
        with to_store(spec) as connection:
            connection.call("PING")
    except OSError:
        return False
    except ReplyError as error:
        return str(error).startswith("NOAUTH")
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "dict", "required": True},
            "until_gone": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    spec, path = module.params["store"], module.params["until_gone"]
    start = last = time.monotonic()
    longest = 0.0
    while time.monotonic() - start < module.params["timeout"]:
        if answers(spec):
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            if not os.path.exists(path):
                break
        time.sleep(INTERVAL)
    module.exit_json(changed=False, longest=round(max(longest, time.monotonic() - last), 3))


if __name__ == "__main__":
    main()
