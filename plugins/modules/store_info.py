#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Ask the stores of a host what they are, and compare that with what was declared and with what is on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_info
author: The benchfly authors
version_added: 0.1.0
short_description: Compare stores three ways, as declared, as on disk and as they run
description:
  - Looks at all given stores of the host at once, and needs no Redis client there.
  - Without O(wait) it looks once, never fails, and says what differs.
  - With O(wait) it fails unless in that time every store answers, asks for its password, accepts it, and is as
    declared.
options:
  stores:
    description: Names and complete specifications of the stores, without passwords.
    type: dict
    required: true
  passwords:
    description: Passwords that stores must accept, and without which they must refuse; a store without one is left out.
    type: dict
    default: {}
  configs:
    description: Declared configuration of each store, as text; one without is not compared.
    type: dict
    default: {}
  config_name:
    description: Name of the configuration's file.
    type: str
    default: ""
  base_dir:
    description: Each store has a folder of its own name in it.
    type: path
    required: true
  units:
    description: Whether the stores are units of systemd, of which the state is wanted too.
    type: bool
    default: false
  user:
    description: User whose existence is wanted too; empty asks for none.
    type: str
    default: ""
  wait:
    description: Seconds in which the stores have to become as declared.
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
    stores: "{{ stores | benchfly.stores.store_spec('redis') }}"
    passwords: "{{ stores | benchfly.stores.store_passwords }}"
    configs: "{{ stores | benchfly.stores.redis_conf('7.0.15', '/var/lib/benchfly') }}"
    config_name: redis.conf
    base_dir: /var/lib/benchfly
    wait: 60
"""

RETURN = r"""
stores:
  description:
    - Of every store C(running), whether it answers; C(observed), what it says of itself, empty when it refused;
      C(settings), those that are not the same three ways, with C(declared), C(on_disk), C(running) and what it takes to
      run as declared in C(change), which is C(live), C(restart) or C(file); C(wrong), other differences, key to
      C(declared) and C(running), where C(password) differs also when the store has one and none was declared, and
      C(directory) is where the process runs that answers; C(files), names in the store's folder; C(unit), with
      C(there), C(active), C(failed), C(enabled) and C(stale), which is true when systemd has not read the unit's file.
  type: dict
  returned: always
user_exists:
  description: Whether the host has O(user).
  type: bool
  returned: always
