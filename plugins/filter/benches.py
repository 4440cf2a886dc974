"""Filters over the hosts of a bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.gate import hosts as host_gate
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE


def bench_findings(hosts: Sequence[str], hostvars: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, list[str]]:
    """What speaks against a move, and what somebody should know, when the hosts of a bench are held side by side."""
    findings = host_gate.findings({host: _seen(hostvars[host]) for host in hosts}, urls)
    return {
        "reasons": [finding.text for finding in findings if finding.verdict == NO],
        "warnings": [finding.text for finding in findings if finding.verdict == NOTE],
    }


def _seen(host: Mapping[str, Any]) -> dict[str, Any] | None:
    """What bench_facts and bench_check found on a host; None when this run has not looked there."""
    if "_frappe_bench_checked" not in host:
        return None
    found = host["_frappe_bench_checked"]["found"]
    pods = host.get("_frappe_bench_release", {}).get("found", {}).get("addresses", [])
    return {**host["_frappe_bench_facts"]["bench"], **found, "addresses": [*found["addresses"], *pods]}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"bench_findings": bench_findings}
