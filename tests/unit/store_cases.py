"""What every key becomes on every engine, as test_store_translations proves and docs/stores.md shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_acl import config as users_acl
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec, parse

VERSIONS = {"redis": "7.0.15", "valkey": "8.0.1", "dragonfly": "1.40.1"}
FOLDER = "/var/lib/benchfly/shop"
# They are in no configuration file: which server runs, the defaults of the rest, and the URL that benches are given.
ELSEWHERE = {"engine", "purpose", "address"}


@dataclass(frozen=True)
class Case:
    """One value of a key, and the lines it must become; None where Dragonfly refuses it, naming `blames` or the key."""

    key: str
    value: object
    redis: Sequence[str]
    dragonfly: Sequence[str] | None
    others: Mapping[str, object] = field(default_factory=dict)
    blames: str = ""

    def spec(self, engine: str) -> StoreSpec:
        given = {"engine": engine, "purpose": "cache", "port": 6379, "memory": "512mb", **self.others}
        return parse("shop", {**given, self.key: self.value})

    def expected(self, engine: str) -> Sequence[str] | None:
        return self.dragonfly if engine == "dragonfly" else self.redis


def lines(spec: StoreSpec, version: str | None = None) -> list[str]:
    """What is written for a store: configuration, password and users. Raises SpecError."""
    translation = store_dragonfly if spec.engine == "dragonfly" else store_redis
    config = translation.config(spec, VERSIONS[spec.engine] if version is None else version, FOLDER)
    return [*config.splitlines(), *translation.secret(spec).splitlines(), *users_acl(spec).splitlines()]


QUEUE = {"purpose": "queue"}
AOF, SNAPSHOT = {"persistence": "aof"}, {"persistence": "snapshot"}
CERTIFICATE = {"tls_cert_file": "/etc/ssl/shop.crt"}
KEY = {"tls_key_file": "/etc/ssl/shop.key", "password": "secret"}
# As `bench create-rq-users` has it, but for the password. The hash is that of "secret".
USERS = {"shop": "on >secret ~rq:[^q]* ~rq:queues ~rq:queue:shop:* +@all -@admin"}
HASH = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

CASES = [
    Case("port", 7001, ["port 7001"], ["--port=7001"]),
    Case("memory", "1gb", ["maxmemory 1073741824"], ["--maxmemory=1073741824"]),
    Case("memory", "200mb", ["maxmemory 209715200"], None),
    Case("eviction", "lru", ["maxmemory-policy allkeys-lru"],
         ["--cache_mode=true", "--eviction_memory_budget_threshold=0.1"]),
    Case("eviction", "lfu", ["maxmemory-policy allkeys-lfu"], None),
    Case("eviction", "random", ["maxmemory-policy allkeys-random"], None),
    Case("eviction", "volatile-lru", ["maxmemory-policy volatile-lru"], None),
    Case("eviction", "volatile-lfu", ["maxmemory-policy volatile-lfu"], None),
    Case("eviction", "volatile-random", ["maxmemory-policy volatile-random"], None),
    Case("eviction", "volatile-ttl", ["maxmemory-policy volatile-ttl"], None),
    Case("eviction", "none", ["maxmemory-policy noeviction"], ["--cache_mode=false"], QUEUE),
    Case("eviction_samples", 5, ["maxmemory-samples 5"], None),
    Case("listpack_value", 512, ["hash-max-listpack-entries 128", "hash-max-listpack-value 512"],
         ["--listpack_max_field_len=512", "--listpack_max_bytes=65536"]),
    Case("listpack_entries", 512, ["hash-max-listpack-entries 512", "hash-max-listpack-value 100"],
         ["--listpack_max_field_len=100", "--listpack_max_bytes=51200"], {"listpack_value": 100}),
    Case("persistence", "none", ['save ""', "appendonly no"], ["--dbfilename="]),
    Case("persistence", "aof",
         ['save ""', "appendonly yes", "appendfsync everysec", "auto-aof-rewrite-percentage 100",
          "auto-aof-rewrite-min-size 64mb", "aof-use-rdb-preamble yes", "no-appendfsync-on-rewrite no"], None),
    Case("persistence", "snapshot", ["save 60 1", "appendonly no", "stop-writes-on-bgsave-error yes"],
         ["--dbfilename=dragonfly", "--snapshot_cron=*/1 * * * *"], QUEUE),
    Case("max_loss", 0, ["appendfsync always"], None, AOF, blames="persistence"),
    Case("max_loss", 1, ["appendfsync everysec"], None, AOF, blames="persistence"),
    Case("max_loss", 90, ["save 90 1"], None, SNAPSHOT),
    Case("max_loss", 300, ["save 300 1", "stop-writes-on-bgsave-error no"], ["--snapshot_cron=*/5 * * * *"], SNAPSHOT),
    Case("max_loss", 7200, ["save 7200 1"], ["--snapshot_cron=0 */2 * * *"], SNAPSHOT),
    Case("max_loss", 5400, ["save 5400 1"], None, SNAPSHOT),
    Case("bind", "10.0.0.5", ["bind 10.0.0.5"], ["--bind=10.0.0.5"], {"password": "secret"}),
    # Dragonfly has no such mode: benchfly alone keeps it from listening without a password.
    Case("protected_mode", True, ["protected-mode yes"], []),
    Case("protected_mode", False, ["protected-mode no"], []),
    Case("password", "secret", ["requirepass secret"], ["DFLY_requirepass='secret'"]),
    Case("acl", USERS,
         [f'aclfile "{FOLDER}/users.acl"', "user default on nopass ~* &* +@all",
          f"user shop on {HASH} ~rq:[^q]* ~rq:queues ~rq:queue:shop:* +@all -@admin"],
         [f"--aclfile={FOLDER}/users.acl", "user default on nopass ~* &* +@all",
          f"user shop on {HASH} ~rq:[^q]* ~rq:queues ~rq:queue:shop:* +@all -@admin"]),
    Case("acl", {"shop": f"on {HASH} ~* +@all"},
         [f"user default on {HASH} ~* &* +@all", f"user shop on {HASH} ~* +@all"],
         [f"user default on {HASH} ~* &* +@all", f"user shop on {HASH} ~* +@all"], {"password": "secret"}),
    Case("acl", {"shop": "on >secret +@all -client|list"}, [f"user shop on {HASH} +@all -client|list"], None),
    Case("tls_cert_file", "/etc/ssl/shop.crt",
         ["port 0", "tls-port 6379", "tls-cert-file /etc/ssl/shop.crt", "tls-auth-clients no"],
         ["--port=6379", "--tls=true", "--tls_cert_file=/etc/ssl/shop.crt"], KEY),
    Case("tls_cert_file", "/etc/ssl/shop.crt", ["tls-port 6379"], None, {**KEY, "password": None}),
    Case("tls_key_file", "/etc/ssl/shop.key", ["tls-key-file /etc/ssl/shop.key"],
         ["--tls_key_file=/etc/ssl/shop.key"], {**CERTIFICATE, "password": "secret"}),
    Case("threads", 2, ["io-threads 2"], ["--proactor_threads=2"]),
    Case("threads", 3, ["io-threads 3"], None),
    Case("hz", 50, ["hz 50"], None),
    Case("active_defrag", True, ["activedefrag yes"], None),
    Case("active_defrag", False, ["activedefrag no"], None),
    Case("cpus", "4,0-1", [], ["--proactor_affinity_mode=on"]),
    Case("databases", 4, ["databases 4"], ["--dbnum=4"]),
    Case("max_clients", 100, ["maxclients 100"], ["--maxclients=100"]),
    Case("keepalive", 30, ["tcp-keepalive 30"], ["--tcp_keepalive=30"]),
    Case("idle_timeout", 900, ["timeout 900"], ["--timeout=900"]),
    Case("backlog", 1024, ["tcp-backlog 1024"], ["--tcp_backlog=1024"]),
]  # fmt: skip
