#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Find the server of an engine on the host, its version, and the versions of the stores that run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_binary
author: The benchfly authors
version_added: 0.1.0
short_description: Find the server of an engine on a host, and its version
description:
  - Looks for redis-server, valkey-server or dragonfly, and asks it for its version.
  - Asks stores that run for theirs, which is another when the server's file was replaced under them.
  - Fails when the server found is one of another engine.
options:
  engine:
    description: Whose server to look for.
    type: str
    choices: [redis, valkey, dragonfly]
    required: true
  path:
    description: Path of the server, or of a folder that has it somewhere below; empty looks on the PATH.
    type: path
    default: ""
  required:
    description: Fail when there is none.
    type: bool
    default: true
  stores:
    description:
      - Names and specifications of stores, without passwords, whose running version is asked for.
      - One that does not answer, or refuses the password, is left out.
    type: dict
    default: {}
  passwords:
    description: Passwords of those that have one, by name.
    type: dict
    default: {}
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Find redis-server
  benchfly.stores.store_binary:
    engine: redis
  register: redis
"""

RETURN = r"""
path:
  description: Absolute path of the server; empty when there is none.
  type: str
  returned: success
  sample: /usr/bin/redis-server
version:
  description: Its version as it says it; empty when there is none.
  type: str
  returned: success
  sample: 7.0.15
running:
  description: Versions of those of O(stores) that answered as O(engine), by name.
  type: dict
  returned: success
  sample: {shop-queue: 7.0.11}
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError, to_store
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import BINARIES, server_in, version_in

# Other names of the same servers: Amazon Linux 2023 packages Redis 6 so, and Dragonfly's releases carry the processor.
_ALSO = {"redis": ("redis6-server",), "dragonfly": ("dragonfly-" + platform.machine(),)}


def find(module: AnsibleModule, path: str, names: tuple) -> str | None:
    """The server's path: `path` itself, or below that folder, or on the PATH."""
    if os.path.isdir(path):
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in names:
                if name in files and os.access(os.path.join(folder, name), os.X_OK):
                    return os.path.join(folder, name)
        return None
    if path:
        return module.get_bin_path(path)
    found = (module.get_bin_path(name, opt_dirs=["/usr/local/bin"]) for name in names)
    return next((each for each in found if each), None)


def running_version(engine: str, spec: dict, password: str | None) -> str | None:
    """The version of the store there; None when nothing answers, refuses the password, or is another engine."""
    try:
        with to_store(spec) as connection:
            if password:
                connection.call("AUTH", password)
            server = server_in(connection.info())
    except (OSError, ReplyError):
        return None
    return server["version"] if server["engine"] == engine else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "choices": list(BINARIES), "required": True},
            "path": {"type": "path", "default": ""},
            "required": {"type": "bool", "default": True},
            "stores": {"type": "dict", "default": {}},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    engine, given = module.params["engine"], module.params["path"]
    variable, names = "{0}_binary".format(engine), (BINARIES[engine], *_ALSO.get(engine, ()))
    path, version = find(module, given, names), None
    banner = errors = ""
    if path:
        try:
            _, banner, errors = module.run_command([path, "--version"], handle_exceptions=False)
        except OSError as error:  # made for another processor, or no program at all
            errors = str(error)
        version = version_in(banner, engine)
    # What does not even run is as good as absent to one who would install it: a download that was cut short.
    if path and version is None and module.params["required"]:
        said = (banner or errors).strip().splitlines()
        module.fail_json(
            msg="{0} --version does not say that it is {1} ({2}). Give the right path in {3}.".format(
                path, engine, said[0] if said else "it printed nothing", variable
            )
        )
    if path is None and module.params["required"]:
        where = "has no {0}".format(names[0]) if os.path.isdir(given) else "is not an executable file"
        what = "{0} {1}".format(given, where) if given else "{0} is not on the PATH".format(names[0])
        module.fail_json(msg="{0}. Install {1}, or give its path in {2}.".format(what, engine, variable))
    passwords = module.params["passwords"]
    running = {
        name: running_version(engine, spec, passwords.get(name)) for name, spec in module.params["stores"].items()
    }
    module.exit_json(
        changed=False,
        path=path if version else "",
        version=version or "",
        running={name: its for name, its in running.items() if its},
    )


if __name__ == "__main__":
    main()
