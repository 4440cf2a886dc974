#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Writes the stores of the move in progress into a bench's configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_config
short_description: Point a bench's configuration at the stores of the move in progress
version_added: 0.1.0
description:
  - Changes the redis_* keys of C(sites/common_site_config.json) and nothing else, in one atomic step, after keeping a
    copy of the file beside the journal.
  - A rollback restores the file byte for byte, unless somebody edited it since; then only the keys are put back.
  - Running processes do not notice. The web, socketio and consumers must be moved right after.
author: The benchfly authors
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Says whether the file would change.
    support: full
"""

EXAMPLES = r"""
- name: Write the new URLs
  benchfly.stores.bench_config:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
"""

RETURN = r"""
restored:
  description: Whether the file was restored byte for byte.
  returned: success
  type: bool
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    Bench,
    BenchError,
    replace_file,
    with_stores,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH


def switched(bench: Bench, journal: Journal) -> tuple[bytes, bool]:
    """The bytes that the configuration must have, and whether they are the former file itself."""
    path = bench.common_site_config
    former = journal.former(path) if journal.open["verb"] == "rollback" else None
    if former is not None:
        return former, True
    target, today = journal.open["to"], bench.config()
    if all(today.get(key) == url for key, url in target.items()):
        return path.read_bytes(), False
    return with_stores(path.read_bytes(), target), False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
        },
        supports_check_mode=True,
    )
    try:
        bench = Bench(Path(module.params["path"]))
        journal = Journal(Path(module.params["state_dir"]))
        if module.check_mode and (journal.last is None or journal.last["state"] != "open"):
            module.exit_json(changed=True, restored=False)  # the move that this belongs to was not opened either
        if module.check_mode:
            content, restored = switched(bench, journal)
            changed = content != bench.common_site_config.read_bytes()
        else:
            with journal.phase("Switch producers", "configuration"):
                content, restored = switched(bench, journal)
                changed = content != bench.common_site_config.read_bytes()
                if changed:
                    journal.backup(bench.common_site_config)
                    replace_file(bench.common_site_config, content)
                journal.wrote(bench.common_site_config)
    except (BenchError, OSError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(changed=changed, restored=restored)


if __name__ == "__main__":
    main()
