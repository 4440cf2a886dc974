"""What a host has for stores, read on the host itself at once; facts of its hardware take seconds to gather."""

from __future__ import annotations

import os

from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import Capacity

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int:
    """RAM in bytes that processes here can have: the machine's, or what a container's limit leaves of it."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [number for number in map(_number, _CGROUP_LIMITS) if number is not None]
    return min([physical, *limits])


def read(base_dir: str) -> Capacity:
    """What this host has; `base_dir` is where the folders of its stores are, or will be."""
    return Capacity(
        memory=memory(),
        disk=_disk(base_dir),
        cpus=os.cpu_count(),
        open_files=_number("/proc/sys/fs/nr_open"),
        backlog=_number("/proc/sys/net/core/somaxconn"),
    )


def _disk(base_dir: str) -> int:
    """Bytes that are free, or taken by the data of the stores there."""
    existing = base_dir
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing) or "/"
    disk = os.statvfs(existing)
    return disk.f_bavail * disk.f_frsize + sum(
        _size(os.path.join(at, name)) for at, _, names in os.walk(base_dir) for name in names
    )


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:  # a server has replaced it meanwhile
        return 0


def _number(path: str) -> int | None:
    """The number in a file of the kernel; None when there is no such file, or another word in it, as `max`."""
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
