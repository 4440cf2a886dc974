"""Every key of a specification in the words of every engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import KEYS, SpecError, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import version_in

HELPFULL = Path(__file__).parents[1] / "data/dragonfly/helpfull.txt"
VERSIONS = {"redis": "7.0.15", "valkey": "8.0.1", "dragonfly": "1.40.1"}

# Keys whose value no configuration file holds.
ELSEWHERE = {"engine", "purpose", "address", "password"}

# key, value, other keys it needs, lines of redis.conf, lines of the flag file (None: Dragonfly refuses it)
CASES = [
    ("port", 7001, {}, ["port 7001"], ["--port=7001"]),
    ("memory", "1gb", {}, ["maxmemory 1073741824"], ["--maxmemory=1073741824"]),
    ("eviction", "lru", {}, ["maxmemory-policy allkeys-lru"], ["--cache_mode=true"]),
    ("eviction", "lfu", {}, ["maxmemory-policy allkeys-lfu"], None),
    ("eviction", "random", {}, ["maxmemory-policy allkeys-random"], None),
    ("eviction", "volatile-lru", {}, ["maxmemory-policy volatile-lru"], None),
    ("eviction", "volatile-lfu", {}, ["maxmemory-policy volatile-lfu"], None),
    ("eviction", "volatile-random", {}, ["maxmemory-policy volatile-random"], None),
    ("eviction", "volatile-ttl", {}, ["maxmemory-policy volatile-ttl"], None),
    ("eviction", "none", {"purpose": "queue"}, ["maxmemory-policy noeviction"], ["--cache_mode=false"]),
    ("persistence", "none", {}, ['save ""', "appendonly no"], ["--dbfilename="]),
    ("persistence", "aof", {}, ['save ""', "appendonly yes", "appendfsync everysec"], None),
    ("persistence", "snapshot", {}, ["save 60 1", "appendonly no"],
     ["--dbfilename=dragonfly", "--snapshot_cron=*/1 * * * *"]),
    ("max_loss", 0, {"persistence": "aof"}, ["appendfsync always"], None),
    ("max_loss", 1, {"persistence": "aof"}, ["appendfsync everysec"], None),
    ("max_loss", 90, {"persistence": "snapshot"}, ["save 90 1"], None),
    ("max_loss", 300, {"persistence": "snapshot"}, ["save 300 1"], ["--snapshot_cron=*/5 * * * *"]),
    ("max_loss", 7200, {"persistence": "snapshot"}, ["save 7200 1"], ["--snapshot_cron=0 */2 * * *"]),
    ("max_loss", 5400, {"persistence": "snapshot"}, ["save 5400 1"], None),
    ("max_loss", 86400, {"persistence": "snapshot"}, ["save 86400 1"], None),
    ("bind", "10.0.0.5", {"password": "x"}, ["bind 10.0.0.5"], ["--bind=10.0.0.5"]),
    ("threads", 2, {}, ["io-threads 2"], ["--proactor_threads=2"]),
    ("threads", 3, {}, ["io-threads 3"], None),
    ("databases", 4, {}, ["databases 4"], ["--dbnum=4"]),
    ("max_clients", 100, {}, ["maxclients 100"], ["--maxclients=100"]),
    ("keepalive", 30, {}, ["tcp-keepalive 30"], ["--tcp_keepalive=30"]),
    ("idle_timeout", 900, {}, ["timeout 900"], ["--timeout=900"]),
    ("cpus", "0-1", {}, [], ["--proactor_affinity_mode=on"]),
    ("tls_cert_file", "/etc/ssl/a.crt", {"tls_key_file": "/etc/ssl/a.key", "password": "x"},
     ["port 0", "tls-port 7000", "tls-cert-file /etc/ssl/a.crt", "tls-key-file /etc/ssl/a.key", "tls-auth-clients no"],
     ["--port=7000", "--tls=true", "--tls_cert_file=/etc/ssl/a.crt", "--tls_key_file=/etc/ssl/a.key"]),
    ("tls_cert_file", "/etc/ssl/a.crt", {"tls_key_file": "/etc/ssl/a.key"}, ["tls-port 7000"], None),
    ("tls_key_file", "/etc/ssl/b.key", {"tls_cert_file": "/etc/ssl/a.crt", "password": "x"},
     ["tls-key-file /etc/ssl/b.key"], ["--tls_key_file=/etc/ssl/b.key"]),
    ("acl", {"shop": "on >pw ~rq:* +@all"}, {}, ['aclfile "/srv/shop/users.acl"'], ["--aclfile=/srv/shop/users.acl"]),
    ("acl", {"shop": "on >pw ~rq:* (+get ~x)"}, {}, ['aclfile "/srv/shop/users.acl"'], None),
    ("backlog", 1024, {}, ["tcp-backlog 1024"], ["--tcp_backlog=1024"]),
]  # fmt: skip


def spec(engine, **given):
    return parse("shop", {"engine": engine, "purpose": "cache", "port": 7000, "memory": "512mb", **given})


def lines(engine, **given):
    translation = store_dragonfly if engine == "dragonfly" else store_redis
    return translation.config(spec(engine, **given), VERSIONS[engine], "/srv/shop").splitlines()


def refusal(engine, **given):
    with pytest.raises(SpecError) as error:
        lines(engine, **given)
    (problem,) = error.value.problems
    return problem


def test_every_key_is_among_the_cases():
    assert {case[0] for case in CASES} == {key.name for key in KEYS} - ELSEWHERE


@pytest.mark.parametrize("engine", ["redis", "valkey"])
@pytest.mark.parametrize(("key", "value", "others", "expected"), [case[:4] for case in CASES])
def test_redis_and_valkey(engine, key, value, others, expected):
    assert set(expected) <= set(lines(engine, **{key: value, **others}))


@pytest.mark.parametrize(
    ("key", "value", "others", "expected"), [(*case[:3], case[4]) for case in CASES if case[4] is not None]
)
def test_dragonfly(key, value, others, expected):
    assert set(expected) <= set(lines("dragonfly", **{"memory": "512mb", key: value, **others}))


@pytest.mark.parametrize(("key", "value", "others"), [case[:3] for case in CASES if case[4] is None])
def test_dragonfly_refuses_what_it_cannot_do(key, value, others):
    problem = refusal("dragonfly", **{key: value, **others})
    blamed = "persistence" if others.get("persistence") == "aof" else key
    assert problem.key == f"shop.{blamed}"


@pytest.mark.parametrize(
    ("given", "key", "remedy"),
    [
        ({"eviction": "volatile-lru"}, "eviction", "Say lru"),
        ({"persistence": "aof"}, "persistence", "Say snapshot"),
        ({"persistence": "snapshot", "max_loss": 30}, "max_loss", "Say 60"),
        ({"memory": "1gb", "threads": 8}, "threads", "Say threads: 4, or memory: 2048mb"),
        ({"memory": "100mb"}, "memory", "Say memory: 256mb"),
        ({"memory": "100mb", "threads": 2}, "memory", "Say memory: 512mb"),
    ],
)
def test_a_refusal_of_dragonfly_names_the_nearest(given, key, remedy):
    problem = refusal("dragonfly", **given)
    assert problem.key == f"shop.{key}"
    assert problem.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"persistence": "aof", "max_loss": 60}, "persistence: snapshot"),
        ({"persistence": "snapshot", "max_loss": 0}, "persistence: aof"),
    ],
)
def test_a_refusal_of_redis_names_the_nearest(given, remedy):
    problem = refusal("redis", **given)
    assert problem.key == "shop.max_loss"
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("engine", "version", "reads"),
    [("redis", "6.2.5", True), ("redis", "7.4.0", True), ("redis", "8.0.0", False),
     ("valkey", "7.2.9", True), ("valkey", "8.0.1", False)],
)  # fmt: skip
def test_threads_are_told_to_read_where_they_must_be(engine, version, reads):
    text = store_redis.config(spec(engine, threads=2), version, "/srv/shop")
    assert ("io-threads-do-reads yes" in text) is reads


@pytest.mark.parametrize(
    ("engine", "version", "minimum"),
    [("redis", "6.0.16", "6.2"), ("valkey", "7.0.0", "7.2"), ("dragonfly", "1.39.2", "1.40"), ("redis", "", "6.2")],
)
def test_a_version_that_is_too_old_is_refused(engine, version, minimum):
    translation = store_dragonfly if engine == "dragonfly" else store_redis
    with pytest.raises(SpecError, match=re.escape(f"too old. Install {minimum} or newer")):
        translation.config(spec(engine), version, "/srv/shop")


def test_redis_files_are_below_the_folder_even_with_a_blank_in_its_name():
    text = store_redis.config(spec("redis"), "7.0.15", '/srv/my "shop"')
    assert 'dir "/srv/my \\"shop\\"/data"' in text
    assert 'include "/srv/my \\"shop\\"/auth.conf"' in text


@pytest.mark.parametrize("purpose", ["cache", "queue"])
def test_dragonfly_gets_only_flags_that_it_knows(purpose):
    known = set(re.findall(r"^    --(\w+) ", HELPFULL.read_text(), re.MULTILINE))
    flags = store_dragonfly.flags(spec("dragonfly", purpose=purpose), "1.40.1", "/srv/shop")
    assert {name for name, _ in flags} <= known
    assert len(known) > 200


@pytest.mark.parametrize("purpose", ["cache", "queue"])
def test_a_flag_file_has_no_quotes_and_no_trailing_blanks(purpose):
    for line in lines("dragonfly", purpose=purpose):
        assert re.fullmatch(r"#.*|--\w+=\S.*|--dbfilename=", line)
        assert line == line.rstrip()
        assert not set(line) & set("'\"")


def test_dragonfly_is_set_up_for_frappe():
    cache, queue = lines("dragonfly"), lines("dragonfly", purpose="queue")
    for line in ("--keys_output_limit=1000000", "--max_multi_bulk_len=1000001", "--version_check=false",
                 "--proactor_affinity_mode=off", "--primary_port_http_enabled=false"):  # fmt: skip
        assert line in cache
        assert line in queue
    allowed = "--lua_undeclared_keys_shas=0f72f97be1eabbfce0148fd466da8c4ad73236fe"
    assert allowed in queue
    assert allowed not in cache


@pytest.mark.parametrize("engine", ["redis", "valkey", "dragonfly"])
def test_the_password_is_in_the_secret_file_alone(engine):
    translation = store_dragonfly if engine == "dragonfly" else store_redis
    with_password = spec(engine, password="s3cret%$")
    assert "s3cret" not in translation.config(with_password, VERSIONS[engine], "/srv/shop")
    expected = "DFLY_requirepass='s3cret%$'\n" if engine == "dragonfly" else "requirepass s3cret%$\n"
    assert translation.secret(with_password) == expected
    assert translation.secret(spec(engine)) == "# no password\n"


@pytest.mark.parametrize(
    ("engine", "banner", "version"),
    [
        ("redis", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n", "7.0.15"),
        ("valkey", "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n", "8.0.1"),
        ("dragonfly", "\x1b[1;33mdragonfly v1.40.1-434478e00\x1b[0m\nbuild time: x\n", "1.40.1-434478e00"),
        (
            "dragonfly",
            "dragonfly v1.40.0-87-gf8eca6d0b-f8eca6d0b05c915cee9439036b5b04aebbb973bb\n",
            "1.40.0-87-gf8eca6d0b",
        ),
        ("dragonfly", "dragonfly \x1b[1;33mv1.40.0-stand-in\x1b[0m\n", "1.40.0-stand-in"),
        ("redis", "Valkey server v=8.0.1 sha=00000000:0\n", None),
        ("valkey", "Redis server v=7.0.15 sha=00000000:0\n", None),
        ("dragonfly", "usage: dragonfly [-h]\n", None),
    ],
)
def test_a_version_is_read_from_what_the_server_prints(engine, banner, version):
    assert version_in(banner, engine) == version
