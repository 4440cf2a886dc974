"""What a lab is to be: machines, system, engines. Pure, no AWS in here."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from benchfly.errors import RefusedError
from benchfly.lab.tags import is_lab

STORES, LOAD_GENERATORS = "stores", "load_generators"  # groups of the inventory
ENGINES = ("redis", "valkey", "dragonfly")
# The published test bed: one c7g.2xlarge for the stores, one for the load.
PUBLISHED = "c7g.2xlarge"
TUNINGS = ("untuned", "tuned")
LIFE = timedelta(hours=24)  # of a lab unless something else is said
_MIB_PER_DRAGONFLY_THREAD = 256
# Of a host's memory what all stores may take together; they may need a quarter more, and the system the rest.
_SHARE_OF_MEMORY = 0.6


@dataclass(frozen=True)
class Image:
    """A system: the public parameter that names its newest image, by processor, and who logs in there."""

    parameter: str
    names: Mapping[str, str]  # what the parameter calls a processor, where it does not do as EC2 does
    user: str
    packages: Mapping[str, str]  # engine -> package with its own load generator

    def parameter_for(self, architecture: str) -> str:
        return self.parameter.format(self.names.get(architecture, architecture))


_DEBIAN_TOOLS = {"redis": "redis-tools", "valkey": "valkey-tools"}
IMAGES = {
    "debian-12": Image("/aws/service/debian/release/12/latest/{}", {"x86_64": "amd64"}, "admin", _DEBIAN_TOOLS),
    "debian-13": Image("/aws/service/debian/release/13/latest/{}", {"x86_64": "amd64"}, "admin", _DEBIAN_TOOLS),
    "ubuntu-24.04": Image(
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id",
        {"x86_64": "amd64"},
        "ubuntu",
        _DEBIAN_TOOLS,
    ),
    "amazon-linux-2023": Image(
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}",
        {},
        "ec2-user",
        {"redis": "redis6", "valkey": "valkey"},
    ),
}


@dataclass(frozen=True)
class Machine:
    """An instance type, as EC2 describes it."""

    name: str
    architecture: str  # arm64 or x86_64
    cpus: int
    mib: int
    clusters: bool  # may be in a cluster placement group


@dataclass(frozen=True)
class Bed:
    """What is asked for.

    `ssh_from` is who may log in, as a network. A lab lives for `life` at most; None leaves that to who builds it.
    """

    ssh_from: str = ""
    region: str | None = None  # by default that of the AWS tools
    store_type: str = PUBLISHED
    load_type: str = PUBLISHED
    load_hosts: int = 1
    engines: tuple[str, ...] = ("redis", "dragonfly")
    image: str = "debian-12"
    life: timedelta | None = None
    spot: bool = False
    subnet: str | None = None
    private: bool = False  # the hosts get no public address
    disk: int = 20  # GiB of each host

    def __post_init__(self) -> None:
        """Raises RefusedError for what cannot be."""
        try:
            network = ipaddress.IPv4Network(self.ssh_from or "127.0.0.1/32")
        except ValueError:
            raise RefusedError(f"--ssh-from {self.ssh_from} is no IPv4 network such as 203.0.113.7/32.") from None
        if network.prefixlen < 8:
            raise RefusedError(f"--ssh-from {self.ssh_from} is half the world. Name the network of your controllers.")
        for engine in self.engines:
            if engine not in ENGINES:
                raise RefusedError(f"--engines: there is no {engine}. Engines are {', '.join(ENGINES)}.")
        if len(set(self.engines)) < len(self.engines) or not self.engines:
            raise RefusedError("--engines: name one or more engines, each once, such as redis,dragonfly.")
        if self.image not in IMAGES:
            raise RefusedError(f"--image: there is no {self.image}. Images are {', '.join(IMAGES)}.")
        if self.life is not None and self.life < timedelta(minutes=15):
            raise RefusedError(
                "--hours: a lab that ends within a quarter of an hour has not even booted. Say 1 or more."
            )

    @property
    def system(self) -> Image:
        return IMAGES[self.image]

    def types(self) -> dict[str, int]:
        """Instance type -> how many of it."""
        wanted = {self.store_type: 1}
        wanted[self.load_type] = wanted.get(self.load_type, 0) + self.load_hosts
        return wanted


def stores(engines: tuple[str, ...], machine: Machine) -> dict[str, dict[str, dict[str, Any]]]:
    """Tuning -> store -> its specification: one of each engine, named as it, on one machine.

    Untuned is what the engine does by itself: Redis and Valkey serve with one thread, Dragonfly with one for each CPU.
    Tuned, each has half of the CPUs, as two stores of several threads can have on one host, and benchfly's defaults.
    """
    mib = int(machine.mib * _SHARE_OF_MEMORY / len(engines))
    return {
        tuning: {
            engine: {
                "engine": engine,
                "purpose": "cache",
                "port": f"{{{{ lab_port | int + {place} }}}}",
                "memory": f"{mib}mb",
                **_own(engine, mib, machine.cpus, tuning == "tuned"),
                "bind": "{{ lab_address }}",
                "address": "{{ lab_address }}",
                # Only the lab's own hosts can reach it, and memtier_benchmark takes a password only in plain sight.
                "protected_mode": False,
            }
            for place, engine in enumerate(engines)
        }
        for tuning in TUNINGS
    }


def _own(engine: str, mib: int, cpus: int, tuned: bool) -> dict[str, int]:
    """What makes a store tuned or not."""
    untouched = {} if tuned else {"keepalive": 300}
    if engine == "dragonfly":
        threads = min(cpus // 2 if tuned else cpus, mib // _MIB_PER_DRAGONFLY_THREAD)
        return {"threads": max(1, threads), **untouched}
    if tuned:
        return {"threads": max(1, cpus // 2)}
    # As the redis.conf that comes with Redis has it.
    return {"threads": 1, "eviction_samples": 5, "listpack_value": 64, **untouched}


def lab_id(given: str) -> str:
    """The id of a lab, as typed. Raises RefusedError."""
    if not is_lab(given):
        raise RefusedError(f"{given!r} is no lab. `benchfly lab status` lists those there are, such as lab-3fa91c.")
    return given
