"""Filters over what the inventory plugin amazon.aws.aws_ec2 says of an instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.ec2_tags import tagged_stores
from ansible_collections.benchfly.stores.plugins.module_utils.ec2_types import instance_type


def instance_memory(name: str) -> int | None:
    """MiB of RAM that instances of a type have; None for a type that is not known."""
    known = instance_type(name)
    return known.memory if known else None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"instance_memory": instance_memory, "tagged_stores": tagged_stores}