"""

import os
import pwd
import time
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils import store_settings
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError, to_store
from ansible_collections.benchfly.stores.plugins.module_utils.store_state import CONFIG_NAMES, observed

UNIT_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


class Store:
    """One store of the host, as declared, and where it is."""

    def __init__(self, module: AnsibleModule, name: str) -> None:
        given = module.params
        self.name, self.spec = name, given["stores"][name]
        self.engine = self.spec["engine"]
        self.password = given["passwords"].get(name) or ""
        self.declared = store_settings.read(given["configs"].get(name, ""), self.engine)
        self.directory = os.path.join(given["base_dir"], name)
        self.config_name = given["config_name"]

    def look(self) -> dict:
        """One look. `reason` is why it is not as declared, or None."""
        found = {"running": False, "observed": {}, "wrong": {}, "files": files(self.directory)}
        on_disk = self._read(self.config_name)
        runs, reason = None, None
        try:
            runs = self._ask(found)
        except (OSError, ReplyError) as error:
            reason = "it does not answer ({0})".format(error)
        rows = store_settings.compare(self.engine, self.declared, on_disk, runs)
        found["settings"] = [asdict(row) for row in rows]
        differs = dict(found["wrong"])
        differs.update({row.name: asdict(row) for row in rows if row.change != store_settings.FILE})
        if differs:
            said = ["{0} is {1[running]}, declared {1[declared]}".format(*pair) for pair in differs.items()]
            reason = "; ".join(said)
        found["reason"] = reason
        return found

    def _ask(self, found: dict) -> dict | None:
        """Fill in what the server says; its running settings, None when it refused the password."""
        with to_store(self.spec) as connection:
            asks = asks_for_password(connection)
            found["running"] = True
            if asks != bool(self.password):
                found["wrong"]["password"] = {"declared": bool(self.password), "running": asks}
            if asks:
                try:
                    connection.call("AUTH", self.password)
                    connection.call("PING")
                except ReplyError:
                    found["wrong"]["password"] = {"declared": "given", "running": "another"}
                    return None
            info = connection.info()
            found["observed"] = observed(self.engine, info, {name: connection.config(name) for name in CONFIG_NAMES})
            names = store_settings.asked(self.engine, self.declared)
            answers = {name: connection.config(word) for name, word in names.items()}
        runs_in = directory_of(found["observed"]["pid"], self.directory)
        found["observed"]["directory"] = runs_in
        if runs_in != os.path.realpath(self.directory):
            found["wrong"]["directory"] = {"declared": self.directory, "running": runs_in}
        started = self._read(os.path.join("data", self.config_name))
        return store_settings.running(self.engine, started, answers, info)

    def _read(self, name: str) -> dict:
        try:
            with open(os.path.join(self.directory, name)) as file:
                return store_settings.read(file.read(), self.engine)
        except OSError:
            return {}


def asks_for_password(connection: Connection) -> bool:
    """Whether the server wants to be told one. Raises ReplyError while it is loading."""
    try:
        connection.call("PING")
    except ReplyError as error:
        if not str(error).startswith("NOAUTH"):
            raise
        return True
    return False


def files(directory: str) -> list:
    """Names in a folder; none when there is no folder."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def directory_of(pid: int, expected: str) -> str:
    """Where a process runs; `expected` also when it is in a folder below, as the data's is."""
    try:
        running = os.readlink("/proc/{0}/cwd".format(pid))
    except OSError:
        return "out of sight, process {0}".format(pid)
    expected = os.path.realpath(expected)
    return expected if os.path.commonpath([running, expected]) == expected else running


def units_of(module: AnsibleModule, names: list) -> dict:
    """State of the stores' units, in one question to systemd."""
    units = ["store-{0}.service".format(name) for name in names]
    command = ["systemctl", "show", "--property=" + ",".join(UNIT_PROPERTIES), *units]
    _, output, _ = module.run_command(command, check_rc=True)
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in output.split("\n\n")]
    states = {block.get("Id"): block for block in blocks}
    return {
        name: {
            "there": states[unit]["LoadState"] != "not-found",
            "active": states[unit]["ActiveState"] == "active",
            "failed": states[unit]["ActiveState"] == "failed",
            "enabled": states[unit]["UnitFileState"] == "enabled",
            "stale": states[unit]["NeedDaemonReload"] == "yes",
        }
        for name, unit in zip(names, units)
    }


def exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return not user
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stores": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "configs": {"type": "dict", "default": {}},
            "config_name": {"type": "str", "default": ""},
            "base_dir": {"type": "path", "required": True},
            "units": {"type": "bool", "default": False},
            "user": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    wait = module.params["wait"]
    stores = [Store(module, name) for name in module.params["stores"]]
    deadline = time.monotonic() + wait
    while True:
        looks = {store.name: store.look() for store in stores}
        reasons = {name: look.pop("reason") for name, look in looks.items()}
        if not any(reasons.values()) or time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    if module.params["units"]:
        for name, unit in units_of(module, list(looks)).items():
            looks[name]["unit"] = unit
    result = {"stores": looks, "user_exists": exists(module.params["user"])}
    if wait and any(reasons.values()):
        said = ["{0} (port {1.spec[port]}): {2}".format(store.name, store, reasons[store.name])
                for store in stores if reasons[store.name]]  # fmt: skip
        module.fail_json(msg="After {0} s not as declared: {1}".format(wait, "; ".join(said)), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
