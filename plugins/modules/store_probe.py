#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Asks a store whether it does what a bench needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_probe
short_description: Ask a store whether it does what a bench needs
version_added: 0.1.0
description:
  - Sends the target server what Frappe and RQ will send it, from the bench's host and through the bench's own
    libraries, and reports need by need what it answered.
  - Writes only keys under C(benchfly:probe:) and RQ's keys of queues, jobs and workers named C(benchfly-probe-*), and
    removes them. Where it is killed, the server forgets them within two minutes.
  - Never fills the store, and never suspends or stops anything of others on it.
requirements:
  - redis-py and rq, as in the bench's own environment
author: The benchfly authors
options:
  url:
    description: URL of the store.
    type: str
    required: true
  purpose:
    description: What the bench will use it for.
    type: str
    choices: [cache, queue]
    required: true
  path:
    description: The bench folder.
    type: path
    required: true
attributes:
  check_mode:
    description: Probes all the same, since it leaves nothing behind.
    support: full
"""

EXAMPLES = r"""
- name: Ask the new queue store
  benchfly.stores.store_probe:
    url: redis://cache1:11000
    purpose: queue
    path: /home/frappe/frappe-bench
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
gate:
  description: What the store answered.
  returned: success
  type: dict
  contains:
    verdict: {description: "C(go), C(settings), which is go once they are made, or C(no).", type: str, returned: always}
    needs: {description: "Every need with used_by, answer, verdict (ok, note, setting or no) and remedy.", type: list,
            elements: dict, returned: always}
    reasons: {description: What speaks against the store, type: list, elements: str, returned: always}
    warnings: {description: What somebody should know of it, type: list, elements: str, returned: always}
    engine: {description: "Engine that answered, empty when none did.", type: str, returned: always}
    version: {description: Its version, type: str, returned: always}
    frappe: {description: Version of the bench's Frappe, type: str, returned: always}
    purpose: {description: What it was asked for, type: str, returned: always}
    store: {description: Its address, type: str, returned: always}
"""

import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    PURPOSE_KEYS,
    Bench,
    BenchError,
    redact,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Answer, verdict
from ansible_collections.benchfly.stores.plugins.module_utils.gate.needs import ask
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import MET, NOTE
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS


def look(url: str, purpose: str, bench: Bench) -> dict[str, Any]:
    """The gate of one store for one bench."""
    version, config = bench.version_of("frappe"), bench.config()
    former = str(config.get(PURPOSE_KEYS[purpose]) or "")
    probe = Probe(url, purpose, int((version or "0").partition(".")[0]), bench.bench_id(), config, former)
    answers = ask(probe)

    def told(answer: Answer) -> str:
        return f"{purpose} store {redact(url)}: {answer.need}: {answer.answer}. Remedy: {answer.remedy}"

    return {
        "purpose": purpose,
        "store": redact(url),
        **probe.server,
        "frappe": version,
        "verdict": verdict(answers),
        "needs": [asdict(answer) for answer in answers],
        "reasons": [told(answer) for answer in answers if answer.verdict not in (MET, NOTE)],
        "warnings": [told(answer) for answer in answers if answer.verdict == NOTE],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "purpose": {"type": "str", "choices": ["cache", "queue"], "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    for name in ("SIGTERM", "SIGHUP"):  # what it wrote is removed also when it is told to end
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))
    url, purpose = module.params["url"], module.params["purpose"]
    try:
        gate = look(url, purpose, Bench(Path(module.params["path"])))
    except (BenchError, ImportError) as error:
        module.fail_json(msg=f"{purpose} store {redact(url)}: {error}")
    module.exit_json(changed=False, gate=gate)


if __name__ == "__main__":
    main()
