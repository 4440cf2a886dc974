"""What a release's values are to be during a move and after it, so that each change can be taken back exactly. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

# Of `worker` in the values: what consumes jobs.
CONSUMERS = ("default", "short", "long", "scheduler")
# Of `jobs` in the values: what an upgrade may run again.
HARMLESS_JOBS = ("configure", "volumePermissions")

# How one change is taken back: `{path: [key, ...], value}`, or without `value` when nothing was there.
Undo = dict


def put(values: dict[str, Any], path: Sequence[str], value: Any) -> Undo:
    """Set one value in place; how to take that back."""
    for depth, key in enumerate(path[:-1], 1):
        if not isinstance(values.get(key), dict):
            undo = {"path": list(path[:depth]), **({"value": values[key]} if key in values else {})}
            values[key] = {}
            put(values[key], path[depth:], value)
            return undo
        values = values[key]
    undo = {"path": list(path), **({"value": values[path[-1]]} if path[-1] in values else {})}
    values[path[-1]] = value
    return undo


def undone(values: dict[str, Any], undos: Sequence[Undo]) -> dict[str, Any]:
    """The values without those changes, the last of them taken back first."""
    values = deepcopy(values)
    for undo in reversed(undos):
        *above, last = undo["path"]
        at: Any = values
        for key in above:
            at = at.get(key) if isinstance(at, dict) else None
        if not isinstance(at, dict):
            continue  # somebody has removed it meanwhile
        if "value" in undo:
            at[last] = undo["value"]
        else:
            at.pop(last, None)
    return values


def with_urls(values: dict[str, Any], urls: dict[str, str]) -> tuple[dict[str, Any], list[Undo]]:
    """The values with these URLs, by purpose, as `externalRedis`; and the way back."""
    values = deepcopy(values)
    return values, [put(values, ("externalRedis", purpose), url) for purpose, url in sorted(urls.items())]


def held(values: dict[str, Any]) -> tuple[dict[str, Any], list[Undo]]:
    """The values with which an upgrade starts no consumer, and runs the configure job; and the way back.

    Helm writes `replicas` whenever it is not what the values say, so a Deployment that was scaled to 0 by hand would
    get its pods back in the midst of a move.
    """
    values = deepcopy(values)
    undos = [put(values, ("worker", consumer, "replicaCount"), 0) for consumer in CONSUMERS]
    configure = (values.get("jobs") or {}).get("configure") or {}
    if configure.get("enabled") is False:
        undos.append(put(values, ("jobs", "configure", "enabled"), True))
    if configure.get("jobName"):  # a job cannot be changed; without a name of its own it gets a new one each time
        undos.append(put(values, ("jobs", "configure", "jobName"), ""))
    return values, undos


def rerun_jobs(values: dict[str, Any]) -> list[str]:
    """Jobs that the values leave enabled, so that any upgrade runs them again."""
    jobs = values.get("jobs") or {}
    return sorted(name for name, job in jobs.items() if name not in HARMLESS_JOBS and (job or {}).get("enabled"))
