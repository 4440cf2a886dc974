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


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"blackout_now": blackout_now, "lease_holder": lease_holder}
