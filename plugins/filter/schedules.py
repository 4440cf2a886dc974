"""Filters over the variable `benchmark_schedules` of a control host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.benchfly.stores.plugins.module_utils import schedule_spec
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError


def schedule_specs(schedules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Complete specifications of schedules by name, checked."""
    try:
        return {name: one.mapping for name, one in schedule_spec.parse_all(schedules).items()}
    except SpecError as error:
        raise AnsibleFilterError(str(error)) from error


def schedule_calendars(schedules: Mapping[str, Any]) -> dict[str, str]:
    """When each of them runs."""
    return {name: spec["calendar"] for name, spec in schedule_specs(schedules).items()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"schedule_specs": schedule_specs, "schedule_calendars": schedule_calendars}
