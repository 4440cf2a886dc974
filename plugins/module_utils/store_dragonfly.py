"""A store in the words of Dragonfly: its flags, as text."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils import store_acl
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import DRAGONFLY_BYTES_PER_THREAD
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import MIB, Problem, SpecError, StoreSpec
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import at_least, numbers

# By purpose. Before 1.38 a CPU quota on its control group silently overruled --proactor_threads. From 1.34 to 1.39 it
# may lose the reply to a blocking pop, and with it a job (dragonflydb/dragonfly#7650, fixed in 1.40.0). What 1.40.0 got
# wrong itself, HELLO 3 in a pipeline (#8006, fixed in 1.40.1), neither Frappe nor RQ sends.
MINIMUM = {"cache": "1.38", "queue": "1.40"}

# Every flag written here -> the first release that has it; one that it does not know keeps the server from starting.
# Source: ABSL_FLAG in its sources at each x.y.0 tag from 1.12 on, and in helio for threads and logs.
FLAGS = {
    "aclfile": "1.12",
    "bind": "1.12",
    "cache_mode": "1.12",
    "dbfilename": "1.12",
    "dbnum": "1.12",
    "dir": "1.12",
    "eviction_memory_budget_threshold": "1.26",
    "keys_output_limit": "1.12",
    "listpack_max_bytes": "1.39",
    "listpack_max_field_len": "1.39",
    "logtostderr": "1.12",
    "lua_undeclared_keys_shas": "1.22",
    "max_multi_bulk_len": "1.12",
    "maxclients": "1.12",
    "maxmemory": "1.12",
    "omit_basic_usage": "1.28",
    "port": "1.12",
    "primary_port_http_enabled": "1.12",
    "proactor_affinity_mode": "1.12",
    "proactor_threads": "1.12",
    "pubsub_slow_subscriber_timeout_ms": "1.40",
    "snapshot_cron": "1.12",
    "tcp_backlog": "1.15",
    "tcp_keepalive": "1.12",
    "timeout": "1.27",
    "tls": "1.12",
    "tls_cert_file": "1.12",
    "tls_key_file": "1.12",
    "version_check": "1.12",
}

# RQ's Queue.empty() deletes keys it did not declare, which Dragonfly refuses unless told so.
# The SHA-1 of that script is the same from RQ 1.11 to 2.6.
RQ_EMPTY_SHA = "0f72f97be1eabbfce0148fd466da8c4ad73236fe"

# Frappe clears a site's cache with one KEYS and one UNLINK of all it found; the defaults cut KEYS at 8192, in silence.
KEYS_AT_ONCE = 1_000_000

# A subscriber that does not read holds up whoever publishes, which for Frappe is a web request.
_SLOW_SUBSCRIBER_MS = 5000

_EVICTIONS = ("lru", "none")
# Keys of a specification that it has no choice for, and why.
_FIXED = {
    "eviction_samples": "has no like on Dragonfly, which looks at whole segments of its table",
    "hz": "is not for change on Dragonfly, whose own help advises against it",
    "active_defrag": "cannot be chosen on Dragonfly, which puts its memory in order of itself",
}


def problems(spec: StoreSpec) -> list[Problem]:
    """What Dragonfly cannot do of the specification, each with the nearest that it can."""
    found = []
    if spec.eviction not in _EVICTIONS:
        reason = "cannot be chosen on Dragonfly, which has one eviction of its own, near to lru"
        found.append(spec.problem("eviction", reason, "Say lru; keys that must stay belong in another store"))
    for key, reason in _FIXED.items():
        if getattr(spec, key) is not None:
            found.append(spec.problem(key, reason, "Leave it out"))
    if spec.persistence == "aof":
        remedy = "Say snapshot, with max_loss 60 or more, or take redis or valkey"
        found.append(spec.problem("persistence", "does not exist on Dragonfly", remedy))
    if spec.persistence == "snapshot" and _cron(spec.max_loss or 0) is None:
        remedy = "Say 60, or whole minutes up to 3540, or whole hours up to 82800"
        found.append(spec.problem("max_loss", "is no schedule for Dragonfly's snapshots", remedy))
    if spec.memory < DRAGONFLY_BYTES_PER_THREAD * spec.threads:
        fits = spec.memory // DRAGONFLY_BYTES_PER_THREAD
        need = f"memory: {DRAGONFLY_BYTES_PER_THREAD * spec.threads // MIB}mb"
        remedy = f"Say threads: {fits}, or {need}" if fits else f"Say {need}"
        key = "threads" if fits else "memory"
        found.append(spec.problem(key, "gives Dragonfly less than 256mb for each thread", remedy))
    if spec.tls_cert_file and spec.password is None:
        reason = "is not enough for Dragonfly, which with TLS asks every client to prove who it is"
        found.append(spec.problem("tls_cert_file", reason, "Give the store a password as well"))
    return [*found, *store_acl.dragonfly_problems(spec)]


def flags(spec: StoreSpec, version: str, directory: str) -> list[tuple[str, str]]:
    """Its flags but for the password, in order. Raises SpecError with what cannot be done."""
    lines = [
        ("bind", spec.bind),
        ("port", str(spec.port)),
        ("tcp_backlog", str(spec.backlog)),
        ("tcp_keepalive", str(spec.keepalive)),
        ("timeout", str(spec.idle_timeout)),
        ("maxclients", str(spec.max_clients)),
        ("dbnum", str(spec.databases)),
        ("proactor_threads", str(spec.threads)),
        # Each thread on a CPU of its own, from the first it may use: only where no other store begins with the same.
        ("proactor_affinity_mode", "on" if spec.cpus else "off"),
        ("maxmemory", str(spec.memory)),
        ("keys_output_limit", str(KEYS_AT_ONCE)),
        ("max_multi_bulk_len", str(KEYS_AT_ONCE + 1)),
        ("dir", f"{directory}/data"),
        # /metrics answers without a password, and an HTTP client in CLIENT LIST stops the workers of RQ 1.
        ("primary_port_http_enabled", "false"),
        ("version_check", "false"),
        ("logtostderr", "true"),
        ("omit_basic_usage", "true"),
        *_eviction(spec),
        *_persistence(spec),
    ]
    if spec.listpack_value is not None and spec.listpack_entries is not None:
        lines.append(("listpack_max_field_len", str(spec.listpack_value)))
        lines.append(("listpack_max_bytes", str(spec.listpack_value * spec.listpack_entries)))
    if spec.purpose == "queue":
        lines.append(("lua_undeclared_keys_shas", RQ_EMPTY_SHA))
        lines.append(("pubsub_slow_subscriber_timeout_ms", str(_SLOW_SUBSCRIBER_MS)))
    if spec.tls_cert_file and spec.tls_key_file:
        lines += [("tls", "true"), ("tls_cert_file", spec.tls_cert_file), ("tls_key_file", spec.tls_key_file)]
    if spec.acl:
        lines.append(("aclfile", f"{directory}/users.acl"))
    found = [*problems(spec), *at_least(spec, version, MINIMUM[spec.purpose])]
    if found or (found := _missing(spec, version, [name for name, _ in lines])):
        raise SpecError(found)
    return lines


def config(spec: StoreSpec, version: str, directory: str) -> str:
    """Flag file of a store whose files are in `directory`. It knows neither quotes nor comments after a flag."""
    lines = [f"--{name}={value}" for name, value in flags(spec, version, directory)]
    return "\n".join([f"# Store {spec.name}. Written by Ansible; what is changed here is lost.", *lines, ""])


def secret(spec: StoreSpec) -> str:
    """Environment of the server, for a shell or systemd, the part that only the server may read."""
    return f"DFLY_requirepass='{spec.password}'\n" if spec.password else "# no password\n"


def _missing(spec: StoreSpec, version: str, names: list[str]) -> list[Problem]:
    """Flags that this version does not have yet."""
    return [
        spec.problem("engine", f"{version} has no --{name} yet", f"Install {FLAGS[name]} or newer")
        for name in names
        if numbers(version) < numbers(FLAGS[name])
    ]


def _eviction(spec: StoreSpec) -> list[tuple[str, str]]:
    if spec.eviction == "none":
        return [("cache_mode", "false")]
    # Keys go from 90 % of maxmemory on, and by resident memory too.
    return [("cache_mode", "true"), ("eviction_memory_budget_threshold", "0.1")]


def _persistence(spec: StoreSpec) -> list[tuple[str, str]]:
    if spec.persistence == "none":
        return [("dbfilename", "")]  # neither load nor save
    # A fixed name, since the default adds a file at every save.
    return [("dbfilename", "dragonfly"), ("snapshot_cron", _cron(spec.max_loss or 0) or "")]


def _cron(seconds: int) -> str | None:
    """The schedule that leaves at most `seconds` between two snapshots, or None when cron cannot say it."""
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return None
    if minutes < 60:
        return f"*/{minutes} * * * *"
    hours, rest = divmod(minutes, 60)
    return None if rest or hours > 23 else f"0 */{hours} * * *"
