"""A store in the words of Dragonfly: its flags, as text. Source: `dragonfly --helpfull` of 1.40."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils import store_acl
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import DRAGONFLY_BYTES_PER_THREAD
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import (
    MIB,
    Problem,
    SpecError,
    StoreSpec,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import at_least

# Unknown flags keep it from starting, and the flags below were recorded from this version.
MINIMUM = "1.40"

# RQ's Queue.empty() deletes keys it did not declare, which Dragonfly refuses unless told so.
# The SHA-1 of that script is the same from RQ 1.11 to 2.6.
RQ_EMPTY_SHA = "0f72f97be1eabbfce0148fd466da8c4ad73236fe"

# Frappe clears a site's cache with one KEYS and one UNLINK of all it found; the defaults cut KEYS at 8192, in silence.
KEYS_AT_ONCE = 1_000_000

_EVICTIONS = ("lru", "none")


def problems(spec: StoreSpec) -> list[Problem]:
    """What Dragonfly cannot do of the specification, each with the nearest that it can."""
    found = []
    if spec.eviction not in _EVICTIONS:
        reason = "cannot be chosen on Dragonfly, which has one eviction of its own, near to lru"
        found.append(spec.problem("eviction", reason, "Say lru; keys that must stay belong in another store"))
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
    found = [*problems(spec), *at_least(spec, version, MINIMUM)]
    if found:
        raise SpecError(found)
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
        ("cache_mode", "false" if spec.eviction == "none" else "true"),
        ("keys_output_limit", str(KEYS_AT_ONCE)),
        ("max_multi_bulk_len", str(KEYS_AT_ONCE + 1)),
        ("dir", f"{directory}/data"),
        # A fixed name, since the default adds a file at every save; empty means neither load nor save.
        ("dbfilename", "" if spec.persistence == "none" else "dragonfly"),
        # /metrics answers without a password, and an HTTP client in CLIENT LIST stops the workers of RQ 1.
        ("primary_port_http_enabled", "false"),
        ("version_check", "false"),
        ("logtostderr", "true"),
        ("omit_basic_usage", "true"),
    ]
    if spec.persistence == "snapshot":
        lines.append(("snapshot_cron", _cron(spec.max_loss or 0) or ""))
    if spec.purpose == "queue":
        lines.append(("lua_undeclared_keys_shas", RQ_EMPTY_SHA))
    if spec.tls_cert_file and spec.tls_key_file:
        lines += [("tls", "true"), ("tls_cert_file", spec.tls_cert_file), ("tls_key_file", spec.tls_key_file)]
    if spec.acl:
        lines.append(("aclfile", f"{directory}/users.acl"))
    return lines


def config(spec: StoreSpec, version: str, directory: str) -> str:
    """Flag file of a store whose files are in `directory`. It knows neither quotes nor comments after a flag."""
    lines = [f"--{name}={value}" for name, value in flags(spec, version, directory)]
    return "\n".join([f"# Store {spec.name}. Written by Ansible; what is changed here is lost.", *lines, ""])


def secret(spec: StoreSpec) -> str:
    """Environment of the server, for a shell or systemd, the part that only the server may read."""
    return f"DFLY_requirepass='{spec.password}'\n" if spec.password else "# no password\n"


def _cron(seconds: int) -> str | None:
    """The schedule that leaves at most `seconds` between two snapshots, or None when cron cannot say it."""
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return None
    if minutes < 60:
        return f"*/{minutes} * * * *"
    hours, rest = divmod(minutes, 60)
    return None if rest or hours > 23 else f"0 */{hours} * * *"
