"""A store under a supervisord of its own, the inventory that declares it, and the command line on both."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection
from demo.standin.environment import ensure_env
from tests.orphans import descendants, end
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

INVENTORY = """---
stores:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: {python}
      store_service_process_manager: supervisor
      store_service_base_dir: {folder}/stores
      store_service_supervisor_socket: {folder}/supervisor.sock
      store_service_supervisor_config_dir: {folder}/supervisor.d
      stores:
        shop-cache:
          engine: redis
          purpose: cache
          port: {port}
          memory: 64mb
          password: s3cret
          listpack_value: 0 # a mistake
"""
SETTING = "hash-max-listpack-value"
QUICK = {"tune_settings": "listpack_value", "tune_trials": 2, "tune_seconds": 0.2, "tune_rounds": 7}


@dataclass
class Place:
    """A store, the inventory that declares it, and the command line on both."""

    folder: Path
    port: int

    @property
    def inventory(self) -> Path:
        return self.folder / "hosts.yml"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password="s3cret", decode_responses=True)

    @property
    def running(self) -> str:
        """What the server says of the setting that is tuned; without the errors that redis-py makes at Redis 7.0."""
        with Connection("127.0.0.1", self.port) as connection:
            connection.call("AUTH", "s3cret")
            return str(connection.config(SETTING))

    @property
    def journal(self) -> dict[str, Any]:
        path = self.folder / "stores/shop-cache/tuning.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def start(self, *words: str, **variables: Any) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("benchfly")), words[0], "-i", str(self.inventory), *words[1:]]
        given = ["-e", json.dumps(variables)] if variables else []
        env = ensure_env().variables | {"BENCHFLY_HOME": str(self.folder / "home")}
        pipes: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*command, *given, "--yes", "--json"], env=env, text=True, **pipes)

    def run(self, *words: str, **variables: Any) -> dict[str, Any]:
        """What the command says as JSON."""
        process = self.start(*words, **variables)
        out, err = process.communicate(timeout=280)
        assert out, err
        return dict(json.loads(out))

    def tune(self, *words: str, **variables: Any) -> dict[str, Any]:
        return self.run("tune", "--store", "shop-cache", *words, **{**QUICK, **variables})

    def changed(self, process: subprocess.Popen[str], seconds: float) -> bool:
        """Wait until that run has changed the store; whether it has before it ended, and within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.journal.get("state") != "begun" or self.running == "0":  # until then a look would count as a client
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End the command, and what of Ansible it leaves, without a word."""
        below = descendants(process.pid)
        process.kill()
        end(below)
        process.communicate()


@contextmanager
def placed() -> Iterator[Place]:
    """The store deployed."""
    with supervisord() as folder:
        found = Place(folder, free_port())
        found.inventory.write_text(INVENTORY.format(python=sys.executable, folder=folder, port=found.port))
        done = found.run("deploy")
        assert done["exit_code"] == 0, done
        yield found
