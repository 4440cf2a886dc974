"""What is wrong with stores is said before anything is done: key, value, reason and remedy, in one line each."""

from __future__ import annotations

import re

import pytest
from ansible_collections.benchfly.stores.plugins.filter.stores import store_problems

CACHE = {"engine": "redis", "purpose": "cache", "port": 13000, "memory": "512mb"}
QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "512mb"}
FLY = {"engine": "dragonfly", "purpose": "cache", "port": 14000, "memory": "512mb"}
FLY_QUEUE = {"engine": "dragonfly", "purpose": "queue", "port": 15000, "memory": "512mb"}
# A small host, of which everything is known.
GIB = 1024**3
HOST = {"memory": 4 * GIB, "disk": 8 * GIB, "cpus": 2, "open_files": 100_000, "backlog": 4096}

# One store that is wrong in one way, and what is said.
NUMBER = "Give a number in that range, without a unit."
MEMORY = (
    "is not an amount of memory such as 512mb or 2gb. "
    "Give at least 1mb, in kb, mb, gb or tb (powers of 1024), or a number of bytes."
)
ADDRESS = (
    "is not an IP address. "
    "Give one address, such as 127.0.0.1; 0.0.0.0 or :: stands for all, and then needs a password."
)
CPUS = "is not a set of CPUs such as 0-1,4. Give numbers from 0 and ranges of them, with commas and no blanks between."
ENGINES = "is not one of redis, valkey, dragonfly."
OPEN = "can be reached from other hosts without a password. Give the store a password, or bind it to 127.0.0.1."
EVICTION = "is not one of lru, lfu, random, none, volatile-lru, volatile-lfu, volatile-random, volatile-ttl."
NO_EVICTION = (
    "cannot be chosen on Dragonfly, which has one eviction of its own, near to lru. "
    "Say lru; keys that must stay belong in another store."
)
NO_SCHEDULE = (
    "is no schedule for Dragonfly's snapshots. Say 60, or whole minutes up to 3540, or whole hours up to 82800."
)
FILE = "is not an absolute path of letters, digits and . _ @ + - /. Give for example /etc/ssl/private/shop.key."
USERS = "is not a mapping of users to rules such as shop: 'on >PASSWORD ~rq:* +@all -@admin'."
WRONG = [
    ({**CACHE, "evicton": "lru"}, "evicton: is no key of a store. Did you mean eviction."),
    ({**CACHE, "engine": "keydb"}, f"engine: 'keydb' {ENGINES} Say one of redis, valkey, dragonfly."),
    ({**CACHE, "engine": "dragon"}, f"engine: 'dragon' {ENGINES} Say dragonfly."),
    ({**CACHE, "purpose": "socketio"}, "purpose: 'socketio' is not one of cache, queue. Say one of cache, queue."),
    ({**CACHE, "port": 0}, f"port: 0 is not a whole number from 1 to 65535. {NUMBER}"),
    ({**CACHE, "port": True}, f"port: True is not a whole number from 1 to 65535. {NUMBER}"),
    ({**CACHE, "port": "6379/1"}, f"port: '6379/1' is not a whole number from 1 to 65535. {NUMBER}"),
    ({**CACHE, "port": None}, "port: is missing. Give a whole number from 1 to 65535."),
    ({**CACHE, "memory": "512m"}, f"memory: '512m' {MEMORY}"),
    ({**CACHE, "memory": "512"}, f"memory: '512' {MEMORY}"),
    ({**CACHE, "memory": "0.3kb"}, f"memory: '0.3kb' {MEMORY}"),
    ({**CACHE, "memory": -1}, f"memory: -1 {MEMORY}"),
    ({**CACHE, "eviction": "allkeys-lru"}, f"eviction: 'allkeys-lru' {EVICTION} Say lru."),
    ({**CACHE, "eviction": "volatile-ltr"}, f"eviction: 'volatile-ltr' {EVICTION} Say volatile-lru."),
    ({**QUEUE, "eviction": "noeviction"}, f"eviction: 'noeviction' {EVICTION} Say none."),
    ({**QUEUE, "eviction": "lru"},
     "eviction: 'lru' would throw jobs away in a queue store. Leave it out, or say none."),
    ({**CACHE, "eviction": "none"},
     "eviction: 'none' would make every request fail once the cache is full. Leave it out, or say lru."),
    ({**CACHE, "eviction_samples": 0}, f"eviction_samples: 0 is not a whole number from 1 to 64. {NUMBER}"),
    ({**QUEUE, "eviction_samples": 5}, "eviction_samples: 5 has no meaning with eviction none. Leave it out."),
    ({**CACHE, "listpack_value": "1kb"},
     f"listpack_value: '1kb' is not a whole number of bytes from 0 to 65536. {NUMBER}"),
    ({**CACHE, "active_defrag": "sometimes"}, "active_defrag: 'sometimes' is not true or false. Say true or false."),
    ({**FLY, "listpack_entries": 512},
     "listpack_entries: 512 has no meaning without listpack_value. Give that as well."),
    ({**CACHE, "persistence": "rdb"}, "persistence: 'rdb' is not one of none, aof, snapshot. Say snapshot."),
    ({**CACHE, "persistence": True}, "persistence: True is not one of none, aof, snapshot. Say snapshot."),
    ({**CACHE, "max_loss": 60}, "max_loss: 60 has no meaning with persistence none. Leave it out."),
    ({**QUEUE, "max_loss": 1.5}, f"max_loss: 1.5 is not a whole number of seconds from 0 to 86400. {NUMBER}"),
    ({**QUEUE, "max_loss": 60},
     "max_loss: 60 is not what an append-only file gives. Say 1, 0 (which waits for the disk at every write), or "
     "persistence: snapshot."),
    ({**QUEUE, "persistence": "snapshot", "max_loss": 0},
     "max_loss: 0 cannot be had from snapshots. Say 1 or more, or persistence: aof."),
    ({**CACHE, "bind": "localhost"}, f"bind: 'localhost' {ADDRESS}"),
    ({**CACHE, "bind": "127.0.0.1 10.0.0.5"}, f"bind: '127.0.0.1 10.0.0.5' {ADDRESS}"),
    ({**CACHE, "bind": "0.0.0.0"}, f"bind: '0.0.0.0' {OPEN}"),
    ({**CACHE, "bind": "::"}, f"bind: '::' {OPEN}"),
    ({**CACHE, "bind": "0.0.0.0", "protected_mode": False},
     "bind: '0.0.0.0' can be reached from other hosts without a password. "
     "Give the store a password, or bind it to one address."),
    ({**CACHE, "bind": "10.0.0.5", "acl": {"shop": "on >s3cret +@all"}}, f"bind: '10.0.0.5' {OPEN}"),
    ({**CACHE, "address": "a b"}, "address: 'a b' is not a host name or an IP address. Give for example 10.0.0.5."),
    ({**CACHE, "password": "s3cret and more"},
     "password: is not a password of printable ASCII without blanks, quotes and backslashes. "
     "Give for example what pwgen -s 32 1 prints."),
    ({**CACHE, "acl": "on >s3cret +@all"}, f"acl: {USERS} Give each user its rules in one string."),
    ({**CACHE, "acl": {"shop": "on s3cret +@all"}}, f"acl: {USERS} Look at the rules of shop."),
    ({**CACHE, "acl": {"default": "on >s3cret +@all"}},
     "acl: has rules for default, as whom Frappe's realtime and benchfly itself come. "
     "Take default out; its password is the key password."),
    ({**CACHE, "tls_cert_file": "shop.crt", "tls_key_file": "/etc/shop.key"}, f"tls_cert_file: 'shop.crt' {FILE}"),
    ({**CACHE, "tls_cert_file": "/etc/shop.crt"},
     "tls_key_file: is missing, and the other file of TLS is given. Give both, or none."),
    ({**CACHE, "threads": 0}, f"threads: 0 is not a whole number from 1 to 128. {NUMBER}"),
    ({**CACHE, "threads": 2, "cpus": "1"},
     "threads: 2 are more than the CPUs in cpus, 1. Give the store a CPU for each thread, or fewer threads."),
    ({**CACHE, "cpus": "0-"}, f"cpus: '0-' {CPUS}"),
    ({**CACHE, "cpus": "1-0"}, f"cpus: '1-0' {CPUS}"),
    ({**CACHE, "databases": 0}, f"databases: 0 is not a whole number from 1 to 1024. {NUMBER}"),
    ({**CACHE, "max_clients": "many"}, f"max_clients: 'many' is not a whole number from 1 to 1000000. {NUMBER}"),
    ({**CACHE, "keepalive": 0}, f"keepalive: 0 is not a whole number of seconds from 1 to 7200. {NUMBER}"),
    ({**CACHE, "idle_timeout": -1}, f"idle_timeout: -1 is not a whole number of seconds from 0 to 604800. {NUMBER}"),
    ({**CACHE, "backlog": 70000}, f"backlog: 70000 is not a whole number from 1 to 65535. {NUMBER}"),
    # What Dragonfly cannot do, with the nearest that it can.
    ({**FLY, "eviction": "volatile-lru"}, f"eviction: 'volatile-lru' {NO_EVICTION}"),
    ({**FLY, "eviction": "lfu"}, f"eviction: 'lfu' {NO_EVICTION}"),
    ({**FLY, "eviction_samples": 5},
     "eviction_samples: 5 has no like on Dragonfly, which looks at whole segments of its table. Leave it out."),
    ({**FLY, "hz": 50},
     "hz: 50 is not for change on Dragonfly, whose own help advises against it. Leave it out."),
    ({**FLY, "active_defrag": False},
     "active_defrag: False cannot be chosen on Dragonfly, which puts its memory in order of itself. Leave it out."),
    ({**FLY_QUEUE, "persistence": "aof"},
     "persistence: 'aof' does not exist on Dragonfly. "
     "Say snapshot, with max_loss 60 or more, or take redis or valkey."),
    ({**FLY_QUEUE, "max_loss": 30}, f"max_loss: 30 {NO_SCHEDULE}"),
    ({**FLY_QUEUE, "max_loss": 5400}, f"max_loss: 5400 {NO_SCHEDULE}"),
    ({**FLY_QUEUE, "max_loss": 86400}, f"max_loss: 86400 {NO_SCHEDULE}"),
    ({**FLY, "memory": "100mb"},
     "memory: 104857600 gives Dragonfly less than 256mb for each thread. Say memory: 256mb."),
    ({**FLY_QUEUE, "threads": 8, "memory": "1gb", "cpus": "0-7"},
     "threads: 8 gives Dragonfly less than 256mb for each thread. Say threads: 4, or memory: 2048mb."),
    ({**FLY, "tls_cert_file": "/etc/shop.crt", "tls_key_file": "/etc/shop.key"},
     "tls_cert_file: '/etc/shop.crt' is not enough for Dragonfly, which with TLS asks every client to prove who it is. "
     "Give the store a password as well."),
    ({**FLY_QUEUE, "acl": {"shop": "on >s3cret +client|list"}},
     "acl: gives shop +client|list, which Dragonfly does not know. Say +client, for the command with all it can do."),
    # What the host does not have.
    ({**CACHE, "memory": "3gb"},
     "memory: the stores may take 3840 MiB with all overheads, and the host has 3686 of its 4096 MiB to give. "
     "Give them less memory, or move one to another host."),
    ({**FLY, "memory": "1gb", "threads": 4}, "threads: 4 are more than the host's CPUs, 2. Say 2 or fewer."),
    ({**CACHE, "cpus": "1-2"}, "cpus: '1-2' has a CPU that the host has not, which has 0-1. Take those it has."),
    ({**CACHE, "max_clients": 200_000},
     "max_clients: 200000 takes 200072 open files, and the host allows a process 100000 (fs.nr_open). "
     "Say 99928 or fewer, or raise fs.nr_open on the host."),
    ({**CACHE, "backlog": 5000},
     "backlog: 5000 is more than the host lets wait, 4096 (net.core.somaxconn). Say 4096 or fewer, or set "
     "net.core.somaxconn in store_host_network."),
]  # fmt: skip


