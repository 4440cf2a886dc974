"""What samples say against a trial: that it measured the host, or the load generator, and not the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.ec2_types import instance_type

# Above these a trial does not count; in per cent, and seconds.
GENERATOR_CPU, STEAL, MEMORY, CLOCK_STEP = 85, 10, 92, 0.1


def objections(
    trial: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    rules: Sequence[str],
    apart: bool,
    types: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Why the trial does not count, by those rules of its workload. types: host -> instance type, on EC2.

    A generator's processor time says something only where it is not the store's as well: where they are `apart`.
    """
    found: list[tuple[str, str]] = []
    for sample in samples:
        rows = _during(trial, sample["rows"])
        host, cpu, steal = sample["host"], _mean(rows, "cpu"), _mean(rows, "steal")
        if apart and sample["role"] == "generator" and cpu > GENERATOR_CPU:
            found.append(("generator-cpu", f"the CPUs of {host}, which makes the load, were busy for {cpu:.0f} %"))
        if steal > STEAL:
            found.append(("steal", f"{steal:.0f} % of the CPUs of {host} were taken by other machines"))
        used = max((row["memory"] for row in rows if "memory" in row), default=0)
        if sample["role"] == "store" and used > MEMORY:
            found.append(("memory", f"{used:.0f} % of the memory of {host} was in use"))
        found += _lent(host, rows, types.get(host, ""))
        steps = [row["clock_step"] for row in rows]
        if steps and max(steps) - min(steps) > CLOCK_STEP:
            found.append(("clock-step", f"the clock of {host} was set by {max(steps) - min(steps):.1f} s"))
    busiest = 100 * max(trial["cpu"], default=0)
    if apart and busiest > GENERATOR_CPU:
        found.append(("generator-cpu", f"a process that makes the load took {busiest:.0f} % of a core"))
    return list(dict.fromkeys(text for rule, text in found if rule in rules))


def _lent(host: str, rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[str, str]]:
    """What an instance took beyond what its type has for ever: it may have it today, and not in an hour."""
    held_back = max((row["held_back"] for row in rows if "held_back" in row), default=0)
    if held_back:
        reason = f"EC2 held back up to {held_back:.0f} packets a second of {host}, which was above its allowance"
        yield "network", reason
    known = instance_type(name)
    if known is None:
        return
    cpu, traffic = _mean(rows, "cpu"), max(_mean(rows, "rx_bytes"), _mean(rows, "tx_bytes"))
    if cpu > known.cpu_share:
        reason = f"the CPUs of {host} were busy for {cpu:.0f} %, and a {name} has {known.cpu_share} % for ever"
        yield "cpu-credits", f"{reason}; the rest was burst credits"
    if traffic > known.bandwidth:
        reason = f"{host} had {traffic * 8 / 1e9:.1f} Gbit/s, and a {name} has {known.bandwidth * 8 / 1e9:g} for ever"
        yield "network", f"{reason}; the rest was burst credits"


def _during(trial: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The whole seconds of the trial."""
    seconds = (trial["measurement"] or {}).get("seconds", 0)
    return [row for row in rows if trial["started"] + 1 <= row["time"] <= trial["started"] + seconds]


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values) if values else 0.0
