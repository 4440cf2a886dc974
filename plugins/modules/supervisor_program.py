#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Keep one program of a supervisord as described, through its unix socket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supervisor_program
author: The benchfly authors
version_added: 0.1.0
short_description: Keep one program of a supervisord as described
description:
  - Writes the program's own file, has supervisord read it, and starts, stops or restarts that program and no other.
  - Talks to the unix socket; supervisorctl is not needed.
options:
  name:
    description: Name of the program.
    type: str
    required: true
  socket:
    description: Unix socket of supervisord, C(file) of its section unix_http_server.
    type: path
    required: true
  config_dir:
    description: Folder of which supervisord includes *.conf. The program is written to NAME.conf.
    type: path
    required: true
  settings:
    description:
      - Keys of the section program. Values are taken as they are; supervisord's C(%(...)s) is not expanded.
      - Left out, the program's file stays as it is.
    type: dict
  state:
    description:
      - V(started) starts it when it does not run. When its file changed, supervisord replaces the running program.
      - V(restarted) does the same, and restarts it when it was running before and was not replaced.
      - V(absent) stops it and removes its file.
    type: str
    choices: [started, stopped, restarted, absent]
    default: started
  timeout:
    description: Seconds a start or a stop may take. Let it be more than C(stopwaitsecs).
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows the program's file before and after.
    support: full
"""

EXAMPLES = r"""
- name: Run a store
  benchfly.stores.supervisor_program:
    name: store-shop-queue
    socket: /run/supervisor.sock
    config_dir: /etc/supervisor/conf.d
    settings:
      command: /usr/bin/redis-server redis.conf
      directory: /var/lib/benchfly/shop-queue
"""

RETURN = r"""
pid:
  description: Process id when it runs, else 0.
  type: int
  returned: success
actions:
  description: What was done, or would be, in order.
  type: list
  elements: str
  returned: success
  sample: [written, added]
"""

import os
import xmlrpc.client

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor

RUNNING = {"RUNNING", "STARTING", "BACKOFF"}
ENDED = {"STOPPED", "EXITED", "FATAL"}


def render(name: str, settings: dict) -> str:
    """The program's file; supervisord takes % for the start of an expansion, and ' ;' for a comment."""
    lines = ["{0}={1}".format(key, str(value).replace("%", "%%")) for key, value in settings.items()]
    return "\n".join(["; Written by Ansible; what is changed here is lost.", "[program:{0}]".format(name), *lines, ""])


def process_of(supervisor: Supervisor, name: str) -> Process | None:
    """The program's process, or None when supervisord has not heard of it."""
    return next((process for process in supervisor.processes() if process.group == name), None)


def planned(state: str, before: str, after: str, process: Process | None) -> list:
    """What bringing the program to `state` takes."""
    runs = process is not None and process.state in RUNNING
    actions = [] if before == after else ["removed" if state == "absent" else "written"]
    if state == "absent":
        return actions or (["removed"] if process else [])
    if process is None:
        return [*actions, "added"]
    if state == "stopped":
        return [*actions, "stopped"] if runs else actions
    if before != after:
        return [*actions, "replaced"]
    if not runs:
        return [*actions, "started"]
    return [*actions, "restarted"] if state == "restarted" else actions


def read(path: str) -> str:
    """The program's file, empty when there is none."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def write(module: AnsibleModule, path: str, text: str) -> None:
    """Put the program's file in place at once, or take it away when there is no text."""
    if not text:
        if os.path.exists(path):
            os.unlink(path)
        return
    temporary = os.path.join(module.tmpdir, "program.conf")
    with open(temporary, "w") as file:
        file.write(text)
    module.atomic_move(temporary, path)


def apply(supervisor: Supervisor, name: str, state: str, actions: list, timeout: int) -> None:
    """Bring supervisord to what its files say of this program, then the program to `state`.

    Adds to `actions` what an earlier, interrupted run had written but not applied.
    """
    added, changed, removed = supervisor.update({name}, timeout)
    if not actions and (added or changed or removed):
        actions.append("added" if added else "replaced" if changed else "removed")
    process = process_of(supervisor, name)
    if process is None or state == "absent":
        return
    if state == "stopped" or ("restarted" in actions and not added and not changed):
        supervisor.stop_group(name, timeout)
    if state != "stopped":
        supervisor.start(process.name)
        supervisor.wait({process.name}, {"RUNNING", *ENDED}, timeout)


def complaint(supervisor: Supervisor, name: str, state: str, config_dir: str) -> str | None:
    """Why the program is not what was asked for, or None."""
    process = process_of(supervisor, name)
    if state == "absent" or (state == "stopped" and process):
        return None
    if process is None:
        return "supervisord does not include {0}/*.conf. Add that to [include] of its configuration".format(config_dir)
    if process.state == "RUNNING":
        return None
    said = "".join("\n  " + line for line in supervisor.tail(process.name).splitlines()[-8:])
    return "{0} does not run, it is {1.state}. It said last:{2}".format(name, process, said)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "socket": {"type": "path", "required": True},
            "config_dir": {"type": "path", "required": True},
            "settings": {"type": "dict"},
            "state": {"type": "str", "choices": ["started", "stopped", "restarted", "absent"], "default": "started"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    name, state, socket_path = (module.params[key] for key in ("name", "state", "socket"))
    path = os.path.join(module.params["config_dir"], name + ".conf")
    before = read(path)
    settings = module.params["settings"]
    after = "" if state == "absent" else before if settings is None else render(name, settings)
    supervisor = Supervisor(socket_path)
    try:
        actions = planned(state, before, after, process_of(supervisor, name))
        if not module.check_mode:
            if before != after:
                write(module, path, after)
            apply(supervisor, name, state, actions, module.params["timeout"])
            failure = complaint(supervisor, name, state, module.params["config_dir"])
            if failure:
                module.fail_json(msg=failure, actions=actions)
        process = process_of(supervisor, name)
    except (OSError, xmlrpc.client.Fault) as error:
        module.fail_json(msg="supervisord at {0}, program {1}: {2}".format(socket_path, name, error))
    module.exit_json(
        changed=bool(actions),
        actions=actions,
        pid=process.pid if process else 0,
        diff={"before": before, "after": after, "before_header": path, "after_header": path},
    )


if __name__ == "__main__":
    main()
