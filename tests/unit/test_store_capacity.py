"""What stores may take of a host at worst, against what it has."""

from __future__ import annotations

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils import host_capacity
from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import (
    Capacity,
    disk_space,
    open_files,
    problems,
    resident_memory,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import parse

GIB = 1024**3
CACHE = {"engine": "redis", "purpose": "cache", "port": 13000, "memory": "1gb"}
QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "1gb"}
SNAPSHOT = {**QUEUE, "persistence": "snapshot"}
FLY = {"engine": "dragonfly", "purpose": "cache", "port": 14000, "memory": "1gb"}


def found(capacity, *given):
    """What is wrong with stores one, two, three on that host."""
    specs = [parse(name, each) for name, each in zip(("one", "two", "three"), given, strict=False)]
    return [str(problem) for problem in problems(specs, capacity)]


@pytest.mark.parametrize(
    ("given", "memory", "disk"),
    [
        (CACHE, 1.25, 0),
        (QUEUE, 1.75, 3),
        (SNAPSHOT, 1.75, 2),
        ({**QUEUE, "persistence": "none"}, 1.25, 0),
        (FLY, 1.25, 0),
        ({**FLY, "persistence": "snapshot"}, 1.25, 2),
    ],
)
def test_overheads_are_counted(given, memory, disk):
    spec = parse("one", given)
    assert (resident_memory(spec), disk_space(spec)) == (memory * GIB, disk * GIB)


def test_files_are_those_of_clients_and_the_servers_own():
    assert open_files(parse("one", {**CACHE, "max_clients": 100})) == 172
    assert open_files(parse("one", {**FLY, "max_clients": 100, "threads": 4})) == 196
    assert open_files(parse("one", FLY)) < 4096  # the hard limit where nothing raised it


@pytest.mark.parametrize(
    ("given", "capacity"),
    [
        ([CACHE, QUEUE], Capacity()),
        ([CACHE, QUEUE], Capacity(memory=int(3 * GIB / 0.9) + 1, disk=3 * GIB, cpus=1, open_files=4072, backlog=511)),
        ([QUEUE, SNAPSHOT], Capacity(disk=5 * GIB)),
        ([CACHE, {**CACHE, "persistence": "none"}], Capacity(disk=0)),
        ([FLY, CACHE, QUEUE], Capacity(cpus=2)),
        ([{**CACHE, "cpus": "0"}, {**FLY, "cpus": "1-2"}, QUEUE], Capacity(cpus=3)),
        ([{**CACHE, "cpus": "0"}, {**FLY, "cpus": "1-2"}], Capacity()),
    ],
)
def test_what_fits_exactly_fits(given, capacity):
    assert found(capacity, *given) == []


@pytest.mark.parametrize(
    ("given", "capacity", "messages"),
    [
        (
            [CACHE, QUEUE],
            Capacity(memory=3 * GIB),
            [
                "one.memory, two.memory: the stores may take 3072 MiB with all overheads, and the host has 2764 of its "
                "3072 MiB to give. Give them less memory, or move one to another host."
            ],
        ),
        (
            [CACHE, QUEUE, SNAPSHOT],
            Capacity(disk=5 * GIB - 1),
            [
                "two.persistence, three.persistence: the files of the stores may take 5120 MiB, and their disk has "
                "5119 MiB for them. Give them less memory, a larger disk, or persistence: none where the data may go."
            ],
        ),
        ([FLY], Capacity(cpus=1), ["one.threads: 2 are more than the host's CPUs, 1. Say 1 or fewer."]),
        (
            [FLY, {**CACHE, "threads": 2}, QUEUE],
            Capacity(cpus=3),
            [
                "one.threads, two.threads: the stores with several threads have 4, and the host has 3 CPUs. "
                "Say threads: 1 where that will do, or move one to another host."
            ],
        ),
        (
            [{**FLY, "cpus": "0-2"}, {**CACHE, "cpus": "2-3"}],
            Capacity(cpus=4),
            ["two.cpus: '2-3' is also in the cpus of one. Give each store CPUs of its own, or none of them any."],
        ),
        (
            [{**FLY, "cpus": "2-4"}],
            Capacity(cpus=4),
            ["one.cpus: '2-4' has a CPU that the host has not, which has 0-3. Take those it has."],
        ),
        (
            [{**CACHE, "max_clients": 2000}],
            Capacity(open_files=1024),
            [
                "one.max_clients: 2000 takes 2072 open files, and the host allows a process 1024 (fs.nr_open). "
                "Say 952 or fewer, or raise fs.nr_open on the host."
            ],
        ),
        (
            [CACHE],
            Capacity(backlog=128),
            [
                "one.backlog: 511 is more than the host lets wait, 128 (net.core.somaxconn). "
                "Say 128 or fewer, or set net.core.somaxconn in store_host_network."
            ],
        ),
    ],
)
def test_what_the_host_does_not_have_is_refused_with_both_figures(given, capacity, messages):
    assert found(capacity, *given) == messages


def test_a_host_tells_what_it_has(tmp_path):
    before = host_capacity.read(str(tmp_path / "not" / "yet"))
    assert before.disk and (before.memory or 0) > 0 and (before.cpus or 0) > 0
    (tmp_path / "shop" / "data").mkdir(parents=True)
    (tmp_path / "shop" / "data" / "dump.rdb").write_bytes(b"x" * 50_000_000)
    after = host_capacity.read(str(tmp_path))
    assert after.disk
    # What stores have already is theirs to use; other processes write, too.
    assert abs(after.disk - before.disk) < 25_000_000
