"""What of a host changes what is measured on it."""

from __future__ import annotations

import platform
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import ethtool

_IMDS = "http://169.254.169.254/latest/"
# What instance metadata says of an instance, and as what it is kept; nothing of who owns it.
_METADATA = {
    "instance-type": "instance_type",
    "ami-id": "image",
    "instance-life-cycle": "life_cycle",
    "placement/availability-zone-id": "zone",
    "placement/group-name": "placement_group",
}


def describe(root: Path = Path("/")) -> dict[str, Any]:
    """Kernel, processor, memory, and settings of both; what cannot be read is an empty string or left out."""
    cpuinfo = _read(root / "proc/cpuinfo")
    model = re.search(r"^(?:model name|CPU part)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    metadata = instance(root)
    memory = re.search(r"^MemTotal:\s+(\d+)", _read(root / "proc/meminfo"), re.MULTILINE)
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": _system(root),
        "cpu_model": model.group(1) if model else "",
        "cpus": len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)),
        "memory": int(memory.group(1)) * 1024 if memory else 0,
        "thp": _chosen(_read(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        "clocksource": _read(root / "sys/devices/system/clocksource/clocksource0/current_clocksource").strip(),
        "boot_id": _read(root / "proc/sys/kernel/random/boot_id").strip(),
        "instance_type": metadata.pop("instance_type", ""),
        "ec2": metadata,
        "irq": irq_spread(root),
        "network": ethtool.describe(root),
        "versions": {"python": platform.python_version()},
    }


def instance(root: Path = Path("/"), service: str = _IMDS) -> dict[str, str]:
    """What EC2 says of this instance, by IMDSv2 alone; empty elsewhere.

    Only where the firmware says that it is EC2 is anybody asked, for a second each.
    """
    vendor = _read(root / "sys/class/dmi/id/sys_vendor") + _read(root / "sys/class/dmi/id/bios_vendor")
    if "Amazon EC2" not in vendor:
        return {}
    try:
        wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = _ask(urllib.request.Request(service + "api/token", method="PUT", headers=wanted))
        return {name: _metadata(service + "meta-data/" + path, token) for path, name in _METADATA.items()}
    except OSError:
        return {"instance_type": "unknown (EC2 did not answer)"}


def _metadata(url: str, token: str) -> str:
    """One value; empty where the instance has none, as outside of a placement group."""
    try:
        return _ask(urllib.request.Request(url, headers={"X-aws-ec2-metadata-token": token}))
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return ""


def irq_spread(root: Path = Path("/")) -> dict[str, int]:
    """Network devices -> on how many CPUs interrupts of theirs have been served."""
    lines = _read(root / "proc/interrupts").splitlines()
    cpus = len(lines[0].split()) if lines else 0
    served: dict[str, set[int]] = {}
    for line in lines[1:]:
        words = line.split()
        named = re.match(r"^(eth\d+|en[a-z]\w+|ens\d+|virtio\d+)-?", words[-1]) if words else None
        if named and len(words) > cpus:
            busy = {cpu for cpu, count in enumerate(words[1 : cpus + 1]) if count.isdigit() and int(count)}
            served.setdefault(named.group(1), set()).update(busy)
    return {name: len(busy) for name, busy in sorted(served.items())}


def _ask(request: urllib.request.Request) -> str:
    # Never through a proxy: the address means this very host.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=1) as answer:
        return str(answer.read(1000).decode())


def _system(root: Path) -> str:
    found = re.search(r"^PRETTY_NAME=(.+)$", _read(root / "etc/os-release"), re.MULTILINE)
    return found.group(1).strip('"') if found else ""


def _chosen(text: str) -> str:
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
