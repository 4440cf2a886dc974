"""A stand-in bench, two new stores to move it to, and the playbooks run as an operator would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_retire import amiss
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.load import Account, Load, account
from demo.standin import StandinBench
from tests.orphans import end
from tests.stores.servers import DragonflyServer, Server

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# Binary that the bench's own stores run on, and engine and binary of the new ones; None is redis-server.
Servers = tuple[Path | None, str, Path | None]
REDIS: Servers = (None, "redis", None)


@dataclass
class Moving:
    """The bench and what a test needs to move it."""

    bench: StandinBench
    stores: dict[str, Server]
    inventory: Path
    variables: dict[str, Any] = field(default_factory=dict)
    patience: float = 240  # seconds that a verb may take
    loads: list[Load] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)

    def load(self, enqueues: float, pages: float = 0, clears: float = 0) -> Load:
        """A load that runs until it is accounted for, or the test ends."""
        load = Load(self.bench.url, self.bench.root / "requests.jsonl", enqueues=enqueues, pages=pages, clears=clears)
        load.start()
        self.loads.append(load)
        return load

    @property
    def state_dir(self) -> Path:
        return self.bench.path / "config/benchfly"

    @property
    def moves(self) -> list[dict[str, Any]]:
        """What the journal has, oldest first; none before a move began."""
        journal = self.state_dir / "journal.json"
        moves: list[dict[str, Any]] = json.loads(journal.read_text())["moves"] if journal.exists() else []
        return moves

    @property
    def move(self) -> dict[str, Any]:
        return self.moves[-1]

    def start(self, verb: str, *options: str, **variables: Any) -> subprocess.Popen[str]:
        """Run a verb's playbook with plain ansible-playbook, in a process group of its own."""
        command = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), str(ROOT / f"playbooks/{verb}.yml")]
        command += ["-e", json.dumps({**self.variables, **variables}), *options]
        home = self.bench.root / "ansible"
        environment = {
            **os.environ,
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_ASYNC_DIR": str(home / "async"),
        }
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_REMOTE_TEMP": str(home / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, verb: str, *options: str, **variables: Any) -> str:
        """Run it to its end; its output. Fails the test when it fails."""
        process = self.start(verb, *options, **variables)
        output, _ = process.communicate(timeout=self.patience)
        assert process.returncode == 0, output
        return output

    def refused(self, verb: str, **variables: Any) -> str:
        """Run it and expect a failure; its output in one line."""
        process = self.start(verb, **variables)
        output, _ = process.communicate(timeout=self.patience)
        assert process.returncode != 0, output
        return " ".join(output.split())

    def supervisorctl(self, verb: str) -> None:
        """Start or stop all workers by hand."""
        command = [str(self.bench.env.bin / "supervisorctl"), "-c", str(self.bench.supervisord_conf), verb]
        subprocess.run([*command, f"{self.bench.name}-workers:*"], check=True, stdout=subprocess.DEVNULL)

    def amiss(self) -> list[str]:
        """What `status` would say is not as the journal has it."""
        manager = Supervisor(str(self.bench.supervisor_socket))
        return amiss(Bench(self.bench.path), manager, Journal(self.state_dir))

    def wait_until_idle(self, seconds: float = 120) -> None:
        """Wait until no job of the bench waits or runs."""
        deadline = time.monotonic() + seconds
        with redis.Redis.from_url(self.bench.config()["redis_queue"]) as queue:
            while any(queue.llen(key) for key in queue.keys("rq:queue:*")) or queue.keys("rq:wip:*"):
                assert time.monotonic() < deadline, "jobs wait or run for ever"
                time.sleep(0.2)
        time.sleep(0.5)

    def account(self, load: Load) -> Account:
        """End the load, let the queue run empty, and count."""
        requests = load.stop()
        assert [request for request in requests if not request.ok] == []
        self.wait_until_idle(self.patience / 2)
        scheduled = self.bench.scheduled()
        self.wait_until_idle(self.patience / 2)
        return account(requests, self.bench.executions(), scheduled)


@pytest.fixture
def shape() -> dict[str, Any]:
    """What the bench is to be, as StandinBench.lay_out takes it."""
    return {}


@pytest.fixture
def servers() -> Servers:
    """What the stores of both sides run on."""
    return REDIS


@pytest.fixture
def moving(tmp_path: Path, shape: dict[str, Any], servers: Servers) -> Iterator[Moving]:
    with stand_in(tmp_path, shape, servers) as moving:
        yield moving


@contextmanager
def stand_in(tmp_path: Path, shape: dict[str, Any], servers: Servers = REDIS) -> Iterator[Moving]:
    """A bench that runs, and two new stores for it."""
    # redis-py 3 does not decode what is escaped in an URL.
    password = "plain-password" if shape.get("frappe") == "14" else "p@ss/w:rd"
    former, engine, binary = servers
    laid_out = StandinBench.lay_out(tmp_path / "standin", **shape)
    if former:
        _run_on(laid_out, former)
    with (
        laid_out as bench,
        _new_store(tmp_path, engine, binary, "cache") as cache,
        _new_store(tmp_path, engine, binary, "queue", password) as queue,
    ):
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(json.dumps(_inventory(bench, engine, cache, queue)))
        moving = Moving(bench, {"cache": cache, "queue": queue}, inventory, {"frappe_bench_canary": False})
        yield moving
        for load in moving.loads:
            load.stop()
        end(moving.orphans)


def _new_store(tmp_path: Path, engine: str, binary: Path | None, purpose: str, password: str | None = None) -> Server:
    folder, program = tmp_path / f"new-{purpose}", str(binary or "redis-server")
    if engine == "dragonfly":
        return DragonflyServer(folder, program, purpose, password)
    options = ["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru" if purpose == "cache" else "noeviction"]
    options += ["--requirepass", password] if password else []
    return Server(folder, *options, binary=program, password=password)


def _run_on(bench: StandinBench, server: Path) -> None:
    """Have the bench's own stores run on another binary, with the configuration that bench made."""
    conf = bench.path / "config/supervisor.conf"
    text, count = re.subn(r"^command=\S*redis-server ", f"command={server} ", conf.read_text(), flags=re.MULTILINE)
    assert count == len(re.findall(r"^\[program:.*-redis-", text, re.MULTILINE))
    conf.write_text(text)


def _inventory(bench: StandinBench, engine: str, cache: Server, queue: Server) -> dict[str, Any]:
    common = {"engine": engine, "memory": "512mb"}
    stores = {
        "new-cache": {**common, "purpose": "cache", "port": cache.port},
        "new-queue": {**common, "purpose": "queue", "port": queue.port, "password": queue.password},
    }
    variables = {
        "frappe_bench_name": "standin",
        "frappe_bench_local_facts": False,
        "frappe_bench_path": str(bench.path),
        "frappe_bench_supervisor_socket": str(bench.supervisor_socket),
        "frappe_bench_cache_store": "new-cache",
        "frappe_bench_queue_store": "new-queue",
        "frappe_bench_ping_url": f"{bench.url}/api/method/ping",
    }
    host = {"localhost": {"ansible_connection": "local", "stores": stores}}
    benches = {"standin": {"hosts": {"localhost": {}}, "vars": variables}}
    return {"all": {"children": {"stores": {"hosts": host}, "benches": {"children": benches}}}}
