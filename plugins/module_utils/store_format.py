"""What each version writes to disk and what it can read, and so which downgrade would find its data unreadable.

A server reads what its older versions wrote; none writes for them. An append-only file begins with an RDB part, so one
number tells for both. Sources: RDB_VERSION in src/rdb.h of the release's tag for Redis up to 7.4 and Valkey up to 8.0;
the header of a file that Valkey 8.1.1 wrote; Redis 8.0 is taken to write as 7.4 does, which no file has shown yet; for
Valkey 9 the note in its own rdb.h on leaving 12 to 79 to others. Dragonfly's own snapshots have no number: 2 stands for
values in tagged chunks, written from 1.40 and read from 1.39 on (serialization_tagged_chunks in its rdb_load.cc).
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.benchfly.stores.plugins.module_utils.store_version import numbers


@dataclass(frozen=True)
class Format:
    """The data of one series of an engine: the format it writes, and the newest that it reads."""

    engine: str
    series: str
    writes: int
    reads: int


FORMATS = (
    Format("redis", "6.2", 9, 9),
    Format("redis", "7.0", 10, 10),
    Format("redis", "7.2", 11, 11),
    Format("redis", "7.4", 12, 12),
    Format("redis", "8.0", 12, 12),
    Format("valkey", "7.2", 11, 11),
    Format("valkey", "8.0", 11, 11),
    Format("valkey", "8.1", 11, 11),
    Format("valkey", "9.0", 80, 80),
    Format("dragonfly", "1.38", 1, 1),
    Format("dragonfly", "1.39", 1, 2),
    Format("dragonfly", "1.40", 2, 2),
)
# How a format of the engine is called.
NAMES = {"redis": "RDB {0}", "valkey": "RDB {0}", "dragonfly": "snapshots of kind {0}"}


def direction(running: str, wanted: str) -> str:
    """`upgrade`, `downgrade`, or `` when both are the same version."""
    older, newer = numbers(running), numbers(wanted)
    return "" if older == newer else "upgrade" if older < newer else "downgrade"


def unreadable(engine: str, running: str, wanted: str) -> str:
    """Why data that `running` wrote cannot be read by `wanted`, or `` when it can."""
    if numbers(running)[:2] <= numbers(wanted)[:2]:
        return ""
    written, read = _format(engine, running), _format(engine, wanted)
    if written is None or read is None:
        version = running if written is None else wanted
        return f"what {engine} {version} writes and reads is not known here"
    if written.writes <= read.reads:
        return ""
    name = NAMES[engine]
    return (
        f"{engine} {running} writes {name.format(written.writes)}, and {wanted} reads up to {name.format(read.reads)}"
    )


def _format(engine: str, version: str) -> Format | None:
    series = ".".join(str(number) for number in numbers(version)[:2])
    return next((each for each in FORMATS if (each.engine, each.series) == (engine, series)), None)
