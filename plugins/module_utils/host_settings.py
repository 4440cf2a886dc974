"""Settings of a host's kernel: as declared, as the next boot will set them, as they run; and what aligns the three.

Pure; host_settings_files.py reads and writes. A setting is named as sysctl names it, or `transparent_hugepage`.
"""

from __future__ import annotations

import operator
import os
import re
from dataclasses import dataclass
from typing import Any, Mapping

# Concern -> the file that keeps it over a boot. The variable of a concern is store_host_<concern>.
DROP_INS = {
    "memory": "/etc/sysctl.d/60-benchfly-memory.conf",
    "network": "/etc/sysctl.d/60-benchfly-network.conf",
    "files": "/etc/sysctl.d/60-benchfly-files.conf",
    "transparent_hugepage": "/etc/tmpfiles.d/benchfly-hugepages.conf",
}
HUGEPAGE = "transparent_hugepage"
HUGEPAGE_FILE = "/sys/kernel/mm/transparent_hugepage/enabled"
HEADER = "# Written by Ansible (role store_host); what is changed here is lost.\n"

NAME = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+)+")
DECLARED = re.compile(r"(>=|<=)?\s*(\S.*)")
BOUNDS = {">=": operator.ge, "<=": operator.le}
SWAP_SEPARATORS = str.maketrans("./", "/.")


class SettingsError(Exception):
    """The host cannot be made as declared. One line a problem, each with file, setting, value and remedy."""


@dataclass(frozen=True)
class Setting:
    """One declared setting: `value`, or with a bound (`>=`, `<=`) the least or the most that it may be."""

    name: str
    concern: str
    bound: str
    value: str

    @property
    def declared(self) -> str:
        return "{0} {1}".format(self.bound, self.value).strip()

    def met_by(self, value: str | None) -> bool:
        """Whether a value of the kernel is as declared; None is none."""
        if value is None or not self.bound:
            return value == self.value
        return is_number(value) and BOUNDS[self.bound](int(value), int(self.value))

    def target(self, before: str | None) -> str:
        """What to set it to on a host that had it at `before`, which stays when it is as declared."""
        return before if before is not None and self.met_by(before) else self.value

    def __str__(self) -> str:
        return "{0}: {1} (store_host_{2})".format(self.name, self.declared, self.concern)


