#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Find the server of an engine on the host, and its version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_binary
author: The benchfly authors
version_added: 0.1.0
short_description: Find the server of an engine on a host, and its version
description:
  - Looks for redis-server, valkey-server or dragonfly, and asks it for its version.
  - Fails when there is none, or when it is a server of another engine.
options:
  engine:
    description: Whose server to look for.
    type: str
    choices: [redis, valkey, dragonfly]
    required: true
  path:
    description: Path of the server; empty looks on the PATH of the remote user.
    type: path
    default: ""
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
  description: Absolute path of the server.
  type: str
  returned: success
  sample: /usr/bin/redis-server
version:
  description: Its version as it says it.
  type: str
  returned: success
  sample: 7.0.15
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import BINARIES, version_in


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "choices": list(BINARIES), "required": True},
            "path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    engine, variable = module.params["engine"], "{0}_binary".format(module.params["engine"])
    name = module.params["path"] or BINARIES[engine]
    path = module.get_bin_path(name)
    if path is None:
        where = "is not an executable file" if module.params["path"] else "is not on the PATH"
        module.fail_json(msg="{0} {1}. Install {2}, or give its path in {3}.".format(name, where, engine, variable))
    _, banner, errors = module.run_command([path, "--version"])
    version = version_in(banner, engine)
    if version is None:
        said = (banner or errors).strip().splitlines()
        module.fail_json(
            msg="{0} --version does not say that it is {1} ({2}). Give the right path in {3}.".format(
                path, engine, said[0] if said else "it printed nothing", variable
            )
        )
    module.exit_json(changed=False, path=path, version=version)


if __name__ == "__main__":
    main()
