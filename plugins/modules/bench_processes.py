#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Stops, switches or starts the processes of a bench."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_processes
short_description: Take a bench's processes through a move
version_added: 0.1.0
description:
  - Acts on the processes of a bench that supervisord or systemd runs. Each state is a phase of a move, in one call, so
    that consumers stand still no longer than they must.
  - C(stopped) stops the consumers, which are the workers and the scheduler, warm, so that a running job ends first.
    Those that did not end within I(timeout) are returned as C(late); it is no failure, so that all hosts of a bench can
    put back theirs together. It refuses, and stops none, when a store of either side does not answer this host within
    30 s. When they have stopped it closes the connections that these stores take for this host's and this host does not
    have, because a cut ended them without a word to their server.
  - C(switched) writes the stores of the move in progress into C(sites/common_site_config.json), moves the web, and
    restarts socketio. The file's redis_* keys change and nothing else, in one atomic step, after a copy was kept beside
    the journal; a rollback restores it byte for byte, unless somebody edited it since. The web is reloaded by SIGHUP to
    gunicorn's master, which refuses no request, and waited for until no former worker serves any more.
  - C(started) starts the consumers that ran before the move; others stay stopped.
requirements:
  - redis-py, as in the bench's own environment
author: The benchfly authors
options:
  state:
    description: What is to be.
    type: str
    choices: [stopped, switched, started]
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
  returned: state is stopped
  type: list
  elements: str
closed:
  description: Addresses of the connections that were closed.
  returned: state is stopped, outside check mode
  type: list
  elements: str
restored:
  description: Whether the configuration was restored byte for byte.
  returned: state is switched
  type: bool
