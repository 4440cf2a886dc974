"""What a control host was told of a schedule: the files that the role benchmark_schedule writes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import Schedule, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError

from benchfly.errors import RefusedError

VARIABLE = "BENCHFLY_SCHEDULES"
FOLDER = "/etc/benchfly-schedules"
_OTHERS = ("inventory", "home", "metrics_dir")


@dataclass(frozen=True)
class Settings:
    """A schedule, and where its stores are declared, its results go, and node_exporter reads (or nowhere)."""

    schedule: Schedule
    inventory: str
    home: str
    metrics_dir: str
    notify: tuple[str, ...] = field(default=(), repr=False)  # secrets


def folder() -> Path:
    """Where schedules are: $BENCHFLY_SCHEDULES, or /etc/benchfly-schedules."""
    return Path(os.environ.get(VARIABLE, FOLDER))


def names() -> list[str]:
    """The schedules of this host."""
    return sorted(path.stem for path in folder().glob("*.json"))


def read(name: str) -> Settings:
    """The settings of a schedule. Raises RefusedError that names the file."""
    path = folder() / f"{name}.json"
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        inventory, home, metrics_dir = (str(given.pop(key)) for key in _OTHERS)
        schedule = parse(name, given)
    except FileNotFoundError:
        known = ", ".join(names()) or "none"
        raise RefusedError(
            f"{path} is not there. Schedules of this host: {known}. `benchfly schedule` installs"
        ) from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError, SpecError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else f"cannot be used: {error}"
        raise RefusedError(f"{path} {reason}. Install it again with `benchfly schedule`") from error
    return Settings(schedule, inventory, home, metrics_dir, tuple(_urls(path.with_suffix(".notify"))))


def _urls(path: Path) -> list[str]:
    """The services to notify, one a line. Raises RefusedError where others could read them."""
    if not path.exists():
        return []
    if path.stat().st_mode & 0o077:
        raise RefusedError(f"{path} may be read by others, and its URLs are secrets. chmod 0600 {path}")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
