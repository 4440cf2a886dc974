#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Watches a host, and a store on it, while a benchmark runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_sample
short_description: Watch a host and a store while a benchmark runs
version_added: 0.1.0
description:
  - Takes a sample every second until it is told to stop, another one begins, or I(seconds) are over. To be run with
    C(async) and C(poll=0). So what a killed benchmark left is ended by the next.
  - Reads /proc and, of a store, INFO; of the store's process and its threads only where it runs on the same host.
author: The benchfly authors
options:
  name:
    description: What tells this benchmark from others.
    type: str
    required: true
  state:
    description: Whether to watch, or to tell the watching one to stop.
    type: str
    choices: [watching, stopped]
    default: watching
  urls:
    description: Names of stores to ask as well, and their URLs.
    type: dict
    default: {}
  seconds:
    description: How long it may last, whatever becomes of the one who should tell it to stop.
    type: float
    default: 3600
  interval:
    description: Seconds between two samples.
    type: float
    default: 1
attributes:
  check_mode:
    description: Does nothing.
    support: none
"""

EXAMPLES = r"""
- name: Watch the store's host
  benchfly.stores.benchmark_sample:
    name: "7"
    urls:
      shop-cache: redis://cache1:13000
  async: 3600
  poll: 0
"""

RETURN = r"""
rows:
  description:
    - Of the host, under an empty name, and of each store by its name a mapping for each second; rates are per second.
      See module_utils/benchmark/sampler.py.
  returned: when it watched
  type: dict
problem:
  description: Why it could not watch.
  returned: when it could not
  type: str
overhead_cpu:
  description: How much of one core the watching itself took.
  returned: when it watched
  type: float
"""

import os
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler


def marked(mark: Path) -> str:
    """Who watches on this host, if anybody."""
    try:
        return mark.read_text()
    except OSError:
        return ""


def watch(
    sampler: Sampler, mark: Path, name: str, seconds: float, interval: float
) -> tuple[dict[str, list[object]], float]:
    """Rows until `mark` has another name or is gone, and the share of one core that this took."""
    began, used, rows, count = time.monotonic(), time.process_time(), {}, 0
    while marked(mark) == name and time.monotonic() < began + seconds:
        for store, row in sampler.rows().items():
            rows.setdefault(store, []).append(row)
        count += 1
        time.sleep(max(0.0, began + count * interval - time.monotonic()))
    sampler.close()
    return rows, (time.process_time() - used) / max(time.monotonic() - began, interval)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["watching", "stopped"], "default": "watching"},
            "urls": {"type": "dict", "default": {}, "no_log": True},
            "seconds": {"type": "float", "default": 3600},
            "interval": {"type": "float", "default": 1},
        },
    )
    given = module.params
    mark = Path(tempfile.gettempdir(), f"benchfly-sample-{os.getuid()}")
    if given["state"] == "stopped":
        if marked(mark) == given["name"]:
            mark.unlink()
        module.exit_json(changed=False)
    try:
        # Never through a link that somebody else put there.
        with os.fdopen(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(given["name"])
        targets = {name: Target.from_url(url) for name, url in given["urls"].items()}
        rows, overhead = watch(Sampler(targets), mark, given["name"], given["seconds"], given["interval"])
    except (OSError, ValueError) as error:
        # A benchmark without samples is worth more than none.
        module.exit_json(changed=False, rows={}, overhead_cpu=0.0, problem=f"cannot watch: {error}")
    module.exit_json(changed=False, rows=rows, overhead_cpu=round(overhead, 5))


if __name__ == "__main__":
    main()
