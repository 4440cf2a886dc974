"""A store in the words of Redis and Valkey: redis.conf, as text. Tried with Redis 6.2 and 7.0 and Valkey 8.0."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem, SpecError, StoreSpec
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import at_least, numbers

# BLMOVE, with which RQ takes jobs, came with 6.2; Valkey began with 7.2.
MINIMUM = {"redis": "6.2", "valkey": "7.2"}

POLICIES = {"none": "noeviction", "lru": "allkeys-lru", "lfu": "allkeys-lfu", "random": "allkeys-random"}

# Memory of what goes is given back in the background: Frappe clears a site's whole cache with one command.
_LAZY_FREE = [
    (f"lazyfree-lazy-{what}", "yes") for what in ("eviction", "expire", "server-del", "user-del", "user-flush")
]
# The log is rewritten when it has doubled, as a snapshot with what came since; store_capacity counts on it.
_REWRITE = [
    ("auto-aof-rewrite-percentage", "100"),
    ("auto-aof-rewrite-min-size", "64mb"),
    ("aof-use-rdb-preamble", "yes"),
    ("no-appendfsync-on-rewrite", "no"),
]


def problems(spec: StoreSpec) -> list[Problem]:
    """What this engine cannot do of the specification."""
    found = []
    if spec.persistence == "aof" and spec.max_loss not in (0, 1):
        remedy = "Say 1, 0 (which waits for the disk at every write), or persistence: snapshot"
        found.append(spec.problem("max_loss", "is not what an append-only file gives", remedy))
    if spec.persistence == "snapshot" and spec.max_loss == 0:
        found.append(spec.problem("max_loss", "cannot be had from snapshots", "Say 1 or more, or persistence: aof"))
    return found


def directives(spec: StoreSpec, version: str) -> list[tuple[str, str]]:
    """Its configuration but for paths and the password, in order. Raises SpecError with what cannot be done."""
    found = [*problems(spec), *at_least(spec, version, MINIMUM[spec.engine])]
    if found:
        raise SpecError(found)
    lines = [
        ("bind", spec.bind),
        ("protected-mode", "yes" if spec.protected_mode else "no"),
        *_listener(spec),
        ("tcp-backlog", str(spec.backlog)),
        ("tcp-keepalive", str(spec.keepalive)),
        ("timeout", str(spec.idle_timeout)),
        ("maxclients", str(spec.max_clients)),
        ("databases", str(spec.databases)),
        ("io-threads", str(spec.threads)),
        ("hz", str(spec.hz)),
        ("activedefrag", "yes" if spec.active_defrag else "no"),
        ("maxmemory", str(spec.memory)),
        ("maxmemory-policy", POLICIES.get(spec.eviction, spec.eviction)),
        *_compact_hashes(spec, version),
        *_LAZY_FREE,
        # One snapshot as soon as anything changed and max_loss has passed; "" turns them off, at shutdown too.
        ("save", f"{spec.max_loss} 1" if spec.persistence == "snapshot" else '""'),
        ("appendonly", "yes" if spec.persistence == "aof" else "no"),
    ]
    if spec.eviction_samples is not None:
        lines.append(("maxmemory-samples", str(spec.eviction_samples)))
    if spec.persistence == "aof":
        lines += [("appendfsync", "everysec" if spec.max_loss else "always"), *_REWRITE]
    if spec.persistence == "snapshot":
        # What can no longer be saved is not taken for safe; a cache goes on without.
        lines.append(("stop-writes-on-bgsave-error", "yes" if spec.purpose == "queue" else "no"))
    if spec.threads > 1 and int(version.split(".")[0]) < 8:  # from 8 on, threads always read as well
        lines.append(("io-threads-do-reads", "yes"))
    return lines


def config(spec: StoreSpec, version: str, directory: str) -> str:
    """redis.conf of a store whose files are in `directory`: data/ there, auth.conf with the password, and users.acl."""
    own = [
        ("daemonize", "no"),
        ("logfile", '""'),
        ("dir", _quoted(f"{directory}/data")),
        ("dbfilename", "dump.rdb"),
        ("include", _quoted(f"{directory}/auth.conf")),
        *([("aclfile", _quoted(f"{directory}/users.acl"))] if spec.acl else []),
    ]
    lines = [f"{name} {value}" for name, value in [*directives(spec, version), *own]]
    return "\n".join([f"# Store {spec.name}. Written by Ansible; what is changed here is lost.", *lines, ""])


def secret(spec: StoreSpec) -> str:
    """auth.conf, the part of the configuration that only the server may read."""
    return f"requirepass {spec.password}\n" if spec.password else "# no password\n"


def _listener(spec: StoreSpec) -> list[tuple[str, str]]:
    """The one port, in the clear or with TLS."""
    if not (spec.tls_cert_file and spec.tls_key_file):
        return [("port", str(spec.port))]
    return [
        ("port", "0"),
        ("tls-port", str(spec.port)),
        ("tls-cert-file", spec.tls_cert_file),
        ("tls-key-file", spec.tls_key_file),
        # A bench has no certificate of its own to show.
        ("tls-auth-clients", "no"),
    ]


def _compact_hashes(spec: StoreSpec, version: str) -> list[tuple[str, str]]:
    """Hashes that are kept in one piece of memory, which was called a ziplist before Redis 7."""
    if spec.listpack_value is None:
        return []
    form = "listpack" if numbers(version) >= [7] else "ziplist"
    return [
        (f"hash-max-{form}-entries", str(spec.listpack_entries)),
        (f"hash-max-{form}-value", str(spec.listpack_value)),
    ]


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
