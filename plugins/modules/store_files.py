#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Keep the files of the stores of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_files
author: The benchfly authors
version_added: 0.1.0
short_description: Keep the files of the stores of a host
description:
  - Each store has a folder with its configuration and its secrets, and in that the folder C(data), the only one that
    the server may write to. Under systemd it has a unit, too.
  - All stores at once, in one step, since a step on a remote host costs more than writing a file does.
options:
  base_dir:
    description: Each store has a folder of its own name in it.
    type: path
    required: true
  user:
    description: User that the stores run as; empty when it is the one that this module runs as.
    type: str
    default: ""
  config_name:
    description: Name of the configuration's file.
    type: str
    required: true
  configs:
    description: Configuration of each store.
    type: dict
    required: true
  secrets:
    description: Of each store the files that only its user may read, name to text.
    type: dict
    default: {}
  units:
    description: Text of each store's unit for systemd; empty when something else runs them.
    type: dict
    default: {}
  unit_dir:
    description: Folder of the units.
    type: path
    default: /etc/systemd/system
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows files before and after, and never a secret.
    support: full
"""

EXAMPLES = r"""
- name: Write the files of the stores
  benchfly.stores.store_files:
    base_dir: /var/lib/benchfly
    user: benchfly
    config_name: redis.conf
    configs: "{{ stores | benchfly.stores.redis_conf('7.0.15', '/var/lib/benchfly') }}"
"""

RETURN = r"""
files:
  description: Of each store what was changed, or would be; C(folder), C(config), C(secret) and C(unit).
  type: dict
  returned: success
  sample: {shop-queue: [config, unit]}
"""

import grp
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

SECRET = "(a secret, not shown)\n"


class Writer:
    """Brings paths to what they should be, and notes for which store what was changed."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.changed: dict = {}
        self.diffs: list = []

    def folder(self, store: str, path: str, mode: int, owner: str, group: str) -> None:
        """A folder with that mode (and owner, unless it is empty)."""
        before = look(path)
        if before == (stat.S_IFDIR | mode, *ids(owner, group, before)):
            return
        self._note(store, "folder", path, "", "")
        if not self._module.check_mode:
            os.makedirs(path, 0o755, exist_ok=True)
            self._settle(path, mode, owner, group)

    def file(self, store: str, part: str, path: str, text: str, mode: int, owner: str, group: str) -> None:
        """A file with that text and mode (and owner)."""
        before = look(path)
        content = read(path)
        if content == text and before == (stat.S_IFREG | mode, *ids(owner, group, before)):
            return
        shown = (SECRET, SECRET) if part == "secret" else (content or "", text)
        self._note(store, part, path, *shown)
        if not self._module.check_mode:
            temporary = os.path.join(os.path.dirname(path), ".{0}.new".format(os.path.basename(path)))
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._settle(temporary, mode, owner, group)
            os.replace(temporary, path)

    def _settle(self, path: str, mode: int, owner: str, group: str) -> None:
        if owner:
            os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(path, mode)

    def _note(self, store: str, part: str, path: str, before: str, after: str) -> None:
        parts = self.changed.setdefault(store, [])
        if part not in parts:
            parts.append(part)
        self.diffs.append({"before": before, "after": after, "before_header": path, "after_header": path})


def look(path: str) -> tuple:
    """Type with mode, owner and group of what is there; nothing but zeros when nothing is."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_mode, found.st_uid, found.st_gid)


def ids(owner: str, group: str, as_is: tuple) -> tuple:
    """Numbers of a user and a group; as they are when it does not matter; impossible ones for nobody."""
    if not owner:
        return as_is[1:]
    try:
        return (pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    except KeyError:
        return (-1, -1)


def read(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "base_dir": {"type": "path", "required": True},
            "user": {"type": "str", "default": ""},
            "config_name": {"type": "str", "required": True},
            "configs": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "units": {"type": "dict", "default": {}},
            "unit_dir": {"type": "path", "default": "/etc/systemd/system"},
        },
        supports_check_mode=True,
    )
    given, writer = module.params, Writer(module)
    user = given["user"]
    # With a user of their own the server can read its configuration, and only root can change it.
    root, folder_mode, config_mode = ("root", 0o750, 0o640) if user else ("", 0o700, 0o600)
    try:
        for store, config in given["configs"].items():
            folder = os.path.join(given["base_dir"], store)
            writer.folder(store, folder, folder_mode, root, user)
            writer.folder(store, os.path.join(folder, "data"), 0o700, user, user)
            writer.file(store, "config", os.path.join(folder, given["config_name"]), config, config_mode, root, user)
            for name, secret in (given["secrets"].get(store) or {}).items():
                writer.file(store, "secret", os.path.join(folder, name), secret, 0o600, user, user)
            if store in given["units"]:
                path = os.path.join(given["unit_dir"], "store-{0}.service".format(store))
                writer.file(store, "unit", path, given["units"][store], 0o644, "root", "root")
    except OSError as error:
        module.fail_json(msg="Cannot write {0.filename}: {0.strerror}".format(error), files=writer.changed)
    module.exit_json(changed=bool(writer.changed), files=writer.changed, diff=writer.diffs)


if __name__ == "__main__":
    main()
