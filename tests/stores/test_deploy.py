"""The verb deploy on this machine, with a supervisord of its own: what is declared runs, and nothing else happens."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin.environment import ensure_env
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.stores.binaries import valkey_8
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
# A real Dragonfly when one is named, else the stand-in; nothing here measures it.
DRAGONFLY = os.environ.get("DRAGONFLY")
PASSWORD = "s3cr%t-$PW!"


@dataclass
class Outcome:
    """What one run of the playbook said."""

    code: int
    output: str

    @property
    def changed(self) -> set[tuple[str, str]]:
        """Tasks that changed something, with the item of the loop."""
        found, task = set(), ""
        for line in self.output.splitlines():
            match = re.match(r"(?:TASK|RUNNING HANDLER) \[(?:[\w.]+ : )?(.*)\] \*", line)
            task = match.group(1) if match else task
            match = re.match(r"changed: \[here\](?: => \(item=(.*)\))?", line)
            if match:
                found.add((task, match.group(1) or ""))
        return found

    @property
    def restarted(self) -> set[str]:
        return {item for task, item in self.changed if task == "Deploy | Restart programs that changed"}

    @property
    def published(self) -> dict[str, Any]:
        """What the playbook handed over with set_stats."""
        text = self.output.partition("\tRUN: ")[2]
        return json.loads(text[: text.index("\n\n")])["deploy"]


@dataclass
class Host:
    """This machine as the one host of an inventory; `stores` is what the inventory declares."""

    folder: Path
    variables: dict[str, Any]
    stores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def deploy(self, *options: str, stores: dict[str, dict[str, Any]] | None = None) -> Outcome:
        """Run the playbook; every output is kept in the folder of the logs."""
        declared = {"stores": {"hosts": {"here": {**self.variables, "stores": stores or self.stores}}}}
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump(declared))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *options]
        env = ensure_env().variables | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            [*command, str(ROOT / "playbooks/deploy.yml")], env=env, capture_output=True, text=True, check=False
        )
        log = self.folder / "logs" / f"{time.monotonic_ns()}.log"
        log.write_text(done.stdout + done.stderr)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def client(self, store: str, password: str | None = PASSWORD) -> redis.Redis:
        port = self.stores[store]["port"]
        return redis.Redis(port=port, password=password, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def only(self, *names: str) -> dict[str, dict[str, Any]]:
        """Some of the stores, to save time where the others have no part."""
        return {name: self.stores[name] for name in names}

    @property
    def pids(self) -> dict[str, int]:
        """Process of each store, as supervisord knows it."""
        processes = Supervisor(str(self.folder / "supervisor.sock")).processes()
        return {process.program.partition("-")[2]: process.pid for process in processes}

    @property
    def files(self) -> dict[str, str]:
        """What the roles write, by path."""
        roots = [self.folder / "supervisor.d", *(self.folder / "stores").glob("*")]
        return {str(path): path.read_text() for root in roots for path in root.glob("*") if path.suffix in SUFFIXES}


SUFFIXES = {".conf", ".flags", ".env"}


def declared(engine: str, purpose: str, **given: Any) -> dict[str, Any]:
    memory = "512mb" if engine == "dragonfly" else "64mb"
    return {"engine": engine, "purpose": purpose, "port": free_port(), "memory": memory, "password": PASSWORD, **given}


@pytest.fixture(scope="module")
def empty_host() -> Iterator[Host]:
    """A host without stores."""
    with supervisord() as folder:
        (folder / "logs").mkdir()
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "store_service_process_manager": "supervisor",
            "store_service_base_dir": str(folder / "stores"),
            "store_service_supervisor_socket": str(folder / "supervisor.sock"),
            "store_service_supervisor_config_dir": str(folder / "supervisor.d"),
            "dragonfly_binary": DRAGONFLY or str(ROOT / "tests/standins/dragonfly"),
        }
        yield Host(folder, variables)


@pytest.fixture(scope="module")
def runs(empty_host: Host) -> dict[str, Outcome]:
    """The first three runs on an empty host."""
    host = empty_host
    host.stores = {
        "shop-cache": declared("redis", "cache"),
        "shop-queue": declared("redis", "queue"),
        "fly-cache": declared("dragonfly", "cache"),
        "fly-queue": declared("dragonfly", "queue", memory="256mb"),
    }
    return {
        "check": host.deploy("--check", "--diff"),
        "first": host.deploy("--diff", "-vvv"),
        "second": host.deploy("-vvv"),
    }


@pytest.fixture
def host(empty_host: Host, runs: dict[str, Outcome]) -> Host:
    """The host with its stores running as declared."""
    assert runs["first"].code == 0, runs["first"].output
    return empty_host


def test_what_is_declared_runs(host: Host, runs: dict[str, Outcome]) -> None:
    for name, store in host.stores.items():
        with host.client(name) as client:
            memory = client.info("memory")
            assert memory["maxmemory"] == (256 if name == "fly-queue" else 512 if "fly" in name else 64) * 1024**2
            assert (memory["maxmemory_policy"] == "noeviction") is (store["purpose"] == "queue")
            assert client.info("server")["process_id"] == host.pids[name]
    with host.client("shop-queue") as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with host.client("shop-cache") as client:
        assert client.config_get("save") == {"save": ""}


def test_the_result_says_what_runs_where(host: Host, runs: dict[str, Outcome]) -> None:
    published = runs["first"].published
    assert set(published) == set(host.stores)
    for name, store in host.stores.items():
        place = {"address": "127.0.0.1", "port": store["port"], "purpose": store["purpose"], "host": "here"}
        assert published[name] == {
            **place,
            "engine": store["engine"],
            "version": published[name]["version"],
            "changed": True,
        }
    if not DRAGONFLY:
        assert published["fly-cache"]["version"].endswith("-stand-in")
    assert {name: store["changed"] for name, store in runs["second"].published.items()} == dict.fromkeys(
        host.stores, False
    )


def test_a_second_run_changes_nothing(host: Host, runs: dict[str, Outcome]) -> None:
    assert runs["second"].code == 0
    assert runs["second"].changed == set()


def test_check_mode_announces_what_a_run_does(host: Host, runs: dict[str, Outcome]) -> None:
    assert runs["check"].code == 0, runs["check"].output
    assert runs["check"].changed == runs["first"].changed
    assert len(runs["check"].changed) > len(host.stores)


@pytest.mark.parametrize("store", ["shop-cache", "shop-queue", "fly-cache", "fly-queue"])
def test_only_the_right_password_opens_a_store(host: Host, store: str) -> None:
    with host.client(store, password=None) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()
    with host.client(store, password="wrong") as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def test_the_password_is_only_where_only_the_server_may_read(host: Host) -> None:
    for path in host.folder.rglob("*"):
        if not path.is_file() or path.name == "inventory.yml":  # the test's own
            continue
        if PASSWORD.encode() in path.read_bytes():
            assert path.name in {"auth.conf", "dragonfly.env", "dragonfly-stand-in.conf"}
            assert path.stat().st_mode & 0o077 == 0, path
    for pid in host.pids.values():
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for folder in [*(host.folder / "stores").glob("*"), *(host.folder / "stores").glob("*/data")]:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_what_can_be_changed_while_it_runs_restarts_nothing(host: Host) -> None:
    before = host.pids
    for name in ("shop-cache", "fly-queue"):
        host.stores[name]["keepalive"] = 45
    host.stores["shop-cache"]["memory"] = "80mb"
    announced, done, again = host.deploy("--check", "--diff"), host.deploy("--diff"), host.deploy()
    assert done.code == 0, done.output
    assert announced.changed == done.changed
    for output in (announced.output, done.output):
        assert "shop-cache: maxmemory 67108864 -> 83886080 (live)" in output
    assert (done.restarted, host.pids) == (set(), before)
    assert again.changed == set()
    with host.client("shop-cache") as client:
        assert client.info("memory")["maxmemory"] == 80 * 1024**2
        assert client.config_get("tcp-keepalive") == {"tcp-keepalive": "45"}


def test_a_change_that_needs_it_restarts_that_store_alone(host: Host) -> None:
    with host.client("shop-queue") as client:
        client.rpush("kept", "job")
    before = host.pids
    host.stores["shop-queue"].update(databases=8, memory="80mb")
    both = host.only("shop-cache", "shop-queue")
    announced, done = host.deploy("--check", "--diff", stores=both), host.deploy("--diff", stores=both)
    assert done.code == 0, done.output
    assert announced.changed == done.changed
    assert done.restarted == {"shop-queue"}
    assert {name for name, pid in host.pids.items() if before[name] != pid} == {"shop-queue"}
    with host.client("shop-queue") as client:
        assert client.info("memory")["maxmemory"] == 80 * 1024**2
        assert client.lrange("kept", 0, -1) == ["job"]


def test_stores_on_two_engines_are_restarted_by_one_run(host: Host) -> None:
    before = host.pids
    for name in ("shop-cache", "fly-queue"):
        host.stores[name]["backlog"] = 300
    done = host.deploy()
    assert done.code == 0, done.output
    assert done.restarted == {"shop-cache", "fly-queue"}
    assert {name for name, pid in host.pids.items() if before[name] != pid} == {"shop-cache", "fly-queue"}


def test_a_run_that_was_killed_before_the_restart_is_made_up_for(host: Host) -> None:
    """The file is as declared already; what runs is not, also where the server does not tell."""
    before = host.pids
    for name, option in {"shop-cache": "tcp-backlog", "fly-queue": "--tcp_backlog"}.items():
        host.stores[name]["backlog"] = 301
        config = next((host.folder / "stores" / name).glob("[rd]*.[cf]*"))
        config.write_text(re.sub(rf"{option}([ =])300", rf"{option}\g<1>301", config.read_text()))
    done = host.deploy()
    assert done.code == 0, done.output
    assert done.restarted == {"shop-cache", "fly-queue"}
    assert {name for name, pid in host.pids.items() if before[name] != pid} == {"shop-cache", "fly-queue"}


def test_a_store_that_drifted_is_brought_back(host: Host) -> None:
    """Also when the server wrote what it was told into what it takes for its configuration."""
    before = host.pids
    with host.client("shop-cache") as client:
        client.config_set("maxmemory", "33mb")
        client.config_rewrite()
    done, again = (host.deploy(stores=host.only("shop-cache")) for _ in range(2))
    assert done.code == 0, done.output
    assert (done.restarted, host.pids) == (set(), before)
    assert again.changed == set()
    with host.client("shop-cache") as client:
        assert client.info("memory")["maxmemory"] == 80 * 1024**2


def test_a_new_password_replaces_the_old(host: Host) -> None:
    host.stores["fly-queue"]["password"] = "another"
    done = host.deploy(stores=host.only("fly-queue"))
    assert done.code == 0, done.output
    assert done.restarted == {"fly-queue"}
    with host.client("fly-queue", "another") as client:
        assert client.ping()
    with host.client("fly-queue") as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def _taken(host: Host) -> dict[str, Any]:
    return {"port": host.stores["shop-cache"]["port"]}


@pytest.mark.parametrize(
    ("store", "given", "words"),
    [
        ("shop-cache", {"evicton": "lru"}, "Did you mean eviction"),
        ("fly-cache", {"eviction": "volatile-lru"}, "Say lru"),
        ("fly-queue", {"persistence": "aof"}, "Say snapshot"),
        ("shop-queue", _taken, "cache and queue in one instance"),
        ("shop-cache", {"memory": "100tb"}, "Give them less memory"),
        ("shop-cache", {"bind": "0.0.0.0", "password": None}, "Give the store a password"),
        ("shop-queue", {"persistence": "snapshot"}, "would start without them"),
        ("shop-cache", {"engine": "dragonfly", "memory": "512mb", "threads": 1}, "A store keeps its engine"),
    ],
)  # fmt: skip
def test_a_refusal_changes_nothing(host: Host, store: str, given: Any, words: str) -> None:
    with host.client("shop-queue") as client:
        client.rpush("kept", "job")
    stores = copy.deepcopy(host.stores)
    stores[store].update(given(host) if callable(given) else given)
    files, pids = host.files, host.pids
    refused = host.deploy(stores=stores)
    assert refused.code == 2
    assert words in " ".join(refused.output.split())
    assert refused.changed == set()
    assert (host.files, host.pids) == (files, pids)


def test_the_port_of_another_server_is_refused(host: Host, tmp_path: Path) -> None:
    port = free_port()
    command = [str(ensure_env().redis_server), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as other:
        try:
            new = declared("redis", "cache", port=port)
            del new["password"]
            refused = host.deploy(stores={"new": new})
        finally:
            other.terminate()
    assert refused.code == 2
    assert f"port {port} of new belongs to a process that runs in {tmp_path}" in " ".join(refused.output.split())


def test_a_missing_server_is_refused_with_the_remedy(host: Host) -> None:
    refused = host.deploy("-e", "redis_binary=/nowhere/redis-server")
    assert refused.code == 2
    assert "Install redis, or give its path in redis_binary" in refused.output
    wrong = host.deploy("-e", f"redis_binary={ROOT}/tests/standins/dragonfly")
    assert wrong.code == 2
    assert "does not say that it is redis" in wrong.output


def test_valkey(host: Host) -> None:
    valkey = valkey_8()
    host.stores["key-cache"] = declared("valkey", "cache", threads=2)
    host.stores["key-queue"] = declared("valkey", "queue")
    stores = host.only("key-cache", "key-queue")
    given = ("-e", f"valkey_binary={valkey}")
    announced, done, again = (host.deploy(*given, *words, stores=stores) for words in (["--check"], [], []))
    assert done.code == 0, done.output
    assert announced.changed == done.changed
    assert again.changed == set()
    with host.client("key-cache") as client:
        assert "valkey_version" in client.info("server")
