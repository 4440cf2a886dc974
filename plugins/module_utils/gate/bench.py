"""What of a bench on one host speaks against a move, or would undo it later. Reads files and /proc only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import CACHE_KEY, Bench
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import environment_of
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE

STORE_KEYS = ("redis_cache", "redis_queue", "redis_socketio")
# For the journal, copies of the files that a move touches, and the canary's log; all of it is small.
FREE_BYTES = 64 * 1024 * 1024
_VARIABLE = re.compile(r"\bFRAPPE_REDIS_(?:CACHE|QUEUE|SOCKETIO)\b")


@dataclass(frozen=True)
class Finding:
    """Something about a bench: `verdict` is no (it may not move) or note (somebody should know)."""

    verdict: str
    text: str


@dataclass(frozen=True)
class Look:
    """A bench on this host, its programs as the process manager lists them, and where the journal is."""

    bench: Bench
    processes: list[dict[str, Any]]
    state_dir: Path

    @property
    def frappe(self) -> int:
        """Major version."""
        return int((self.bench.version_of("frappe") or "0").partition(".")[0])

    @property
    def program_files(self) -> list[Path]:
        """Files that say how the bench's processes are started, of whatever process manager."""
        path, name = self.bench.path, self.bench.path.name
        found = [path / "Procfile", path / "config/supervisor.conf", *path.glob("config/systemd/*")]
        found += Path("/etc/supervisor/conf.d").glob(f"{name}*.conf")
        found += Path("/etc/systemd/system").glob(f"{name}-*.service")
        found += Path("/etc/systemd/system").glob(f"{name}-*.service.d/*.conf")
        return sorted({file.resolve() for file in found if file.is_file()})


@dataclass(frozen=True)
class Check:
    """One thing that is looked for."""

    looks_for: str
    why: str
    find: Callable[[Look], Iterable[Finding]]


def check(looks_for: str, why: str) -> Callable[[Callable[[Look], Iterable[Finding]]], Check]:
    """Make a check of a function that finds."""
    return lambda find: Check(looks_for, why, find)


@check("sites with redis_* keys of their own", "they override the bench's, so the site would stay where it is")
def sites(look: Look) -> Iterator[Finding]:
    for site, config in look.bench.site_configs().items():
        for key in STORE_KEYS:
            if key in config:
                yield Finding(
                    NO, f"sites/{site}/site_config.json sets {key}, which overrides the bench's; remove it there"
                )


@check("FRAPPE_REDIS_* in the environment of a process", "it overrides the configuration, so that process would stay")
def environments(look: Look) -> Iterator[Finding]:
    for process in look.processes:
        for name in environment_of(process["pid"]) if process["pid"] else []:
            if name.startswith("FRAPPE_REDIS_"):
                text = f"process {process['pid']} ({process['name']}) has {name} in its environment"
                yield Finding(NO, f"{text}, which overrides the configuration; remove it there and restart it")


@check("FRAPPE_REDIS_* in the process manager's files", "it overrides the configuration from the next start on")
def program_files(look: Look) -> Iterator[Finding]:
    for file in look.program_files:
        for name in sorted(set(_VARIABLE.findall(_text(file)))):
            yield Finding(NO, f"{file} sets {name}, which overrides the configuration; remove it there")


@check("Sentinel settings", "Frappe then takes its addresses from Sentinel, and a move changes URLs only")
def sentinels(look: Look) -> Iterator[Finding]:
    config = look.bench.config()
    for key in ("redis_cache_sentinel_enabled", "redis_queue_sentinel_enabled"):
        if config.get(key):
            yield Finding(NO, f"common_site_config.json sets {key}; a move changes URLs only. Leave Sentinel first")


@check("bench_id not pinned", "it then comes from the bench's path, and jobs queued under another one are never found")
def bench_id(look: Look) -> Iterator[Finding]:
    if not look.bench.config().get("bench_id"):
        yield Finding(
            NOTE,
            f"bench_id is not pinned, so queues are named after the bench's path ({look.bench.bench_id()}). Before the "
            f"bench is moved to another path or copied to another host: bench set-config -g bench_id "
            f"{look.bench.bench_id()}",
        )