@dataclass(frozen=True)
class Found:
    """What there is on a host.

    `running`: value of each setting asked for, None where the kernel has no such setting; `read_only`: names of what
    it has and does not let be written. `drop_ins`: path -> text of every file that counts at boot. `ours`: path ->
    text and mode of the files of DROP_INS, None where there is none. `journal`: `running` and `files` as both were
    before the first change.
    """

    running: Mapping[str, str | None]
    read_only: frozenset[str]
    drop_ins: Mapping[str, str]
    ours: Mapping[str, dict[str, Any] | None]
    journal: Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What brings a host to what is declared. `running`: name -> value; `files`: path -> text and mode, or None.

    `journal` is what to remember afterwards; without any entry there is nothing left to put back.
    """

    running: Mapping[str, str]
    files: Mapping[str, dict[str, Any] | None]
    journal: Mapping[str, dict[str, Any]]


def parse(declared: Mapping[str, Any]) -> list[Setting]:
    """The settings of each concern of DROP_INS. Raises SettingsError for what can be no setting."""
    concerns = {**declared, HUGEPAGE: {HUGEPAGE: declared[HUGEPAGE]} if declared[HUGEPAGE] else {}}
    settings, problems, seen = [], [], {}
    for concern in DROP_INS:
        for name, value in concerns[concern].items():
            variable = "store_host_" + concern
            text = " ".join(str(value).split())
            form = DECLARED.fullmatch(text)
            if name != HUGEPAGE and not NAME.fullmatch(name):
                problems.append("{0}: {1!r} is no name of a sysctl, as net.core.somaxconn is".format(variable, name))
            elif isinstance(value, (bool, dict, list)) or value is None or not form:
                problems.append("{0}: {1} is {2!r}. Give it a number or a text".format(variable, name, value))
            elif form[1] and not is_number(form[2]):
                problems.append("{0}: {1} is {2!r}. {3} takes one number".format(variable, name, value, form[1]))
            elif name in seen:
                problems.append("{0}: {1} is in store_host_{2} too. Keep one".format(variable, name, seen[name]))
            else:
                seen[name] = concern
                settings.append(Setting(name, concern, form[1] or "", form[2]))
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def plan(settings: list[Setting], found: Found) -> Plan:
    """What is to change. What is journalled and no longer declared goes back to what it was."""
    was, former = found.journal["running"], found.journal["files"]
    before = {setting.name: was.get(setting.name, found.running[setting.name]) for setting in settings}
    targets = {setting.name: setting.target(before[setting.name]) for setting in settings}
    running = {name: value for name, value in was.items() if name not in targets}
    # A setting that the kernel has no more needs no way back.
    running = {name: value for name, value in running.items() if found.running[name] not in (None, value)}
    running.update({each.name: targets[each.name] for each in settings if not each.met_by(found.running[each.name])})

    files, kept = {}, {}
    for concern, path in DROP_INS.items():
        lines = {each.name: targets[each.name] for each in settings if each.concern == concern}
        if lines:
            files[path] = {"text": render(lines), "mode": 0o644}
            kept[path] = former.get(path, found.ours[path])
        elif path in former:
            files[path] = former[path]
    files = {path: file for path, file in files.items() if file != found.ours[path]}
    return Plan(running, files, {"running": before, "files": kept})


def problems(settings: list[Setting], found: Found, planned: Plan) -> list[str]:
    """Why the plan would fail, or would not outlast a boot. Nothing may be changed before there is none."""
    answer = []
    files = {**found.drop_ins, **{path: file["text"] if file else "" for path, file in planned.files.items()}}
    boots = at_boot(files)
    for setting in settings:
        name, file, running = setting.name, kernel_file(setting.name), found.running[setting.name]
        value, path = boots[name]
        if running is None:
            remedy = "In a container some settings are its host's alone. Take it out of the variable"
            answer.append("{0}: the kernel has no {1}. {2}".format(setting, file, remedy))
        elif setting.bound and not is_number(running):
            answer.append("{0}: {1} is {2!r}, not one number. Declare the whole value".format(setting, file, running))
        elif not setting.met_by(value):
            remedy = "Take that out, or declare the same"
            answer.append("{0}: at boot {1} would set it to {2}. {3}".format(setting, path, value, remedy))
    names = {setting.name: str(setting) for setting in settings}
    for name in sorted(found.read_only.intersection(planned.running)):
        what = names.get(name, "{0}: {1}, as it was".format(name, planned.running[name]))
        remedy = "Run as root (become); a container's read-only settings have to be set on its host"
        running = "is {0} and cannot be written".format(found.running[name])
        answer.append("{0}: {1} {2}. {3}".format(what, kernel_file(name), running, remedy))
    return answer


def drift(settings: list[Setting], found: Found) -> list[dict[str, Any]]:
    """Each setting as declared, as the files of the host will set it at boot, and as it runs; None where there is none.

    `drift` tells whether the boot or the running kernel is not as declared.
    """
    boots = at_boot(found.drop_ins)
    rows = []
    for setting in settings:
        on_disk, running = boots.get(setting.name, (None, ""))[0], found.running[setting.name]
        row = {"setting": setting.name, "declared": setting.declared, "on_disk": on_disk, "running": running}
        rows.append({**row, "drift": not (setting.met_by(on_disk) and setting.met_by(running))})
    return rows


def at_boot(drop_ins: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Setting -> value and file that wins at boot: the last of sysctl.d, the first of tmpfiles.d (their man pages)."""
    answer = {}
    for path in sorted(drop_ins, key=os.path.basename):
        for name, value in assignments(drop_ins[path]).items():
            if name != HUGEPAGE or name not in answer:
                answer[name] = (value, path)
    return answer


def assignments(text: str) -> dict[str, str]:
    """What a file of sysctl.d (`name = value`) or of tmpfiles.d (`w PATH - - - - value`) sets."""
    answer = {}
    for line in text.splitlines():
        fields = line.split(None, 6)
        if not fields or fields[0][0] in "#;":
            continue
        if len(fields) == 7 and fields[0].startswith("w") and fields[1] == HUGEPAGE_FILE:
            answer.setdefault(HUGEPAGE, fields[6].strip())
        elif "=" in line:
            name, _, value = line.partition("=")
            answer[dotted(name.strip().lstrip("-"))] = " ".join(value.split())
    return answer


def dotted(name: str) -> str:
    """The one of a sysctl's two spellings: where the first separator is a slash, slashes and dots are swapped."""
    first = re.search(r"[./]", name)
    return name.translate(SWAP_SEPARATORS) if first and first[0] == "/" else name


def render(values: Mapping[str, str]) -> str:
    """The file that sets these values at boot."""
    if HUGEPAGE in values:
        return "{0}w {1} - - - - {2}\n".format(HEADER, HUGEPAGE_FILE, values[HUGEPAGE])
    return HEADER + "".join("{0} = {1}\n".format(name, value) for name, value in values.items())


def kernel_file(name: str) -> str:
    """Where the kernel shows a setting and takes it."""
    return HUGEPAGE_FILE if name == HUGEPAGE else "/proc/sys/" + name.replace(".", "/")


def shown(text: str) -> str:
    """The value in a file of the kernel: the choice in brackets, where it shows all, else its words."""
    chosen = re.search(r"\[(.+)\]", text)
    return chosen[1] if chosen else " ".join(text.split())


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text) is not None
