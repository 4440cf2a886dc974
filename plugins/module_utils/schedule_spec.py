"""The one specification of a scheduled benchmark: how what an inventory says becomes a Schedule.

Runs on the controller. What a calendar means is systemd's business: `systemd-analyze calendar` on the control host
has the last word on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import blackout
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem, SpecError, closest

# It becomes a unit's instance and a file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
# Of a URL that cannot be used its scheme is told, so there must be nothing else in it.
_URL = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*://")
_TYPES = {"calendar": str, "workload": str, "stores": list, "blackout": list, "notify": list, "variables": dict}
_SWITCHES = ("timer", "persistent", "notify_always")
# Of a number: the least, and the most.
_RANGES = {
    "scale": (0.000001, 1.0),
    "wait_minutes": (0, 24 * 60),
    "busy_cpu": (0, 100),
    "busy_commands": (0, 1_000_000),
    "keep": (1, 100_000),
}
_MEANINGS = {
    "calendar": "Say when, as systemd's OnCalendar: Mon..Fri 02:30 Europe/Berlin",
    "stores": "Name stores of the inventory; the first of several is what the others are compared with",
    "blackout": "Give a list of windows",
    "notify": "Give a list of URLs of Apprise, such as slack://... or json://host/path",
    "variables": "Give variables of playbooks/benchmark.yml, such as benchmark_seconds: 10",
}


@dataclass(frozen=True)
class Schedule:
    """A schedule, complete and checked.

    busy_cpu: per cent of a host's processors that others may use; busy_commands: commands/s that a store may serve to
    others; 0 looks at neither. wait_minutes: for how long it waits for that, and for another benchmark. keep: of how
    many runs everything is kept; figures stay. notify: URLs of Apprise, which are secrets.
    """

    name: str
    calendar: str
    stores: tuple
    workload: str = "frappe-site"
    scale: float = 1.0
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    blackout: tuple = ()
    wait_minutes: float = 60
    busy_cpu: float = 20
    busy_commands: float = 100
    keep: int = 90
    notify: tuple = field(default=(), repr=False)
    notify_always: bool = False
    timer: bool = True
    persistent: bool = True

    @property
    def mapping(self) -> dict[str, Any]:
        """As plain data, with what is secret."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "name"}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


KEYS = tuple(each.name for each in fields(Schedule) if each.name != "name")


def parse(name: str, given: object) -> Schedule:
    """Raises SpecError with every problem; none of them shows a secret."""
    problems = list(_problems(name, given))
    if problems:
        raise SpecError(problems)
    assert isinstance(given, Mapping)
    return Schedule(
        name=name, **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    )


def parse_all(given: object) -> dict[str, Schedule]:
    """Every schedule of the variable benchmark_schedules. Raises SpecError with every problem of every one."""
    if not isinstance(given, Mapping):
        reason, remedy = "is not a mapping of schedules", "Give each schedule a name, and its keys below the name"
        raise SpecError([Problem("benchmark_schedules", None, reason, remedy)])
    problems = [problem for name, each in given.items() for problem in _problems(str(name), each)]
    if problems:
        raise SpecError(problems)
    return {str(name): parse(str(name), each) for name, each in given.items()}


def _problems(name: str, given: object) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        yield Problem(name, None, "is no name of a schedule", "Use letters, digits, _ and -, as for a unit of systemd")
    if not isinstance(given, Mapping):
        yield Problem(name, None, "is not a mapping", "Give its calendar and stores below its name")
        return
    for key in given:
        if key not in KEYS:
            near = closest(str(key), KEYS)
            remedy = f"Did you mean {near}" if near else f"Known are {', '.join(KEYS)}"
            yield Problem(f"{name}.{key}", None, "is no key of a schedule", remedy)
    for key in ("calendar", "stores"):
        if not given.get(key):
            yield Problem(f"{name}.{key}", None, "is missing", _MEANINGS[key])
    for key, value in given.items():
        if key in KEYS and value not in (None, "", [], {}):
            yield from _value_problems(f"{name}.{key}", str(key), value)


def _value_problems(place: str, key: str, value: Any) -> Iterator[Problem]:
    shown = None if key == "notify" else value
    if key in _TYPES and not isinstance(value, _TYPES[key]):
        yield Problem(place, shown, f"is no {_TYPES[key].__name__}", _MEANINGS.get(key, "Give a word"))
    elif key in _SWITCHES and not isinstance(value, bool):
        yield Problem(place, shown, "is neither true nor false", "Say one of them")
    elif key in _RANGES:
        least, most = _RANGES[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            yield Problem(place, shown, f"is no number from {least:g} to {most:g}", "Give one")
    elif key in ("stores", "notify"):
        yield from _list_problems(place, key, value)
    elif key == "calendar" and "\n" in value:
        yield Problem(place, shown, "has more than one line", _MEANINGS[key])
    elif key == "blackout":
        for number, window in enumerate(value):
            try:
                blackout.parse(window)
            except blackout.BlackoutError as error:
                yield Problem(f"{place}[{number}]", window, error.reason, error.remedy)


def _list_problems(place: str, key: str, value: Sequence[Any]) -> Iterator[Problem]:
    if not all(isinstance(each, str) and each and "\n" not in each for each in value):
        yield Problem(place, None, "has something in it that is no line of text", _MEANINGS[key])
    elif len(set(value)) != len(value):
        yield Problem(place, None, "names one of them twice", "Name each once")
    elif key == "notify" and not all(_URL.match(each) for each in value):
        yield Problem(place, None, "has something in it that is no URL", _MEANINGS[key])