def test_there_are_many_and_no_two_alike():
    assert len({message for _, message in WRONG}) == len(WRONG) >= 30


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[message.partition(".")[0][:60] for _, message in WRONG])
def test_a_wrong_specification_is_refused_with_key_value_reason_and_remedy(given, message):
    assert f"shop.{message}" in store_problems({"shop": given}, HOST)
    assert re.fullmatch(r"\w+: .+\. [A-Z].+\.", message)
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("stores", "message"),
    [
        ({"one": CACHE, "two": {**CACHE, "memory": "1gb"}},
         "two.port: 13000 is also the port of one. Give each store its own."),
        ({"one": CACHE, "two": {**QUEUE, "port": 13000}},
         "two.port: 13000 is also the port of one, and cache and queue in one instance evict jobs. "
         "Give each store its own."),
        ({"one": {**CACHE, "cpus": "0-1"}, "two": {**QUEUE, "cpus": 1}},
         "two.cpus: '1' is also in the cpus of one. Give each store CPUs of its own, or none of them any."),
        ({"one": {**QUEUE, "memory": "1gb"}, "two": {**FLY_QUEUE, "memory": "3gb"}},
         "one.persistence, two.persistence: the files of the stores may take 9216 MiB, and their disk has 8192 MiB for "
         "them. Give them less memory, a larger disk, or persistence: none where the data may go."),
        ({"one": FLY, "two": {**FLY, "port": 2}},
         "one.threads, two.threads: the stores with several threads have 4, and the host has 2 CPUs. "
         "Say threads: 1 where that will do, or move one to another host."),
        ({"a b": CACHE},
         "a b: cannot be the name of a store. Use up to 63 letters, digits, _ and -, the first a letter or digit."),
        ({"one": "redis"}, "one: is not a mapping of keys. Indent its keys below its name."),
    ],
)  # fmt: skip
def test_stores_that_cannot_be_together_are_refused(stores, message):
    assert message in store_problems(stores, HOST)


def test_what_is_right_is_not_refused():
    stores = {"cache": {**FLY, "memory": "1gb"}, "queue": QUEUE, "other": {**QUEUE, "port": 3, "engine": "valkey"}}
    assert store_problems(stores, HOST) == []
