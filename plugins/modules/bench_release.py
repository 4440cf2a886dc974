#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Looks at, and moves, a bench that runs as a release of the Helm chart erpnext."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_release
short_description: Look at a release of the chart erpnext, and point it at the stores of the move in progress
version_added: 0.1.0
description:
  - Runs kubectl and helm on the host that it runs on.
  - C(looked) brings the journal of the release from its namespace, and what a move reads of the bench's files from a
    pod of gunicorn, to I(path). Other modules then find there a bench like any other.
  - C(checked) says what of the release speaks against a move.
  - C(switched) names the stores of the move in progress as C(externalRedis) in the release's values, or takes them out
    again for a rollback, and waits until the chart's configure job has written them into the volume. Consumers have no
    replicas in these values.
  - C(settled) gives the consumers their replicas back in the values, which are then what they were but for the stores.
author: The benchfly authors
options:
  state:
    description: What to do.
    type: str
    choices: [looked, checked, switched, settled]
    required: true
  namespace:
    description: Namespace of the release; for C(looked), which tells the other modules.
    type: str
    default: ''
  release:
    description: Name of the release; for C(looked).
    type: str
    default: ''
  chart:
    description: The chart as C(helm upgrade) takes it; for C(looked).
    type: str
    default: ''
  context:
    description: Context of kubectl's configuration, its current one when empty; for C(looked).
    type: str
    default: ''
  urls:
    description: URLs of the new stores by purpose; for C(checked).
    type: dict
    default: {}
  timeout:
    description: Seconds to wait for helm and the configure job.
    type: int
    default: 600
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Says whether the release would change. What C(looked) brings, it brings in check mode too.
    support: full
"""

EXAMPLES = r"""
- name: Look at the release
  benchfly.stores.bench_release:
    path: /home/ops/benches/shop
    state_dir: /home/ops/benches/shop/config/benchfly
    state: looked
    namespace: erp
    release: shop
    chart: frappe/erpnext
"""

RETURN = r"""
found:
  description: What speaks against a move, what somebody should know, and the addresses of the pods.
  returned: state is checked
  type: dict
"""

from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError, replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import JOURNAL, Journal, locked
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH, release_of
from ansible_collections.benchfly.stores.plugins.module_utils.gate.release import findings
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE
from ansible_collections.benchfly.stores.plugins.module_utils.helm_release import ReleaseMove, bring_files
from ansible_collections.benchfly.stores.plugins.module_utils.journal_copy import JournalCopy
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import Release


def look(module: AnsibleModule, state_dir: Path) -> None:
    params = module.params
    if not (params["namespace"] and params["release"] and params["chart"]):
        raise BenchError(
            "set frappe_bench_kubernetes_namespace, frappe_bench_kubernetes_release and frappe_bench_kubernetes_chart"
        )
    release = Release(params["namespace"], params["release"], params["chart"], params["context"])
    release.remember(state_dir)
    bring_journal(release, state_dir)
    bring_files(release, Path(params["path"]))


def bring_journal(release: Release, state_dir: Path) -> None:
    """Have the journal of the namespace here, unless a step at work on this host writes it: then there is no newer."""
    with suppress(BenchError), locked(state_dir, patience=0):
        journal = JournalCopy(state_dir, release).read()
        if journal is not None:
            replace_file(state_dir / JOURNAL, journal, mode=0o600)


def check(state_dir: Path, urls: dict[str, str]) -> dict[str, list[str]]:
    release = release_of(state_dir)
    found = findings(release, urls, resuming=Journal(state_dir).in_progress)
    return {
        "reasons": [finding.text for finding in found if finding.verdict == NO],
        "warnings": [finding.text for finding in found if finding.verdict == NOTE],
        "addresses": [
            pod["status"]["podIP"]
            for _, pods in release.deployments()
            for pod in pods
            if pod.get("status", {}).get("podIP")
        ],
    }


def move(module: AnsibleModule, state_dir: Path) -> bool:
    """Whether the release was, or would be, changed."""
    journal = Journal(state_dir)
    if module.check_mode:
        return journal.last is None or journal.last["state"] != "open" or module.params["state"] == "switched"
    bench, state = Bench(Path(module.params["path"])), module.params["state"]
    phase = "Switch producers" if state == "switched" else "Start consumers"
    with journal.phase(phase, "release"):
        step = ReleaseMove(release_of(state_dir), bench, journal, module.params["timeout"])
        return step.switch() if state == "switched" else step.settle()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            "state": {"type": "str", "choices": ["looked", "checked", "switched", "settled"], "required": True},
            "namespace": {"type": "str", "default": ""},
            "release": {"type": "str", "default": ""},
            "chart": {"type": "str", "default": ""},
            "context": {"type": "str", "default": ""},
            "urls": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    state_dir = Path(module.params["state_dir"])
    try:
        if module.params["state"] == "looked":
            look(module, state_dir)
            module.exit_json(changed=False)
        if module.params["state"] == "checked":
            module.exit_json(changed=False, found=check(state_dir, module.params["urls"]))
        module.exit_json(changed=move(module, state_dir))
    except (BenchError, OSError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")


if __name__ == "__main__":
    main()
