"""What the driver of a network device says of it, asked as ethtool asks. Numbers are those of linux/ethtool.h."""

from __future__ import annotations

import array
import fcntl
import os
import re
import socket
import struct
from pathlib import Path
from typing import Any

_SIOCETHTOOL = 0x8946
_GDRVINFO, _GSTRINGS, _GSTATS, _GSSET_INFO, _GCHANNELS = 0x3, 0x1B, 0x1D, 0x37, 0x3C
_SS_STATS, _NAME = 1, 32
# What ENA counts of packets that it held back since the instance was above what its type may do:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-network-performance-ena.html
_ALLOWANCE = re.compile(r"\w+_allowance_exceeded")


def devices(root: Path = Path("/")) -> list[str]:
    """The network devices of the host that are no loopback, by name."""
    folder = root / "sys/class/net"
    return sorted(name for name in os.listdir(folder) if name != "lo") if folder.is_dir() else []


def driver(device: str) -> str:
    """Such as ena; empty where nobody says."""
    found = _ask(device, struct.pack("I32s32s32s32s32s12s5I", _GDRVINFO, *[b""] * 6, *[0] * 5))
    return found[4:36].split(b"\0")[0].decode() if found else ""


def queues(device: str) -> int:
    """Pairs of queues that are in use; 0 where nobody says."""
    found = _ask(device, struct.pack("9I", _GCHANNELS, *[0] * 8))
    if not found:
        return 0
    received, sent, _, combined = struct.unpack("9I", found)[5:9]
    return combined or max(received, sent)


def statistics(device: str) -> dict[str, int]:
    """Every counter of the driver; none where it has none."""
    asked = _ask(device, struct.pack("IIQI", _GSSET_INFO, 0, 1 << _SS_STATS, 0))
    number = struct.unpack("IIQI", asked)[3] if asked else 0
    names = _ask(device, struct.pack("III", _GSTRINGS, _SS_STATS, number) + bytes(_NAME * number))
    values = _ask(device, struct.pack("II", _GSTATS, number) + bytes(8 * number))
    if not number or not names or not values:
        return {}
    words = [names[12 + _NAME * at : 12 + _NAME * (at + 1)].split(b"\0")[0].decode() for at in range(number)]
    return dict(zip(words, struct.unpack(f"{number}Q", values[8 : 8 + 8 * number])))


def held_back() -> int:
    """Packets that ENA held back so far on any device of this host."""
    found = (count for device in devices() for name, count in statistics(device).items() if _ALLOWANCE.fullmatch(name))
    return sum(found)


def describe(root: Path = Path("/")) -> dict[str, dict[str, Any]]:
    """Device -> driver, queues, and interrupt -> the CPUs that may serve it; devices that a driver answers for."""
    interrupts = _read(root / "proc/interrupts").splitlines()
    found = {}
    for device in devices(root):
        name = driver(device)
        own = [line.split(":")[0].strip() for line in interrupts if re.search(rf"\b{re.escape(device)}\b", line)]
        cpus = {number: _read(root / "proc/irq" / number / "smp_affinity_list").strip() for number in own}
        if name:
            found[device] = {"driver": name, "queues": queues(device), "interrupts": cpus}
    return found


def _ask(device: str, request: bytes) -> bytes:
    """The answer in the room of the request; empty where the device or its driver has none."""
    room = array.array("B", request)
    address, _ = room.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, struct.pack("16sP16x", device.encode(), address))
        except OSError:
            return b""
    return room.tobytes()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
