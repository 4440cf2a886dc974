"""Filters of the role store_service: what the modules take, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import store_unit
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import SECRET_KEYS
from ansible_collections.benchfly.stores.plugins.module_utils.store_settings import LIVE, RESTART

Specs = Mapping[str, Mapping[str, Any]]
_CONFIG_NAMES = {"redis.conf", "valkey.conf", "dragonfly.flags"}

Looks = Mapping[str, Mapping[str, Any]]  # what store_info says of each store


def store_public(stores: Specs) -> dict[str, dict[str, Any]]:
    """The specifications without what is secret in them."""
    return {name: {key: spec[key] for key in spec if key not in SECRET_KEYS} for name, spec in stores.items()}


def store_refusals(stores: Specs, looks: Looks, engine: str, config_name: str) -> list[str]:
    """Why nothing may be done, a line for each store: what would lose data, or is another's."""
    lines = []
    for name, spec in stores.items():
        look = looks[name]
        before, others = look["observed"], _CONFIG_NAMES - {config_name}
        if spec["engine"] != engine or others & set(look["files"]):
            lines.append(
                f"{name} is declared for {spec['engine']}, and its folder has {', '.join(look['files'])}. "
                "A store keeps its engine. Declare a new one under another name, and migrate the bench to it."
            )
        if "directory" in look["wrong"]:
            lines.append(
                f"port {spec['port']} of {name} belongs to a process that runs in {before['directory']}. "
                "Give the store another port, or end that process."
            )
        elif spec["purpose"] == "queue" and before.get("keys") and before["persistence"] != spec["persistence"]:
            lines.append(
                f"{name} holds {before['keys']} keys and would start without them, since its persistence would change "
                f"from {before['persistence']} to {spec['persistence']}. Declare a new store under another name, and "
                "migrate the bench to it."
            )
    return lines


def store_uses(looks: Looks) -> list[str]:
    """Why stores may not be removed, a line for each that is in use."""
    return [
        f"{name} holds {look['observed']['keys']} keys and has {look['observed']['clients']} clients"
        for name, look in looks.items()
        if look["observed"] and (look["observed"]["keys"] or look["observed"]["clients"])
    ]


def store_named(texts: Mapping[str, str], name: str) -> dict[str, dict[str, str]]:
    """One text of each store as its file of that name; none where there is no text."""
    return {store: {name: text} if text else {} for store, text in texts.items()}


def store_units(
    stores: Specs, command: str, files: Mapping[str, str], user: str, timeout: int, open_files: Mapping[str, int]
) -> dict[str, str]:
    """Unit of each store, see store_unit.unit."""
    return {
        name: store_unit.unit(name, spec, command, files, user, int(timeout), open_files[name])
        for name, spec in stores.items()
    }


def store_shell(command: str, files: Mapping[str, str]) -> str:
    """What a supervisord runs, see store_unit.shell."""
    return store_unit.shell(command, files)


def store_changes(looks: Looks) -> list[str]:
    """What bringing the running stores to what is declared takes, a line for each setting."""
    lines = []
    for name, look in looks.items():
        rows = look["settings"] if look["running"] else []
        lines.extend(f"{name}: {row['name']} {_shown(row)} ({row['change']})" for row in rows)
        for key, values in look["wrong"].items():
            lines.append(f"{name}: {key} is {values['running']}, declared {values['declared']} (restart)")
    return lines


def store_live(looks: Looks) -> dict[str, dict[str, str]]:
    """Of each store the settings that can be changed while it runs; none of one that must restart."""
    restart = store_restart(looks)
    live = {
        name: {row["name"]: row["declared"] for row in look["settings"] if row["change"] == LIVE}
        for name, look in looks.items()
        if look["running"] and name not in restart
    }
    return {name: settings for name, settings in live.items() if settings}


def store_restart(looks: Looks, files: Mapping[str, list[str]] | None = None) -> list[str]:
    """Stores that run and must be restarted to be as declared. `files`: what store_files changed of each."""
    return [
        name for name, look in looks.items() if look["running"] and _must_restart(look, (files or {}).get(name, []))
    ]


def _must_restart(look: Mapping[str, Any], files: list[str]) -> bool:
    return bool(
        look["wrong"]
        or look.get("unit", {}).get("stale")
        or any(row["change"] == RESTART for row in look["settings"])
        or {"secret", "unit"} & set(files)
    )


def _shown(row: Mapping[str, Any]) -> str:
    before, after = (("none" if value is None else value or '""') for value in (row["running"], row["declared"]))
    return f"{before} -> {after}" if before != after else f"is {after}, but not in its file"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "store_changes": store_changes,
            "store_live": store_live,
            "store_named": store_named,
            "store_public": store_public,
            "store_refusals": store_refusals,
            "store_restart": store_restart,
            "store_shell": store_shell,
            "store_units": store_units,
            "store_uses": store_uses,
        }
