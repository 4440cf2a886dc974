#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Stops, starts or moves the processes of a bench."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_processes
short_description: Stop, start or move a bench's processes
version_added: 0.1.0
description:
  - Acts on the processes of one role of a bench that supervisord or systemd runs.
  - Consumers are the workers and the scheduler. They are stopped warm, so that a running job ends first. Those that
    did not end within I(timeout) are returned as C(late); it is no failure, so that all hosts of a bench can put back
    theirs together.
  - Consumers that were not running before the move stay stopped after it.
  - The web is reloaded by SIGHUP to gunicorn's master, which refuses no request, and waited for until no former
    worker serves any more.
author: The benchfly authors
options:
  role:
    description: Which processes.
    type: str
    choices: [consumer, web, socketio]
    required: true
  state:
    description: C(reloaded) is for the web alone; C(restarted) for what does not reconnect by itself.
    type: str
    choices: [started, stopped, reloaded, restarted]
    required: true
  names:
    description:
      - With I(state=started), start these and no others, whatever the journal says, and note nothing in it. For putting
        back what was stopped, when the move may be forgotten before the last job lets go of its worker.
    type: list
    elements: str
  timeout:
    description: Seconds to wait for the processes.
    type: int
    default: 60
extends_documentation_fragment:
  - benchfly.stores.bench
  - benchfly.stores.bench.process_manager
attributes:
  check_mode:
    description: Says what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Stop the consumers
  benchfly.stores.bench_processes:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    supervisor_socket: /var/run/supervisor.sock
    role: consumer
    state: stopped
    timeout: 300
"""

RETURN = r"""
processes:
  description: Names of the processes that were acted on.
  returned: success
  type: list
  elements: str
late:
  description: Processes that a job held longer than the timeout.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    PROCESS_MANAGER,
    process_manager,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import (
    BenchProcess,
    bench_processes,
    reload_web,
    restart,
)
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager

PHASES = {"stopped": "Stop consumers", "started": "Start consumers"}
ENDED = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}


def stop(running: list[BenchProcess], journal: Journal, manager: ProcessManager, timeout: float) -> list[str]:
    """Stop all at once and wait for all; return those that did not end in time."""
    journal.open["consumers"] = sorted({*journal.open["consumers"], *(process.name for process in running)})
    journal.save()
    for process in running:
        manager.stop(process.name)
    late = manager.wait({process.name for process in running}, ENDED, timeout)
    return [f"{process.name} (pid {process.pid})" for process in late]


def start(idle: list[BenchProcess], manager: ProcessManager, timeout: float) -> None:
    """Start what is stopped; what is still stopping is waited for and started then."""
    manager.wait({process.name for process in idle}, {*ENDED, "RUNNING", "STARTING", "BACKOFF"}, timeout)
    for process in idle:
        manager.start(process.name)
    late = manager.wait({process.name for process in idle}, {"RUNNING"}, timeout)
    if late:
        named = ", ".join(f"{process.name} ({process.state})" for process in late)
        raise BenchError(f"{named} did not start within {timeout:g} s; its log is in the bench's logs/")


def put_back(everything: list[BenchProcess], names: list[str], manager: ProcessManager, timeout: float) -> list[str]:
    """Start those of `names` that do not run; return them."""
    idle = [process for process in everything if process.name in names and process.state != "RUNNING"]
    start(idle, manager, timeout)
    return [process.name for process in idle]


def act(module: AnsibleModule, processes: list[BenchProcess], journal: Journal, manager: ProcessManager) -> list[str]:
    state, timeout = module.params["state"], module.params["timeout"]
    with journal.phase(PHASES.get(state, "Switch producers"), module.params["role"]) as entry:
        entry["processes"] = [process.name for process in processes]
        if state == "stopped":
            return stop(processes, journal, manager, timeout)
        if state == "started":
            start(processes, manager, timeout)
        elif state == "reloaded":
            for process in processes:
                reload_web(process, manager, timeout)
        else:
            for process in processes:
                restart(process, manager, timeout)
    return []


def chosen(processes: list[BenchProcess], role: str, state: str, consumers: list[str]) -> list[BenchProcess]:
    """Those of the role that are not yet as they are to be."""
    mine = [process for process in processes if process.role == role]
    if state == "started":
        return [process for process in mine if process.name in consumers and process.state != "RUNNING"]
    return [process for process in mine if process.state not in ENDED]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
            "role": {"type": "str", "choices": ["consumer", "web", "socketio"], "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "reloaded", "restarted"], "required": True},
            "names": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    manager = process_manager(module.params)
    journal = Journal(Path(module.params["state_dir"]))
    consumers = journal.last["consumers"] if journal.last else []
    try:
        everything = bench_processes(Path(module.params["path"]), manager)
        if module.params["names"] is not None and not module.check_mode:
            again = put_back(everything, module.params["names"], manager, module.params["timeout"])
            module.exit_json(changed=bool(again), processes=again, late=[])
        processes = chosen(everything, module.params["role"], module.params["state"], consumers)
        late = act(module, processes, journal, manager) if processes and not module.check_mode else []
    except (BenchError, OSError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(changed=bool(processes), processes=[process.name for process in processes], late=late)


if __name__ == "__main__":
    main()
