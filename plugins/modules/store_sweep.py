#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Moves a bench's data from its former stores to its new ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_sweep
short_description: Move a bench's data from its former stores to its new ones
version_added: 0.1.0
description:
  - Moves what the former stores of the move in progress still hold of this bench. Run it once a bench, on one host.
  - C(prepare) removes what the new cache has of an earlier stay of the bench, which would be stale. It does so while
    the bench still uses its former one; run again after the switch it does nothing.
  - C(live) waits until nobody but this module is connected to the former stores, puts jobs that a stopped worker had
    popped back into their queue, then moves every job that is still to run, and the durable lists of the cache. What
    the new cache took in while some processes still used the former one is removed, since those invalidated the
    former one alone.
  - C(connections) and C(put_back) are for a move that comes to nothing. C(connections), on every host of the bench,
    closes the connections that the stores of either side take for this host's and this host does not have, because a
    cut ended them without a word to their server. C(put_back) puts jobs that a stopped worker had popped back into
    their queue in the store that the bench uses, and moves nothing. Workers may be at work, if every host reaches it.
  - C(history) moves finished and failed jobs; the consumers may work meanwhile.
  - A key is removed from the former store after it was read back from the new one. A killed sweep is resumed by
    running it again.
requirements:
  - redis-py, as in the bench's own environment
author: The benchfly authors
options:
  part:
    description: What to move.
    type: str
    choices: [prepare, connections, live, put_back, history]
    required: true
  timeout:
    description: Seconds to wait until the former stores have no client that could write.
    type: int
    default: 60
extends_documentation_fragment:
  - benchfly.stores.bench
  - benchfly.stores.bench.process_manager
attributes:
  check_mode:
    description: Changes nothing and moves nothing.
    support: full
"""

EXAMPLES = r"""
- name: Move what is still to run
  benchfly.stores.store_sweep:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    supervisor_socket: /var/run/supervisor.sock
    part: live
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
swept:
  description: What was moved, by purpose of the store.
  returned: part is live or history
  type: dict
closed:
  description: Addresses of the connections that were closed.
  returned: part is connections
  type: list
  elements: str
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    CACHE_KEY,
    QUEUE_KEY,
    Bench,
    BenchError,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import SWEEP, Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    NO_REDIS,
    PROCESS_MANAGER,
    process_manager,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import ENDED, bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.bench_stores import (
    both_sides,
    close_connections,
    moved_keys,
)
from ansible_collections.benchfly.stores.plugins.module_utils.cache_sweep import CacheSweep
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager
from ansible_collections.benchfly.stores.plugins.module_utils.queue_sweep import QueueSweep
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import (
    HAS_REDIS,
    StoreError,
    connect,
    redis,
    wait_until_quiet,
)

PHASES = {"prepare": "Move", "live": SWEEP, "history": "History"}


def sweep(bench: Bench, move: dict[str, Any], part: str, timeout: float, again: bool) -> dict[str, Any]:
    done: dict[str, Any] = {}
    keys = moved_keys(move)
    if part == "prepare":
        if CACHE_KEY in keys and bench.config().get(CACHE_KEY) != move["to"][CACHE_KEY]:
            cache = CacheSweep(None, connect(move["to"][CACHE_KEY]), bench.databases(), bench.persistent_cache_keys())
            cache.start_cold()
            done["cache"] = asdict(cache.swept)
        return done
    sources = {key: connect(move["from"][key]) for key in keys}
    if part == "live" and QUEUE_KEY in move["to"] and QUEUE_KEY not in keys:
        queue = QueueSweep(None, connect(move["to"][QUEUE_KEY]), bench.bench_id())
        done["queue"] = asdict(queue.only_put_back())
    if part == "live":
        done["quiet_after"] = round(
            sum(wait_until_quiet(source, move["from"][key], timeout) for key, source in sources.items()), 3
        )
    for key, source in sources.items():
        started = time.monotonic()
        target = connect(move["to"][key])
        if key == QUEUE_KEY:
            queue = QueueSweep(source, target, bench.bench_id())
            done["queue"] = asdict(queue.live(again) if part == "live" else queue.history())
            done["queue"]["seconds"] = round(time.monotonic() - started, 3)
        elif part == "live":
            cache = CacheSweep(source, target, bench.databases(), bench.persistent_cache_keys())
            done["cache"] = asdict(cache.run())
            done["cache"]["seconds"] = round(time.monotonic() - started, 3)
    return done


def start_consumers(bench: Bench, journal: Journal, manager: ProcessManager) -> None:
    """Tell the first of this host's consumers to start; the next phase starts the others, on every host."""
    consumers = journal.open["consumers"]
    idle = [one.name for one in bench_processes(bench.path, manager) if one.name in consumers and one.state in ENDED]
    if idle:
        first = min(idle)
        with journal.phase("Start consumers", "consumer", [first]):
            manager.start(first)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
            "part": {
                "type": "str",
                "choices": ["prepare", "connections", "live", "put_back", "history"],
                "required": True,
            },
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    if module.check_mode:
        module.exit_json(changed=True, swept={})
    bench, journal = Bench(Path(module.params["path"])), Journal(Path(module.params["state_dir"]))
    try:
        if module.params["part"] == "connections":
            closed = close_connections(both_sides(journal.open))
            module.exit_json(changed=bool(closed), closed=closed)
        if module.params["part"] == "put_back":
            queue = QueueSweep(None, connect(bench.config()[QUEUE_KEY]), bench.bench_id())
            put_back = queue.only_put_back(apart=5).put_back
            module.exit_json(changed=put_back > 0, swept={"queue": {"put_back": put_back}})
        with journal.phase(PHASES[module.params["part"]], "stores") as entry:
            # Workers that started after an earlier sweep, and died or were stopped, may have left jobs in the target.
            again = journal.reversing or journal.sweeps > 1
            swept = sweep(bench, journal.open, module.params["part"], module.params["timeout"], again)
            entry["swept"] = swept
        if module.params["part"] == "live":
            start_consumers(bench, journal, process_manager(module.params))
    except (BenchError, StoreError, OSError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(changed=bool(swept), swept=swept)


if __name__ == "__main__":
    main()
