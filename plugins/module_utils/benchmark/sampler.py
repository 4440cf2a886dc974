"""What a host and a store on it do, second by second, from /proc and INFO."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import ethtool, store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_DISK = re.compile(r"^(?:[sv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|vd[a-z]+)$")
_ENGINES = ("redis-server", "valkey-server", "dragonfly")
# Fields of INFO -> what they are called in a row; counters become rates per second.
_GAUGES = {
    "used_memory": "used_memory",
    "used_memory_rss": "store_rss",
    "used_memory_peak": "used_memory_peak",
    "mem_fragmentation_ratio": "fragmentation",
    "connected_clients": "clients",
}
_MEMORY = {"VmRSS": "rss", "VmHWM": "rss_peak"}
_COUNTERS = {
    "evicted_keys": "evictions",
    "keyspace_hits": "hits",
    "keyspace_misses": "misses",
    "total_commands_processed": "commands",
    "total_net_input_bytes": "store_rx_bytes",
    "total_net_output_bytes": "store_tx_bytes",
}


class Sampler:
    """Reads counters, and gives what happened since it last read them; rates are per second.

    Of the host: `cpu` and `steal` (of all CPUs, in per cent), `memory` (in use, in per cent), `context_switches`,
    `rx_bytes` and `tx_bytes` (loopback left out), `held_back` (packets that EC2 shaped), `disk_write_bytes`,
    `clock_step` (by how many seconds the clock was set since the beginning). Of a store's process, if it is on this
    host: `store_cpu` (cores), `threads` (cores by thread), `rss`, `rss_peak` (bytes). Of a store that answers: what
    INFO says.
    """

    def __init__(self, targets: Mapping[str, Target], proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._stores = {name: _Store(target, proc) for name, target in targets.items()}
        self._began = time.time() - time.monotonic()
        self._last: dict[str, float] = {}

    def rows(self) -> dict[str, dict[str, Any]]:
        """A sample of the host, under an empty name, and of each store by its name; the first has no rates yet."""
        counters, last = _host_counters(self._proc), self._last
        now = {"time": round(time.time(), 3), "clock_step": round(time.time() - time.monotonic() - self._began, 3)}
        row = {**now, "memory": _memory_used(self._proc), **_host_rates(last, counters)}
        self._last = counters
        return {"": row, **{name: {**row, **store.row()} for name, store in self._stores.items()}}

    def close(self) -> None:
        for each in self._stores.values():
            each.close()


class _Store:
    """One store: what INFO says of it, and what its process does if that is on this host."""

    def __init__(self, target: Target, proc: Path) -> None:
        self._target, self._proc = target, proc
        self._connection: Connection | None = None
        self._pid = ""
        self._last: dict[str, float] = {}

    def row(self) -> dict[str, Any]:
        info = self._info()
        row: dict[str, Any] = {name: float(info[field]) for field, name in _GAUGES.items() if field in info}
        status = _read(self._proc / self._pid / "status") if self._pid else ""
        memory = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
        row.update({_MEMORY[name]: float(value) * 1024 for name, value in memory.items()})
        counters = {
            "at": time.monotonic(),
            **{name: float(info[key]) for key, name in _COUNTERS.items() if key in info},
        }
        counters.update(self._threads())
        rates, self._last = _rates(self._last, counters), counters
        threads = {name[7:]: cores for name, cores in rates.items() if name.startswith("thread.")}
        row.update({name: round(rate, 1) for name, rate in rates.items() if not name.startswith("thread.")})
        if threads:
            row["threads"] = {name: round(cores, 3) for name, cores in threads.items() if cores}
            row["store_cpu"] = round(sum(threads.values()), 3)
        return row

    def close(self) -> None:
        if self._connection:
            self._connection.__exit__()
        self._connection, self._pid = None, ""

    def _info(self) -> Mapping[str, str]:
        """INFO of the store; empty while it does not answer."""
        try:
            if self._connection is None:
                self._connection = store.connect(self._target)
                self._connection.wait_at_most(2.0)
                self._pid = self._server(self._connection)
            return self._connection.info()
        except (OSError, ReplyError):
            self.close()
            return {}

    def _server(self, connection: Connection) -> str:
        """The server's process id, if that is a server here (and not in a container of its own)."""
        pid = connection.info().get("process_id", "") if connection.local else ""
        name = _read(self._proc / pid / "comm").strip() if pid.isdigit() else ""
        return pid if name.startswith(_ENGINES) else ""

    def _threads(self) -> dict[str, float]:
        """CPU seconds of each thread of the server so far."""
        found: dict[str, float] = {}
        if self._pid:
            for stat in (self._proc / self._pid / "task").glob("*/stat"):
                before, _, after = _read(stat).rpartition(")")
                words = after.split()
                if len(words) > 12:
                    name = f"thread.{before.partition('(')[2]}-{stat.parent.name}"
                    found[name] = (int(words[11]) + int(words[12])) / _TICKS
        return found


def _host_counters(proc: Path) -> dict[str, float]:
    stat = dict(line.split(" ", 1) for line in _read(proc / "stat").splitlines() if " " in line)
    times = [float(word) for word in stat["cpu"].split()]
    links = [
        line.split(":")[1].split()
        for line in _read(proc / "net/dev").splitlines()
        if ":" in line and " lo:" not in line
    ]
    disks = [line.split() for line in _read(proc / "diskstats").splitlines()]
    return {
        "at": time.monotonic(),
        "all": sum(times[:8]),
        "idle": times[3] + times[4],
        "steal": times[7],
        "context_switches": float(stat["ctxt"]),
        "rx_bytes": float(sum(int(link[0]) for link in links)),
        "tx_bytes": float(sum(int(link[8]) for link in links)),
        "held_back": float(ethtool.held_back()),
        "disk_write_bytes": float(sum(int(disk[9]) * 512 for disk in disks if _DISK.match(disk[2]))),
    }


def _host_rates(last: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    rates = _rates(last, now)
    if not rates:
        return {}
    whole = rates.pop("all") or 1.0
    cpu, steal = 100 * (1 - rates.pop("idle") / whole), 100 * rates.pop("steal") / whole
    return {"cpu": round(cpu, 1), "steal": round(steal, 1), **{name: round(rate, 1) for name, rate in rates.items()}}


def _rates(last: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Growth per second of what was there before."""
    if not last:
        return {}
    seconds = now["at"] - last["at"]
    return {name: (now[name] - last[name]) / seconds for name in now if name in last and name != "at"}


def _memory_used(proc: Path) -> float:
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+)", _read(proc / "meminfo"), re.MULTILINE))
    return round(100 * (1 - int(found.get("MemAvailable", 0)) / int(found.get("MemTotal", 1))), 1)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
