"""Which CPUs serve the interrupts of a host's network devices, and which are to; a boot leaves it to the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import ethtool
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import cpus_in

ALL = "all"


class InterruptsError(Exception):
    """They cannot be served as declared; nothing was changed."""


def found(root: Path = Path("/")) -> dict[str, str]:
    """Interrupt -> the CPUs that may serve it, of every network device whose driver answers."""
    devices = ethtool.describe(root).values()
    return {number: cpus for device in devices for number, cpus in device["interrupts"].items() if cpus}


def plan(before: Mapping[str, str], declared: str, cpus: int) -> dict[str, str]:
    """Interrupt -> CPU: each has one, in turn. Raises InterruptsError for CPUs that the host has not."""
    chosen = sorted(cpus_in(declared)) if declared != ALL else list(range(cpus))
    if not chosen or chosen[-1] >= cpus:
        remedy = "Correct store_host_interrupt_cpus"
        raise InterruptsError(f"{declared} are none of the CPUs of the host, which are 0-{cpus - 1}. {remedy}")
    wanted = {number: str(chosen[at % len(chosen)]) for at, number in enumerate(sorted(before, key=int))}
    return {number: cpu for number, cpu in wanted.items() if before[number] != cpu}


def balanced(root: Path = Path("/")) -> bool:
    """Whether irqbalance runs, which would spread them anew within seconds."""
    return any(_name(stat) == "irqbalance" for stat in (root / "proc").glob("[0-9]*/comm"))


def apply(changes: Mapping[str, str], root: Path = Path("/")) -> None:
    """Have each served by its CPU. Raises OSError."""
    for number, cpu in changes.items():
        (root / "proc/irq" / number / "smp_affinity_list").write_text(f"{cpu}\n")


def lines(affinities: Mapping[str, str], numbers: Sequence[str]) -> str:
    """For a difference."""
    return "".join(f"{number}: {affinities[number]}\n" for number in numbers)


def _name(comm: Path) -> str:
    try:
        return comm.read_text().strip()
    except OSError:  # it has ended
        return ""
