"""Filters over versions of servers: which verb leads from one to another, and what forbids it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.benchfly.stores.plugins.module_utils.store_format import direction, unreadable


def store_verb(running: str, wanted: str) -> str:
    """The verb that leads from one version to the other; empty when they are the same."""
    return direction(running, wanted)


def store_changes_of_version(running: Mapping[str, str], wanted: str) -> list[dict[str, str]]:
    """Stores that run on another version than the wanted: store, from, to and the verb that leads there."""
    return [
        {"store": name, "from": version, "to": wanted, "verb": direction(version, wanted)}
        for name, version in running.items()
        if direction(version, wanted)
    ]


def store_unreadable(engine: str, running: str, wanted: str) -> str:
    """Why `wanted` could not read what `running` has written; empty when it can."""
    return unreadable(engine, running, wanted)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Filters by name."""
        return {
            "store_changes_of_version": store_changes_of_version,
            "store_unreadable": store_unreadable,
            "store_verb": store_verb,
        }
