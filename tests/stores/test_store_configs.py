"""What store_redis and store_dragonfly write, taken by real servers and asked back from them."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils import store_acl, store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_capacity import open_files
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec, parse
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.stores.binaries import dragonfly, release, valkey_8
from tests.stores.servers import free_port
from tests.unit.store_cases import CASES

pytestmark = pytest.mark.stores

# The word of the file -> the word of CONFIG GET, or what is another file there.
ELSEWHERE = {"include", "aclfile", "dir", "dbfilename", "tls-cert-file", "tls-key-file"}
USERS = {"shop": "on >shop-pw ~rq:[^q]* ~rq:queues ~rq:queue:shop:* +@all -@admin"}


def binary_of(engine: str) -> str:
    """The server of an engine; a stand-in for Dragonfly unless there is one. Skips the test without any."""
    if engine == "redis":
        return shutil.which("redis-server") or pytest.skip("redis-server is not installed")
    return valkey_8() if engine == "valkey" else dragonfly()[0]


def spec_of(engine: str, purpose: str, **given: Any) -> StoreSpec:
    memory = "512mb" if engine == "dragonfly" else "64mb"
    return parse("shop", {"engine": engine, "purpose": purpose, "port": free_port(), "memory": memory, **given})


def write(spec: StoreSpec, folder: Path) -> dict[str, str]:
    """Its files, as a role writes them. Returns the configuration by name."""
    (folder / "data").mkdir()
    version = release(Path(binary_of(spec.engine)), spec.engine)
    translation = store_dragonfly if spec.engine == "dragonfly" else store_redis
    config = translation.config(spec, version, str(folder))
    (folder / "config").write_text(config)
    (folder / "auth.conf").write_text(translation.secret(spec))
    (folder / "users.acl").write_text(store_acl.config(spec))
    return dict(line.split(" ", 1) for line in config.splitlines() if not line.startswith(("#", "--")))


@contextmanager
def running(spec: StoreSpec, folder: Path, **options: Any) -> Iterator[redis.Redis]:
    """The store on its real server, and a client that has its password and trusts its certificate."""
    variables = dict(os.environ)
    command = [binary_of(spec.engine), str(folder / "config")]
    if spec.engine == "dragonfly":
        command[1] = f"--flagfile={folder / 'config'}"
        secret = (folder / "auth.conf").read_text()
        variables |= {name: value.strip("'") for name, _, value in [secret.strip().partition("=")] if value}
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output, **options)
        client = client_of(spec, password=spec.password)
        try:
            wait_for(client, server, log)
            yield client
        finally:
            client.close()
            server.terminate()
            server.wait(30)


def client_of(spec: StoreSpec, **credentials: Any) -> redis.Redis:
    tls = {"ssl": True, "ssl_ca_certs": spec.tls_cert_file} if spec.tls_cert_file else {}
    return redis.Redis(
        host="127.0.0.1", port=spec.port, decode_responses=True, retry=Retry(NoBackoff(), 0), **tls, **credentials
    )


def wait_for(client: redis.Redis, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("engine", ["redis", "valkey"])
@pytest.mark.parametrize(
    ("purpose", "given"),
    [
        ("cache", {}),
        ("queue", {}),
        ("queue", {"persistence": "snapshot", "max_loss": 300}),
        (
            "cache",
            {"eviction": "volatile-ttl", "eviction_samples": 7, "listpack_value": 300,
             "listpack_entries": 200, "hz": 33, "persistence": "aof",
             "max_loss": 0, "threads": 2, "databases": 3, "max_clients": 77, "keepalive": 33, "idle_timeout": 99,
             "backlog": 111, "password": "pw%$", "acl": USERS},
        ),
    ],
)  # fmt: skip
def test_every_line_is_what_the_server_says_of_itself(
    engine: str, purpose: str, given: Mapping[str, Any], tmp_path: Path
) -> None:
    spec = spec_of(engine, purpose, **given)
    written = write(spec, tmp_path)
    with running(spec, tmp_path) as client:
        answers = {name: client.config_get(name)[name] for name in written if name not in ELSEWHERE}
        sizes = {"auto-aof-rewrite-min-size": str(64 * 1024**2)}
        assert answers == {name: sizes.get(name, written[name].strip('"')) for name in answers}
        assert len(answers) > 20
        # It comes up as told: no limit that it lowers, no directive that it passes over.
        log = (tmp_path / "server.log").read_text().splitlines()
        assert [line for line in log if "WARNING" in line and "overcommit" not in line.lower()] == []


@pytest.mark.parametrize("engine", ["redis", "valkey"])
def test_sessions_and_jobs_are_kept_compact(engine: str, tmp_path: Path) -> None:
    spec = spec_of(engine, "cache")
    write(spec, tmp_path)
    with running(spec, tmp_path) as client:
        client.hset("site|session", mapping={f"{number:056x}": "x" * 700 for number in range(100)})
        client.hset("site|bootinfo", mapping={"user": "x" * 2000})
        assert client.object("encoding", "site|session") == "listpack"
        assert client.object("encoding", "site|bootinfo") == "hashtable"


@pytest.mark.parametrize("engine", ["redis", "valkey"])
def test_the_files_that_a_unit_allows_are_enough_for_every_client(engine: str, tmp_path: Path) -> None:
    spec = spec_of(engine, "queue", max_clients=120, threads=2)
    write(spec, tmp_path)
    limit = open_files(spec)
    with (
        running(
            spec, tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        ) as client,
        ExitStack() as clients,
    ):
        assert client.config_get("maxclients") == {"maxclients": "120"}  # it lowers what it has no files for
        for _ in range(118):
            assert clients.enter_context(client_of(spec)).ping()
        client.bgrewriteaof()
        assert client.info("clients")["connected_clients"] == 119


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "shop.key", folder / "shop.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return {"tls_cert_file": str(cert), "tls_key_file": str(key)}


@pytest.mark.parametrize("engine", ["redis", "valkey", "dragonfly"])
def test_with_tls_the_port_speaks_nothing_else(engine: str, tmp_path: Path, certificate: dict[str, str]) -> None:
    spec = spec_of(engine, "queue", password="pw", **certificate)
    write(spec, tmp_path)
    with running(spec, tmp_path) as client:
        assert client.set("key", "value")
        with (
            redis.Redis(port=spec.port, password="pw", retry=Retry(NoBackoff(), 0)) as plain,
            # Dragonfly says in plain words that this is no TLS, and hangs up.
            pytest.raises((redis.exceptions.ConnectionError, redis.exceptions.ResponseError)),
        ):
            plain.ping()
        with (
            redis.Redis(port=spec.port, password="pw", ssl=True, retry=Retry(NoBackoff(), 0)) as distrustful,
            pytest.raises(redis.exceptions.ConnectionError, match="self-signed certificate"),
        ):
            distrustful.ping()


@pytest.mark.parametrize("engine", ["redis", "valkey", "dragonfly"])
@pytest.mark.parametrize("password", ["pw", None])
def test_users_may_do_what_their_rules_say(engine: str, password: str | None, tmp_path: Path) -> None:
    spec = spec_of(engine, "queue", password=password, acl=USERS)
    write(spec, tmp_path)
    with running(spec, tmp_path) as client, client_of(spec, username="shop", password="shop-pw") as shop:
        assert client.set("rq:queue:other:default", "default may do everything")
        assert shop.set("rq:job:1", "data")
        assert shop.rpush("rq:queue:shop:default", "1")
        for forbidden in (lambda: shop.get("rq:queue:other:default"), lambda: shop.config_get("maxmemory")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()
        for name, wrong in (("shop", "pw"), ("default", "shop-pw" if password else None)):
            if wrong:
                with (
                    client_of(spec, username=name, password=wrong) as stranger,
                    pytest.raises(redis.exceptions.AuthenticationError),
                ):
                    stranger.ping()
        if password:
            with client_of(spec) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
                nobody.ping()


def test_the_flags_of_every_case_are_taken(tmp_path: Path) -> None:
    """Those of TLS, of users and of another address have tests of their own, or none."""
    files = {"tls_cert_file", "tls_key_file", "acl", "bind"}
    for case in CASES:
        if case.dragonfly is None or case.key in files:
            continue
        folder = tmp_path / re.sub(r"\W", "-", f"{case.key}-{case.value}")
        folder.mkdir()
        given = {**case.spec("dragonfly").mapping, "port": free_port()}
        spec = parse("shop", given)
        write(spec, folder)
        with running(spec, folder) as client:
            assert client.ping()
