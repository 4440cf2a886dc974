"""What stores may take of a host at worst, against what the host has. Pure, no host is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB, Problem, StoreSpec
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import cpus_in

# Resident memory runs above what the data takes; Dragonfly refuses writes from this ratio on.
RSS_RATIO = 1.25
# While Redis or Valkey write a snapshot or rewrite their log, pages that change exist twice.
COPY_ON_WRITE_RATIO = 0.5
# Of the host's memory; the rest is for the system.
USABLE_RATIO = 0.9
# Files on disk at worst, in sizes of the data: a log is rewritten when it has doubled, and a snapshot is written beside
# the one before.
DISK_RATIO = {"none": 0, "aof": 3, "snapshot": 2}
# Files beside those of clients: Redis itself sets 32 aside; the rest is for its log's files, and for the event loops
# that each thread of Dragonfly and of Redis from 8 on has. With the default of max_clients the sum is below 4096.
_OWN_FILES, _FILES_PER_THREAD = 64, 8


@dataclass(frozen=True)
class Capacity:
    """What a host has for stores; None where nobody knows.

    memory: bytes of RAM. disk: bytes for data, free ones and those that stores have already. cpus: how many.
    open_files: most that one process may be allowed (fs.nr_open). backlog: most connections that a port can have
    waiting (net.core.somaxconn).
    """

    memory: int | None = None
    disk: int | None = None
    cpus: int | None = None
    open_files: int | None = None
    backlog: int | None = None


def resident_memory(spec: StoreSpec) -> int:
    """Bytes of the host's memory that the store may take at worst."""
    forks = spec.persistence != "none" and spec.engine != "dragonfly"
    return int(spec.memory * (RSS_RATIO + (COPY_ON_WRITE_RATIO if forks else 0)))


def disk_space(spec: StoreSpec) -> int:
    """Bytes that its files may take at worst."""
    return spec.memory * DISK_RATIO[spec.persistence]


def open_files(spec: StoreSpec) -> int:
    """How many files the store must be allowed to open (RLIMIT_NOFILE) to serve all its clients."""
    return spec.max_clients + _OWN_FILES + _FILES_PER_THREAD * spec.threads


def problems(specs: Sequence[StoreSpec], capacity: Capacity) -> list[Problem]:
    """What the host cannot give the stores, one by one and together."""
    return [
        *_memory(specs, capacity.memory),
        *_disk(specs, capacity.disk),
        *_threads(specs, capacity.cpus),
        *_cpu_sets(specs, capacity.cpus),
        *(problem for spec in specs for problem in _limits(spec, capacity)),
    ]


def _memory(specs: Sequence[StoreSpec], memory: int | None) -> Iterable[Problem]:
    need = sum(map(resident_memory, specs))
    if memory is not None and need > memory * USABLE_RATIO:
        reason = (
            f"the stores may take {need // MIB} MiB with all overheads, and the host has "
            f"{int(memory * USABLE_RATIO) // MIB} of its {memory // MIB} MiB to give"
        )
        yield _together(specs, "memory", reason, "Give them less memory, or move one to another host")


def _disk(specs: Sequence[StoreSpec], disk: int | None) -> Iterable[Problem]:
    keeping = [spec for spec in specs if disk_space(spec)]
    need = sum(map(disk_space, keeping))
    if disk is not None and need > disk:
        reason = f"the files of the stores may take {need // MIB} MiB, and their disk has {disk // MIB} MiB for them"
        remedy = "Give them less memory, a larger disk, or persistence: none where the data may go"
        yield _together(keeping, "persistence", reason, remedy)


def _threads(specs: Sequence[StoreSpec], cpus: int | None) -> Iterable[Problem]:
    """A store with one thread mostly waits. Several are for load, and then each needs a CPU."""
    if cpus is None:
        return
    several = [spec for spec in specs if spec.threads > 1]
    beyond = [spec for spec in several if spec.threads > cpus]
    for spec in beyond:
        yield spec.problem("threads", f"are more than the host's CPUs, {cpus}", f"Say {cpus} or fewer")
    need = sum(spec.threads for spec in several)
    if not beyond and need > cpus:
        reason = f"the stores with several threads have {need}, and the host has {cpus} CPUs"
        yield _together(several, "threads", reason, "Say threads: 1 where that will do, or move one to another host")


def _cpu_sets(specs: Sequence[StoreSpec], cpus: int | None) -> Iterable[Problem]:
    taken: dict[int, str] = {}
    for spec in specs:
        own = cpus_in(spec.cpus) if spec.cpus else frozenset()
        if cpus is not None and own and max(own) >= cpus:
            yield spec.problem("cpus", f"has a CPU that the host has not, which has 0-{cpus - 1}", "Take those it has")
        shared = {taken[cpu] for cpu in own if cpu in taken}
        if shared:
            reason = f"is also in the cpus of {', '.join(sorted(shared))}"
            yield spec.problem("cpus", reason, "Give each store CPUs of its own, or none of them any")
        taken.update(dict.fromkeys(own, spec.name))


def _limits(spec: StoreSpec, capacity: Capacity) -> Iterable[Problem]:
    files, backlog = open_files(spec), capacity.backlog
    if capacity.open_files is not None and files > capacity.open_files:
        reason = f"takes {files} open files, and the host allows a process {capacity.open_files} (fs.nr_open)"
        most = max(1, capacity.open_files - (files - spec.max_clients))
        yield spec.problem("max_clients", reason, f"Say {most} or fewer, or raise fs.nr_open on the host")
    if backlog is not None and spec.backlog > backlog:
        reason = f"is more than the host lets wait, {backlog} (net.core.somaxconn)"
        remedy = f"Say {backlog} or fewer, or set net.core.somaxconn in store_host_network"
        yield spec.problem("backlog", reason, remedy)


def _together(specs: Iterable[StoreSpec], key: str, reason: str, remedy: str) -> Problem:
    return Problem(", ".join(f"{spec.name}.{key}" for spec in specs), None, reason, remedy)
