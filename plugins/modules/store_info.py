#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Ask a running store what it is, and compare it with what was declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_info
author: The benchfly authors
version_added: 0.1.0
short_description: Ask a running store what it is, and compare it with what was declared
description:
  - Needs no Redis client on the host.
  - Without O(wait) it looks once, never fails, and says what differs from the declaration.
  - With O(wait) it fails unless in that time the store answers, asks for its password, accepts it, and is as declared.
options:
  host:
    description: Address to connect to.
    type: str
    required: true
  port:
    description: Port to connect to.
    type: int
    required: true
  password:
    description: Password that the store must accept, and without which it must refuse; empty for a store without one.
    type: str
    default: ""
  declared:
    description: Keys and values of the specification to compare with.
    type: dict
    default: {}
  directory:
    description: Folder in which the process that answers must run, lest it be another server on the same port.
    type: path
    required: true
  wait:
    description: Seconds in which the store has to become as declared.
    type: int
    default: 0
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Wait until the queue store is as declared
  benchfly.stores.store_info:
    host: 127.0.0.1
    port: 11000
    password: "{{ queue_password }}"
    declared: {memory: 536870912, eviction: none}
    directory: /var/lib/benchfly/shop-queue
    wait: 60
"""

RETURN = r"""
running:
  description: Whether a store answers there.
  type: bool
  returned: always
observed:
  description: What it says of itself in the words of a specification, with C(pid) and C(keys); empty when it refused.
  type: dict
  returned: always
files:
  description: Names of what is in O(directory).
  type: list
  elements: str
  returned: always
drift:
  description:
    - What differs, key to C(declared) and C(running). Beside keys of a specification there are C(password), which
      differs also when the store has one and none was declared, and C(directory).
  type: dict
  returned: always
  sample: {memory: {declared: 536870912, running: 268435456}}
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError
from ansible_collections.benchfly.stores.plugins.module_utils.store_state import CONFIG_NAMES, drift, observed


def look(host: str, port: int, password: str, declared: dict, directory: str) -> dict:
    """One look at the store. Raises OSError when nothing answers, ReplyError while it is loading."""
    with Connection(host, port) as connection:
        try:
            connection.call("PING")
            asks = False
        except ReplyError as error:
            if not str(error).startswith("NOAUTH"):
                raise
            asks = True
        differs = {}
        if asks != bool(password):
            differs["password"] = {"declared": bool(password), "running": asks}
        if asks:
            try:
                connection.call("AUTH", password)
                connection.call("PING")
            except ReplyError:
                differs["password"] = {"declared": "given", "running": "another"}
                return {"running": True, "observed": {}, "drift": differs}
        config = {name: connection.config(name) for name in CONFIG_NAMES}
        found = observed(connection.info(), {name: value for name, value in config.items() if value is not None})
    found["directory"] = directory_of(found["pid"], directory)
    differs.update(drift(dict(declared, directory=os.path.realpath(directory)), found))
    return {"running": True, "observed": found, "drift": differs}


def directory_of(pid: int, expected: str) -> str:
    """Where a process runs; `expected` also when it is in a folder below, as the data's is."""
    try:
        running = os.readlink("/proc/{0}/cwd".format(pid))
    except OSError:
        return "out of sight, process {0}".format(pid)
    expected = os.path.realpath(expected)
    return expected if os.path.commonpath([running, expected]) == expected else running


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "password": {"type": "str", "default": "", "no_log": True},
            "declared": {"type": "dict", "default": {}},
            "directory": {"type": "path", "required": True},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    given = dict(module.params)
    wait = given.pop("wait")
    deadline = time.monotonic() + wait
    while True:
        reason = ""
        try:
            result = look(**given)
            if not result["drift"]:
                break
        except (OSError, ReplyError) as error:
            result = {"running": False, "observed": {}, "drift": {}}
            reason = "it does not answer ({0})".format(error)
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    result["files"] = sorted(os.listdir(given["directory"])) if os.path.isdir(given["directory"]) else []
    if wait and (reason or result["drift"]):
        reason = reason or "; ".join(
            "{0} is {1[running]}, declared {1[declared]}".format(key, values) for key, values in result["drift"].items()
        )
        module.fail_json(msg="The store on {host}:{port} is not as declared: {0}".format(reason, **given), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
