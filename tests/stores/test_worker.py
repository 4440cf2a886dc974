"""What docs/controllers.md says of workers: a playbook is sent, run by one that reaches the hosts, and comes back."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo.standin.environment import ensure_env
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

pytestmark = pytest.mark.stores

RUNNER = str(Path(sys.executable).with_name("ansible-runner"))


@pytest.fixture
def elsewhere() -> Iterator[list[str]]:
    """What puts a command into another network, where nothing of this one can be reached."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network of its own for the worker takes root and iproute2")
    name = f"benchfly-worker-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    try:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        yield inside
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_a_worker_in_another_network(elsewhere: Sequence[str], tmp_path: Path) -> None:
    with supervisord(*elsewhere) as folder:
        port = free_port()
        sent = tmp_path / "controller/fleet"
        write_fleet(sent, folder, port)
        artifacts = run(elsewhere, sent, tmp_path / "worker", "deploy")
        # The store runs where the worker is, and only there.
        ping, env = ["redis-cli", "-p", str(port), "ping"], {**os.environ, "REDISCLI_AUTH": "a-password"}
        said = subprocess.run([*elsewhere, *ping], capture_output=True, text=True, check=True, env=env).stdout
        assert said == "PONG\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    assert (artifacts / "rc").read_text() == "0" and (artifacts / "status").read_text() == "successful"
    (stats,) = (data for data in events(artifacts) if "artifact_data" in data)
    assert stats["artifact_data"]["deploy"]["shop-cache"]["port"] == port
    assert stats["failures"] == stats["dark"] == {}
    assert "a-password" not in "".join(path.read_text() for path in artifacts.rglob("*") if path.is_file())
    assert list((tmp_path / "worker").iterdir()) == []  # it takes what was sent away again


def write_fleet(private: Path, folder: Path, port: int) -> None:
    """A folder as ansible-runner sends it: an inventory with one store, on the worker's own machine."""
    stores = {"shop-cache": {"engine": "redis", "purpose": "cache", "port": port, "memory": "64mb"}}
    stores["shop-cache"]["password"] = "a-password"
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(folder / "ansible"),
        "ansible_async_dir": str(folder / "async"),
        "redis_install": "none",
        "store_service_process_manager": "supervisor",
        "store_service_base_dir": str(folder / "stores"),
        "store_service_supervisor_socket": str(folder / "supervisor.sock"),
        "store_service_supervisor_config_dir": str(folder / "supervisor.d"),
        "stores": stores,
    }
    (private / "inventory").mkdir(parents=True)
    (private / "inventory/hosts.yml").write_text(yaml.safe_dump({"stores": {"hosts": {"store1": variables}}}))
    (private / "project").mkdir()


def run(elsewhere: Sequence[str], private: Path, worker: Path, verb: str) -> Path:
    """Transmit, work, process, as one pipe of three processes; the artifacts that came back."""
    worker.mkdir()
    env = ensure_env().variables | {"PATH": f"{Path(RUNNER).parent}:{ensure_env().variables['PATH']}"}
    options: dict[str, Any] = {"env": env, "cwd": private.parent}
    transmit = [RUNNER, "transmit", str(private), "--playbook", f"benchfly.stores.{verb}", "--ident", "one"]
    work = [*elsewhere, RUNNER, "worker", "--private-data-dir", f"{worker}/fleet", "--delete"]
    with (
        subprocess.Popen(transmit, stdout=subprocess.PIPE, **options) as sender,
        subprocess.Popen(work, stdin=sender.stdout, stdout=subprocess.PIPE, **options) as at_work,
    ):
        process = [RUNNER, "process", str(private), "--ident", "one"]
        done = subprocess.run(process, stdin=at_work.stdout, capture_output=True, text=True, check=False, **options)
    assert (sender.returncode, at_work.returncode, done.returncode) == (0, 0, 0), done.stdout + done.stderr
    return private / "artifacts/one"


def events(artifacts: Path) -> Iterator[dict[str, Any]]:
    """What Ansible did, as it came back."""
    for path in (artifacts / "job_events").glob("*.json"):
        yield json.loads(path.read_text()).get("event_data") or {}
