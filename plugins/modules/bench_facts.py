#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""What a host knows about a Frappe bench, without its passwords."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_facts
short_description: Look at a Frappe bench
version_added: 0.1.0
description:
  - Reads a bench folder, its environment, its processes and the journal of its moves. Changes nothing.
  - Store URLs are returned without user and password.
  - Needs no library; with the bench's own C(env/bin/python) as interpreter it also reports the library versions.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.bench
  - benchfly.stores.bench.process_manager
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Look at the bench
  benchfly.stores.bench_facts:
    path: /home/frappe/frappe-bench
    supervisor_socket: /var/run/supervisor.sock
    state_dir: /home/frappe/frappe-bench/config/benchfly
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
bench:
  description: What was found.
  returned: success
  type: dict
  contains:
    bench_id: {description: Prefix of the queue names., type: str, returned: always}
    bench_id_pinned: {description: Whether the configuration states it., type: bool, returned: always}
    frappe: {description: Version of Frappe, type: str, returned: always}
    libraries: {description: Versions of rq, redis, hiredis and gunicorn., type: dict, returned: always}
    stores: {description: The redis_* URLs without passwords., type: dict, returned: always}
    processes: {description: Name, role and state of each of the bench's programs., type: list, elements: dict,
                returned: always}
    move: {description: The last move from the journal, or empty., type: dict, returned: always}
    lease: {description: Who is moving the bench, or empty., type: dict, returned: always}
    amiss: {description: What is not as the journal says since somebody changed it., type: list, elements: str,
            returned: always}
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError, redact
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal, redacted
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import (
    BENCH,
    PROCESS_MANAGER,
    library_version,
    process_manager,
    unanswered,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.bench_retire import amiss
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager

LIBRARIES = ("rq", "redis", "hiredis", "gunicorn")
STORE_KEYS = ("redis_cache", "redis_queue", "redis_socketio")


def look(bench: Bench, manager: ProcessManager, state_dir: Path) -> dict[str, Any]:
    config = bench.config()
    processes = bench_processes(bench.path, manager)
    journal = Journal(state_dir)
    return {
        "bench_id": bench.bench_id(),
        "bench_id_pinned": bool(config.get("bench_id")),
        "frappe": bench.version_of("frappe"),
        "libraries": {name: library_version(name) for name in LIBRARIES},
        "stores": {key: redact(config[key]) for key in STORE_KEYS if config.get(key)},
        "sites": sorted(bench.site_configs()),
        "processes": [asdict(process) for process in processes],
        "move": redacted(journal.last) if journal.last else {},
        "lease": journal.lease,
        "amiss": amiss(bench, manager, journal),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            **PROCESS_MANAGER,
        },
        supports_check_mode=True,
    )
    try:
        found = look(
            Bench(Path(module.params["path"])), process_manager(module.params), Path(module.params["state_dir"])
        )
    except BenchError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=unanswered(module.params, error))
    module.exit_json(changed=False, bench=found)


if __name__ == "__main__":
    main()