"""

import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import QUEUE_KEY, Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    NO_REDIS,
    PROCESS_MANAGER,
    process_manager,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import (
    ENDED,
    BenchProcess,
    bench_processes,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_stores import both_sides, close_connections
from ansible_collections.benchfly.stores.plugins.module_utils.bench_switch import (
    configuration,
    move_socketio,
    move_web,
    write_configuration,
)
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS, StoreError, connect, redis
from ansible_collections.benchfly.stores.plugins.module_utils.worker_end import tell_again

ANSWERS_WITHIN = 30  # seconds that a store is waited for before anything stops
# Seconds after which a worker that no job holds should have ended, and then between two looks.
HEARD_WITHIN, LOOK_AGAIN = 5, 1
STARTABLE = {*ENDED, "RUNNING", "STARTING", "BACKOFF"}  # states in which nothing has to end first


def named(processes: list[BenchProcess]) -> list[str]:
    return [process.name for process in processes]


def of_role(everything: list[BenchProcess], role: str) -> list[BenchProcess]:
    """Those of the role that are there."""
    return [process for process in everything if process.role == role and process.state not in ENDED]


def stop(
    running: list[BenchProcess], bench: Bench, journal: Journal, manager: ProcessManager, timeout: float
) -> list[str]:
    """Stop all at once and wait for all; return those that did not end in time."""
    names = named(running)
    with journal.phase("Stop consumers", "consumer", names):
        journal.open["consumers"] = sorted({*journal.open["consumers"], *names})
        journal.save()
        for name in names:
            manager.stop(name)
        deadline = time.monotonic() + timeout
        late = manager.wait(set(names), ENDED, min(timeout, HEARD_WITHIN))
        queues = queue_stores(bench, journal.open) if any(process.pid for process in late) else []
        while late and time.monotonic() < deadline:
            for queue, process in product(queues, late):
                tell_again(queue, process.pid)
            late = manager.wait(set(names), ENDED, LOOK_AGAIN)
    return [f"{process.name} (pid {process.pid})" for process in late]


def see_answering(move: dict[str, Any]) -> None:
    """Wait until every store of the move answers; a worker that cannot tell its store of its end leaves a job behind.

    Many a store is back in seconds, and then the move is what brings its clients back. BenchError when one is not.
    """
    deadline = time.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            both_sides(move)
            return
        except StoreError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"{error}. No consumer was stopped") from error
            time.sleep(1)


def queue_stores(bench: Bench, move: dict[str, Any]) -> list[Any]:
    """Those that answer of the stores whose queues the workers may serve."""
    urls = {config.get(QUEUE_KEY) for config in (bench.config(), move["from"], move["to"])} - {None}
    found = []
    for url in sorted(urls):
        with suppress(StoreError):
            found.append(connect(url))
    return found


def start(idle: list[BenchProcess], manager: ProcessManager, timeout: float) -> None:
    """Start what is stopped; what is still stopping is waited for and started then."""
    names = set(named(idle))
    manager.wait(names, STARTABLE, timeout)
    manager.start_in_turn(names)
    see_running(names, manager, timeout)


def put_back(idle: list[BenchProcess], journal: Journal, manager: ProcessManager, timeout: float) -> None:
    """Start what is stopped at once, and what a job still holds as soon as it has let go.

    That may be hours later, when another run moves the bench: it has found them stopping, and starts them itself.
    """
    names, deadline = set(named(idle)), time.monotonic() + timeout
    free = startable(names, manager)
    manager.start_in_turn(free)
    held = names - free
    while held and time.monotonic() < deadline:
        time.sleep(max(manager.interval, manager.apart))
        free = startable(held, manager)
        if free:
            with journal.not_taken() as ours:
                if not ours:
                    return
                manager.start(min(free))  # and the next at the next look: others wait for this lock
            held.remove(min(free))
    see_running(names, manager, max(0, deadline - time.monotonic()))


def startable(names: set[str], manager: ProcessManager) -> set[str]:
    return names - {process.name for process in manager.wait(names, STARTABLE, 0)}


def see_running(names: set[str], manager: ProcessManager, timeout: float) -> None:
    late = manager.wait(names, {"RUNNING"}, timeout)
    if late:
        those = ", ".join(f"{process.name} ({process.state})" for process in late)
        raise BenchError(f"{those} did not start within {timeout:g} s; its log is in the bench's logs/")


class Phase:
    """One of a move's phases on this host. Each returns what the module is to say."""

    def __init__(self, module: AnsibleModule) -> None:
        self.check, self.timeout, self.names = module.check_mode, module.params["timeout"], module.params["names"]
        self.bench = Bench(Path(module.params["path"]))
        self.journal = Journal(Path(module.params["state_dir"]))
        self.manager = process_manager(module.params)
        self.everything = bench_processes(self.bench.path, self.manager)

    def stopped(self) -> dict[str, Any]:
        running = of_role(self.everything, "consumer")
        done = {"changed": bool(running), "processes": named(running)}
        if self.check:
            return {**done, "late": []}
        see_answering(self.journal.open)
        late = stop(running, self.bench, self.journal, self.manager, self.timeout) if running else []
        return {**done, "late": late, "closed": close_connections(both_sides(self.journal.open))}

    def switched(self) -> dict[str, Any]:
        web = of_role(self.everything, "web")
        names = named(web + of_role(self.everything, "socketio"))
        if self.check:
            return {"changed": self._would_switch() or bool(names), "processes": names, "restored": False}
        changed, restored = write_configuration(self.bench, self.journal)
        move_web(web, self.journal, self.manager, self.timeout)
        names = named(web) + move_socketio(self.everything, self.journal, self.manager, self.timeout)
        return {"changed": changed or bool(names), "processes": names, "restored": restored}

    def _would_switch(self) -> bool:
        last = self.journal.last
        if last is None or last["state"] != "open":
            return True  # the move that this belongs to was not opened either
        return configuration(self.bench, self.journal)[0] != self.bench.common_site_config.read_bytes()

    def started(self) -> dict[str, Any]:
        last = self.journal.last
        wanted = self.names if self.names is not None else last["consumers"] if last else []
        idle = [process for process in self.everything if process.name in wanted and process.state != "RUNNING"]
        if self.names is not None and not self.check:
            put_back(idle, self.journal, self.manager, self.timeout)
        elif idle and not self.check:
            with self.journal.phase("Start consumers", "consumer", named(idle)):
                start(idle, self.manager, self.timeout)
        return {"changed": bool(idle), "processes": named(idle)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
            "state": {"type": "str", "choices": ["stopped", "switched", "started"], "required": True},
            "names": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    try:
        outcome = getattr(Phase(module), module.params["state"])()
    except (BenchError, StoreError, OSError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
