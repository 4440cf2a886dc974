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
  - What it saw is in a file, and is handed over when it is told to stop. A benchmark that goes on where another one of
    the same I(name) was killed gets what that one saw, too.
  - Reads /proc and, of a store, INFO; of the store's process and its threads only where it runs on the same host.
author: The benchfly authors
options:
  name:
    description: What tells this benchmark from others.
    type: str
    required: true
  state:
    description: Whether to watch, to tell the watching one to stop, or to forget besides what it saw.
    type: str
    choices: [watching, stopped, absent]
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
  returned: when it was stopped
  type: dict
problem:
  description: Why it could not watch.
  returned: when it could not
  type: str
overhead_cpu:
  description: How much of one core the watching itself took.
  returned: when it was stopped
  type: float
"""

import json
import os
import stat
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler


class Folder:
    """Where a user's watching is noted: who watches, and what was seen. Nobody else can write there."""

    def __init__(self, path: Path) -> None:
        self._mark, self.path = path / "mark", path

    @classmethod
    def own(cls) -> Folder:
        """Raises OSError when somebody else made it."""
        path = Path(tempfile.gettempdir(), f"benchfly-sample-{os.getuid()}")
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{path} is not this user's own folder; remove it")
        return cls(path)

    def begin(self, name: str) -> str:
        """Become the one who watches; what it is marked with. What others than `name` left is removed."""
        for file in self.path.glob("*.jsonl"):
            if file != self.seen(name):
                file.unlink()
        mark = f"{name} {os.getpid()}"
        self._mark.write_text(mark)
        return mark

    def marked(self) -> str:
        """Who watches, if anybody."""
        try:
            return self._mark.read_text()
        except OSError:
            return ""

    def end(self, name: str) -> None:
        """Whoever watches for `name` will stop."""
        if self.marked().rpartition(" ")[0] == name:
            self._mark.unlink()

    def seen(self, name: str) -> Path:
        """A line for each second: rows by store, and the share of a core that watching took so far."""
        return self.path / f"{name}.jsonl"

    def read(self, name: str) -> tuple[dict[str, list[object]], float]:
        """All rows, in order, and what watching took. A line that was cut off is left out."""
        rows: dict[str, list[object]] = {}
        overhead, file = 0.0, self.seen(name)
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                sample, overhead = json.loads(line)
            except ValueError:
                continue
            for store, row in sample.items():
                rows.setdefault(store, []).append(row)
        return rows, overhead


def watch(sampler: Sampler, folder: Folder, name: str, seconds: float, interval: float) -> None:
    """Write down rows until somebody else watches or the time is over.

    It stands back for the store and for those who make load: one more that wakes as they do, and weighs as much, has
    the kernel move them between CPUs. With four busy processes a CPU a sample came late by up to 0.6 s; rates are of
    the time that passed.
    """
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(19)
    began, used, count, mark = time.monotonic(), time.process_time(), 0, folder.begin(name)
    with folder.seen(name).open("a") as seen:
        while folder.marked() == mark and time.monotonic() < began + seconds:
            overhead = (time.process_time() - used) / max(time.monotonic() - began, interval)
            seen.write(json.dumps([sampler.rows(), round(overhead, 5)]) + "\n")
            seen.flush()
            count += 1
            time.sleep(max(0.0, began + count * interval - time.monotonic()))
    sampler.close()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["watching", "stopped", "absent"], "default": "watching"},
            "urls": {"type": "dict", "default": {}, "no_log": True},
            "seconds": {"type": "float", "default": 3600},
            "interval": {"type": "float", "default": 1},
        },
    )
    given = module.params
    try:
        folder = Folder.own()
        if given["state"] != "watching":
            folder.end(given["name"])
            rows, overhead = folder.read(given["name"])
            if given["state"] == "absent" and folder.seen(given["name"]).exists():
                folder.seen(given["name"]).unlink()
            module.exit_json(changed=False, rows=rows, overhead_cpu=overhead)
        targets = {name: Target.from_url(url) for name, url in given["urls"].items()}
        watch(Sampler(targets), folder, given["name"], given["seconds"], given["interval"])
    except (OSError, ValueError) as error:
        # A benchmark without samples is worth more than none.
        module.exit_json(changed=False, rows={}, overhead_cpu=0.0, problem=f"cannot watch: {error}")
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
