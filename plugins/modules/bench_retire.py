#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Retires a bench's own redis programs that a move has left, and brings them back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_retire
short_description: Retire a bench's own redis programs that a move has left, or bring them back
version_added: 0.1.0
description:
  - With I(state=retired) those redis programs of the bench that the former URLs of its last migration name are stopped,
    and taken out of C(config/supervisor.conf) or masked for systemd, and out of C(Procfile), so that neither a reboot
    nor C(supervisorctl update) nor C(bench start) brings them back.
  - One that has a client, or holds anything that is not of this bench, is left alone; C(kept) says why.
  - With I(state=restored) all of that is undone, every file byte for byte, and waited for until they answer. Do it
    before anything is moved back to them.
requirements:
  - redis-py, as in the bench's own environment
author: The benchfly authors
options:
  state:
    description: Whether the programs that the last migration left are to be retired or to run again.
    type: str
    choices: [retired, restored]
    required: true
extends_documentation_fragment:
  - benchfly.stores.bench
  - benchfly.stores.bench.process_manager
attributes:
  check_mode:
    description: Changes nothing and says nothing of what would be retired, since nothing has moved yet.
    support: partial
"""

EXAMPLES = r"""
- name: Retire the bench's own redis
  benchfly.stores.bench_retire:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    supervisor_socket: /var/run/supervisor.sock
    state: retired
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
programs:
  description: Programs that were retired or brought back, with their addresses.
  returned: success
  type: list
  elements: str
kept:
  description: Programs that were left alone, and why.
  returned: success
  type: list
  elements: str
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal, locked
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    NO_REDIS,
    PROCESS_MANAGER,
    process_manager,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_retire import Retirement
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS, StoreError, redis


@contextmanager
def step(journal: Journal, name: str) -> Iterator[dict[str, Any]]:
    """A phase of the move in progress, or the bench's lock alone when none is."""
    if journal.in_progress:
        with journal.phase(name, "redis") as entry:
            yield entry
    else:
        with locked(journal.folder):
            yield {}


def migration(journal: Journal) -> dict[str, Any] | None:
    """The migration that the bench is on or that is being taken back; None where there is none, or none any more."""
    last = journal.last
    if last is None or last["verb"] == "migrate":
        return last
    return journal.moves[-2] if journal.in_progress and len(journal.moves) > 1 else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
            "state": {"type": "str", "choices": ["retired", "restored"], "required": True},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    bench, journal = Bench(Path(module.params["path"])), Journal(Path(module.params["state_dir"]))
    move = migration(journal)
    if move is None or module.check_mode:
        module.exit_json(changed=False, programs=[], kept=[])
    programs: list[str] = []
    kept: list[str] = []
    try:
        retirement = Retirement(bench, process_manager(module.params), journal)
        with step(journal, "Retire" if module.params["state"] == "retired" else "Restore") as entry:
            move = migration(journal) or move
            if module.params["state"] == "retired":
                programs, kept = retirement.retire(move)
            else:
                programs = retirement.restore(move)
            entry.update(programs=programs, kept=kept)
    except (BenchError, StoreError, OSError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{bench.path}: {error}")
    for reason in kept:
        module.warn(reason)
    module.exit_json(changed=bool(programs), programs=programs, kept=kept)


if __name__ == "__main__":
    main()
