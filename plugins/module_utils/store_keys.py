"""The keys of a specification of a store: what each means, which values it takes, and what it is by default.

docs/stores.md is made of this table and of what store_redis and store_dragonfly make of its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.benchfly.stores.plugins.module_utils.store_values import (
    MIB,
    Address,
    Choice,
    CpuSet,
    Flag,
    Integer,
    Size,
    Text,
    Users,
)

ENGINES = ("redis", "valkey", "dragonfly")
PURPOSES = ("cache", "queue")
EVICTIONS = ("lru", "lfu", "random", "none", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
PERSISTENCES = ("none", "aof", "snapshot")

# Dragonfly refuses to start with less (its own flag --maxmemory says so).
DRAGONFLY_BYTES_PER_THREAD = 256 * MIB
# As many fields as Redis itself keeps in one piece; more would make calls slow that look for one.
LISTPACK_ENTRIES = 128

Type = Union[Choice, Flag, Integer, Size, Address, Text, CpuSet, Users]


@dataclass(frozen=True)
class Key:
    """One key of a specification. `default` is one for all, or one by purpose, or by `<purpose> on <engine>`."""

    name: str
    type: Type
    default: object
    meaning: str
    required: bool = False
    secret: bool = False

    def default_for(self, engine: str, purpose: str) -> object:
        if not isinstance(self.default, dict):
            return self.default
        return self.default.get(f"{purpose} on {engine}", self.default[purpose])


_EVICTION_NAMES = {"noeviction": "none", "allkeys-lru": "lru", "allkeys-lfu": "lfu", "allkeys-random": "random"}
_PERSISTENCE_NAMES = {"rdb": "snapshot", "save": "snapshot", "appendonly": "aof", "false": "none", "true": "snapshot"}
_FILE = Text("an absolute path of letters, digits and . _ @ + - /", r"/[A-Za-z0-9._@+/-]+", "/etc/ssl/private/shop.key")

KEYS = (
    Key("engine", Choice(ENGINES), None, "Which server runs", required=True),
    Key("purpose", Choice(PURPOSES), None, "What the bench keeps in it: its cache, or its queues", required=True),
    Key("port", Integer(1, 65535), None, "TCP port", required=True),
    Key(
        "memory",
        Size(),
        None,
        "Most memory the data may take; a Dragonfly cache evicts from 90 % of it on",
        required=True,
    ),
    Key(
        "eviction",
        Choice(EVICTIONS, _EVICTION_NAMES),
        {"cache": "lru", "queue": "none"},
        "Which keys go when memory is full. volatile-* takes only keys that expire",
    ),
    # The cache of a site has thousands of keys, not millions, and is rarely full: a better choice costs little.
    Key(
        "eviction_samples",
        Integer(1, 64),
        {"cache": 10, "cache on dragonfly": None, "queue": None},
        "Keys looked at to find one that goes; 10 come close to the true lru, at some cost for each that goes",
    ),
    # Measured on Redis 7.0 with 100 sessions of 512 bytes in a hash: a fifth less memory, 1 microsecond more a call.
    Key(
        "listpack_value",
        Integer(0, 65536, "bytes"),
        {"cache": 1024, "cache on dragonfly": None, "queue": 1024, "queue on dragonfly": None},
        "Longest value with which a hash (sessions of a site, a job) is kept in compact form",
    ),
    Key(
        "listpack_entries",
        Integer(1, 65536),
        {
            "cache": LISTPACK_ENTRIES,
            "cache on dragonfly": None,
            "queue": LISTPACK_ENTRIES,
            "queue on dragonfly": None,
        },
        "Most fields of a hash in compact form, in which each call reads through them; 128 where listpack_value is set",
    ),
    Key(
        "persistence",
        Choice(PERSISTENCES, _PERSISTENCE_NAMES),
        {"cache": "none", "queue": "aof", "queue on dragonfly": "snapshot"},
        "How data outlives the process: an append-only file, or snapshots",
    ),
    Key(
        "max_loss",
        Integer(0, 86400, "seconds"),
        None,
        "Seconds of writes a crash may cost; by default 1 with aof and 60 with snapshot",
    ),
    Key(
        "bind",
        Address(),
        "127.0.0.1",
        "Address it listens on. Beyond loopback it needs a password, unless protected_mode is false",
    ),
    Key(
        "protected_mode",
        Flag(),
        True,
        "Whether a store without a password is for its own host alone. False is for a network that admits nobody else, "
        "as for a benchmark: most load generators take a password only where everybody can read it",
    ),
    Key(
        "address",
        Text("a host name or an IP address", r"[A-Za-z0-9.:_-]+", "10.0.0.5"),
        None,
        "How benches reach it; by default ansible_host, and 127.0.0.1 on a local connection",
    ),
    Key(
        "password",
        Text(
            "a password of printable ASCII without blanks, quotes and backslashes",
            example="what pwgen -s 32 1 prints",
        ),
        None,
        "What clients must present",
        secret=True,
    ),
    Key(
        "acl",
        Users(),
        None,
        "Users beside `default`, with rules as Redis writes them; `default` has `password` and may do everything",
        secret=True,
    ),
    Key(
        "tls_cert_file",
        _FILE,
        None,
        "Certificate chain on the store's host, which its user may read. With it the port speaks TLS alone",
    ),
    Key("tls_key_file", _FILE, None, "Private key of the certificate, which only root and the store's user may read"),
    # One big hash per site lives on one thread, so more of them seldom help a Frappe cache.
    Key(
        "threads",
        Integer(1, 128),
        {"cache": 1, "cache on dragonfly": 2, "queue": 1},
        "Threads that serve clients; Dragonfly needs 256mb of memory for each",
    ),
    Key(
        "hz",
        Integer(1, 500),
        {"cache": 10, "cache on dragonfly": None, "queue": 10, "queue on dragonfly": None},
        "Rounds of background work a second, in which expired keys go",
    ),
    Key(
        "active_defrag",
        Flag(),
        {"cache": False, "cache on dragonfly": None, "queue": False, "queue on dragonfly": None},
        "Whether memory that became fragmented is put in order while it serves; not every build of a server can",
    ),
    Key("cpus", CpuSet(), None, "CPUs of the host that it may run on, and that no other store names; by default any"),
    Key("databases", Integer(1, 1024), 16, "Numbered databases; Frappe uses number 0"),
    # Fits below 4096 open files, the kernel's own hard limit.
    Key("max_clients", Integer(1, 1000000), 4000, "Most connections at a time"),
    # A worker's host that vanished would otherwise be handed a job for hours.
    Key("keepalive", Integer(1, 7200, "seconds"), 60, "Silence after which TCP asks whether the client is still there"),
    # Frappe's processes and RQ's workers hold theirs for days.
    Key("idle_timeout", Integer(0, 604800, "seconds"), 0, "Silence after which a client is put out; 0 is never"),
    Key("backlog", Integer(1, 65535), 511, "Connections that may wait to be accepted"),
)
SECRET_KEYS = frozenset(key.name for key in KEYS if key.secret)