@check("a unix:// URL for the cache of Frappe 16", "ClientCache makes a TCP connection of any URL")
def unix_socket(look: Look) -> Iterator[Finding]:
    if look.frappe >= 16 and str(look.bench.config().get(CACHE_KEY, "")).startswith("unix:"):
        text = "redis_cache is a unix:// URL, which ClientCache of Frappe 16 cannot use"
        yield Finding(NOTE, f"{text}; a move to a store with a redis:// URL mends that")


@check("bench worker-pool", "its workers also schedule, so stopping the scheduler alone is not enough")
def worker_pool(look: Look) -> Iterator[Finding]:
    for file in look.program_files:
        if re.search(r"\bbench worker-pool\b", _text(file)):
            text = f"{file} starts bench worker-pool, whose workers also schedule"
            yield Finding(NOTE, f"{text}; a move stops them with the workers if the program is in the workers' group")


@check(
    "processes of the bench that no process manager runs", "they stay on the former store, and a move waits for them"
)
def strangers(look: Look) -> Iterator[Finding]:
    managed = {process["pid"] for process in look.processes}
    tree = _processes()
    for pid, (parent, command, folder) in tree.items():
        if "frappe.utils.bench_helper" not in command or not _within(folder, look.bench.path):
            continue
        line = [pid]
        while parent in tree and parent not in line:
            line.append(parent)
            parent = tree[parent][0]
        if managed.isdisjoint(line) and pid != os.getpid():
            words = command.partition("frappe.utils.bench_helper")[2].strip()
            text = f"process {pid} (bench {words}) runs outside the process manager"
            yield Finding(NOTE, f"{text}; end it before the move, which otherwise stops before the sweep")


@check("units of systemd beside supervisord's programs", "whichever starts last runs the bench twice")
def two_managers(look: Look) -> Iterator[Finding]:
    files = look.program_files
    units = [file for file in files if file.suffix == ".service" and file.parent == Path("/etc/systemd/system")]
    if (
        units
        and (look.bench.path / "config/supervisor.conf") in files
        and not any("@" in p["name"] for p in look.processes)  # as systemd's workers are named
    ):
        yield Finding(NOTE, f"{units[0]} and others are units for this bench, which supervisord runs; disable them")


@check("disk space for the journal and copies of files", "a full disk cuts a move short (it can be resumed)")
def disk(look: Look) -> Iterator[Finding]:
    folder = look.state_dir
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < FREE_BYTES:
        text = f"{free >> 20} MiB are free at {folder}, and a move wants {FREE_BYTES >> 20} MiB"
        yield Finding(NO, f"{text}; free some, or set frappe_bench_state_dir")


@check("bench's own commands", "some undo a move later")
def undoing(look: Look) -> Iterator[Finding]:
    if any(re.search(r"redis-(?:cache|queue)|redis_(?:cache|queue)", _text(file)) for file in look.program_files):
        yield Finding(
            NOTE,
            "bench setup redis, supervisor, systemd, production or procfile, and bench update to another major version "
            "write the bench's own Redis programs anew; afterwards run `benchfly status`, and prefer `bench setup "
            "supervisor --skip-redis`",
        )


CHECKS: tuple[Check, ...] = (
    sites, environments, program_files, sentinels, bench_id, unix_socket, worker_pool, strangers, two_managers, disk,
    undoing,
)  # fmt: skip


def findings(look: Look) -> list[Finding]:
    """All that was found, in the order of the checks."""
    return [finding for one in CHECKS for finding in one.find(look)]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not ours to read; the process's own environment is looked at too


def _within(folder: str, path: Path) -> bool:
    return folder == str(path) or folder.startswith(f"{path}/")


def _processes() -> dict[int, tuple[int, str, str]]:
    """Parent, command line and working directory of every process that can be seen."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found[int(entry.name)] = (parent, command, os.readlink(entry / "cwd"))
        except OSError:
            continue  # it ended, or is somebody else's
    return found
