# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""What the module tune_study does: on the controller, where the package benchfly is. See there for its options."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.arguments import WORKLOAD
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import WorkloadError, parse

try:
    from benchfly.errors import BenchflyError
    from benchfly.tuning import change
    from benchfly.tuning.facts import facts, live
    from benchfly.tuning.plan import Plan, result
    from benchfly.tuning.study import Study

    HAS_BENCHFLY = True
except ImportError:
    HAS_BENCHFLY = False

ARGUMENTS = {
    "folder": {"type": "path", "required": True},
    "plan": {"type": "dict", "required": True},
    "host": {"type": "dict", "default": {}},
    "server": {"type": "dict", "default": {}},
    "stores": {"type": "int", "default": 0},
    **WORKLOAD,
    "applied": {"type": "dict", "default": {}},
    "results": {"type": "list", "elements": "dict"},
    "asked": {"type": "float"},
    "finish": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """What Ansible loads."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if not HAS_BENCHFLY:
            raise AnsibleActionFail(
                "Tuning needs the Python package benchfly on this controller, in the Python that runs Ansible. "
                "Install it with: pip install 'benchfly[analysis,tune]'"
            )
        _, given = self.validate_argument_spec(ARGUMENTS, required_together=[("results", "asked")])
        try:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(given["folder"])
                study = Study(Path(scratch, "study") if self._task.check_mode else folder, _planned(given))
                if given["results"] is not None and study.next:
                    results = [result(each) for each in given["results"]]
                    # A budget is of all the time that the hosts are had for it, restarts and Ansible's own included.
                    each_took = round((time.monotonic() - given["asked"]) / len(results), 3)
                    study.record([replace(each, seconds=each_took) for each in results])
                said = _said(study, given["applied"])
        except (BenchflyError, WorkloadError, OSError, TypeError) as error:
            raise AnsibleActionFail(str(error)) from error
        if given["finish"] and study.outcome and not self._task.check_mode:
            folder.rename(f"{folder}.{time.strftime('%Y%m%d-%H%M%S')}")
        return {"changed": given["results"] is not None or given["finish"], **said}


def _planned(given: Mapping[str, Any]) -> Plan:
    """The plan. Raises BenchflyError, WorkloadError."""
    asked = dict(given["plan"])
    workload = parse(given["workload_name"], given["workload"], given["scale"])
    known = facts(asked.pop("spec"), asked.pop("version"), workload, given["host"], given["server"], given["stores"])
    lists = {key: tuple(value) for key, value in asked.items() if isinstance(value, list)}
    load = {key: given[key] for key in ("workload", "scale")}
    return Plan(facts=known, **{**asked, **lists, **load})


def _said(study: Study, applied: Mapping[str, Any]) -> dict[str, Any]:
    plan, outcome = study.plan, study.outcome
    changed = change.lines(outcome.kept, plan.facts.spec) if outcome else []
    return {
        "choices": {key: list(values) for key, values in plan.choices.items()},
        "findings": [asdict(finding) for finding in study.findings],
        "what": study.next.what if study.next else "",
        "steps": _steps(study, applied),
        "expected": study.expected,
        "asked": time.monotonic(),
        "outcome": outcome.as_dict() if outcome else {},
        "change": [asdict(line) for line in changed],
        "document": change.document(plan.store, changed) if changed else "",
    }


def _steps(study: Study, applied: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of the next batch, each with what brings the store there from the one before."""
    found, plan = [], study.plan
    for step in study.next.steps if study.next else ():
        changes = live(plan.store, plan.facts.spec, plan.facts.version, applied, step.settings)
        applied = dict(step.settings)
        found.append({"settings": applied, "live": changes or {}, "restart": changes is None, "rates": step.rates})
    return found
