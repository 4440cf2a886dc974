"""Filters that say what keeps a bench from being moved now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.benchfly.stores.plugins.module_utils import blackout
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import held_by


def blackout_now(windows: list[str]) -> str:
    """The one of these windows that it is now; empty when it is none."""
    try:
        return blackout.current(windows)
    except blackout.BlackoutError as error:
        raise AnsibleFilterError(f"frappe_bench_blackout: {error}") from error


def lease_holder(lease: Mapping[str, Any], controller: Mapping[str, Any]) -> str:
    """Who holds the lease against this controller, in words; empty when nobody does."""
    return held_by(dict(lease), dict(controller))


def policy_objections(
    policy: list[Mapping[str, Any]], evidence: Mapping[str, Any], gates: list[Mapping[str, Any]]
) -> list[str]:
    """Why a bench may not move by its policy, given the judged evidence and what the gate found now."""
    objections = []
    if any("metric" in rule for rule in policy):
        findings = evidence.get("findings", [])
        if not evidence:
            objections.append("its policy was not judged; `benchfly migrate` does that")
        objections += [f"{one['rule']}: {one['detail']}" for one in findings if not one["ok"]]
        asked = {gate["purpose"]: (gate["engine"], gate["version"]) for gate in gates}
        objections += [
            f"{one['rule']}: {one['run']} measured {one['engine']} {one['version']}, and the store is "
            + " ".join(asked[one["purpose"]])
            for one in findings
            if one["ok"] and asked.get(one["purpose"]) not in (None, (one["engine"], one["version"]))
        ]
    if any("gate" in rule for rule in policy):
        objections += [
            f"the gate says {gate['verdict']} to {gate['store']}" for gate in gates if gate["verdict"] != "go"
        ]
    return objections


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "blackout_now": blackout_now,
            "lease_holder": lease_holder,
            "policy_objections": policy_objections,
        }
