"""A release of the chart erpnext in a stand-in for a cluster: a real kubectl, real stores, real jobs of RQ.

What stands in: the API (api.py), what a cluster does with its objects (kubelet.py), and helm (standins/helm). Nothing
here is a cluster's result.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo.load import Load
from demo.standin import StandinBench
from tests.bench.conftest import Moving
from tests.kubernetes.api import Object, Objects, serve
from tests.kubernetes.kubelet import Kubelet
from tests.orphans import end
from tests.stores.servers import Server

HELM = Path(__file__).parents[1] / "standins/helm"
RELEASE, NAMESPACE = "shop", "erp"
STORES = ("cache", "queue", "former-cache", "former-queue")
_POLICY = {
    "cache": ("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
    "queue": ("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
}


@dataclass
class Released(Moving):
    """A bench as a release, and what a test needs to move it. `bench` is the one in the pods."""

    objects: Objects = None  # type: ignore[assignment]
    kubelet: Kubelet = None  # type: ignore[assignment]
    folder: Path = None  # type: ignore[assignment]

    @property
    def state_dir(self) -> Path:
        return self.folder / "config/benchfly"

    @property
    def url(self) -> str:
        """Of the Service of gunicorn."""
        return f"http://127.0.0.1:{self.kubelet.port}"

    def load(self, enqueues: float, pages: float = 0, clears: float = 0) -> Load:
        load = Load(self.url, self.bench.root / "requests.jsonl", enqueues=enqueues, pages=pages, clears=clears)
        load.start()
        self.loads.append(load)
        return load

    def go_elsewhere(self) -> None:
        """Be another controller, which has nothing but the cluster, once the killed one's step in hand has ended."""
        deadline = time.monotonic() + 60
        while any(b"AnsiballZ" in _command_line(pid) for pid in self.orphans):
            assert time.monotonic() < deadline, "the killed controller's step does not end"
            time.sleep(0.2)
        self.folder = self.folder.with_name(f"{self.folder.name}-")
        self.variables["frappe_bench_path"] = str(self.folder)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while any(
            one.get("status", {}).get("readyReplicas") != one["spec"]["replicas"]
            for one in self.objects.list("deployments")
        ):
            assert time.monotonic() < deadline, "the pods do not get ready"
            time.sleep(0.2)

    def helm(self, *arguments: str, values: Object | None = None) -> str:
        command = ["helm", *arguments, "--namespace", NAMESPACE]
        stdin = json.dumps(values) if values is not None else None
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def values(self) -> Object:
        return json.loads(self.helm("get", "values", RELEASE, "--output", "json")) or {}

    def replicas(self) -> dict[str, int]:
        """Replicas that each Deployment asks for."""
        with self.objects.lock:
            return {name: one["spec"]["replicas"] for name, one in self.objects.kept["deployments"].items()}


@pytest.fixture
def values() -> Object:
    """What the release is installed with, beside its stores."""
    return {"worker": {"default": {"replicaCount": 2}}}


@pytest.fixture
def released(tmp_path: Path, values: Object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Released]:
    prepare_kubectl(monkeypatch, tmp_path)
    bench = StandinBench.lay_out(tmp_path / "standin")
    stores = {name: Server(tmp_path / name, *_POLICY[name[-5:]]) for name in STORES}
    with stores["cache"], stores["queue"], stores["former-cache"], stores["former-queue"]:
        config = bench.config() | {
            "bench_id": "shop",
            "redis_cache": stores["former-cache"].url,
            "redis_queue": stores["former-queue"].url,
            "redis_socketio": stores["former-queue"].url,
        }
        (bench.path / "sites/common_site_config.json").write_text(json.dumps(config, indent=1))
        objects = Objects()
        kubelet = Kubelet(bench, objects)
        api = serve(objects, kubelet.command)
        write_kubeconfig(api.server_address[1])
        inventory = tmp_path / "inventory.yml"
        folder = tmp_path / "shop"
        inventory.write_text(json.dumps(_inventory(bench, stores, folder)))
        variables = {"frappe_bench_canary": False, "frappe_bench_stop_timeout": 60}
        released = Released(bench, stores, inventory, variables, objects=objects, kubelet=kubelet, folder=folder)
        former = {purpose: stores[f"former-{purpose}"].url for purpose in ("cache", "queue")}
        try:
            released.helm(
                "install", RELEASE, "frappe/erpnext", "--values", "-", values={**values, "externalRedis": former}
            )
            released.wait_until_ready()
            yield released
        finally:
            for load in released.loads:
                load.stop()
            end(released.orphans)
            kubelet.end()
            api.shutdown()
            api.server_close()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def prepare_kubectl(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A helm first on PATH, and a kubectl that execs over WebSocket, which is from 1.31 on."""
    kubectl = shutil.which("kubectl")
    said = (
        subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=False).stdout
        if kubectl
        else ""
    )
    version = re.search(r"v1\.(\d+)", said)
    if not version or int(version.group(1)) < 31:
        pytest.skip("kubectl 1.31 or later is not installed")
    (folder / "bin").mkdir()
    (folder / "bin/helm").symlink_to(HELM)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    monkeypatch.setenv("KUBECACHEDIR", str(folder / "kubecache"))


def write_kubeconfig(port: int) -> None:
    cluster = {"name": "standin", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "standin", "context": {"cluster": "standin", "user": "nobody", "namespace": NAMESPACE}}
    users = [{"name": "nobody", "user": {}}]
    config: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": users}
    Path(os.environ["KUBECONFIG"]).write_text(
        json.dumps({**config, "contexts": [context], "current-context": "standin"})
    )


def _inventory(bench: StandinBench, stores: dict[str, Server], folder: Path) -> dict[str, Any]:
    listed = {
        f"new-{purpose}": {"engine": "redis", "memory": "512mb", "purpose": purpose, "port": stores[purpose].port}
        for purpose in ("cache", "queue")
    }
    variables = {
        "frappe_bench_name": "shop",
        "frappe_bench_local_facts": False,
        "frappe_bench_path": str(folder),
        "frappe_bench_python": str(bench.env.python),
        "frappe_bench_process_manager": "kubernetes",
        "frappe_bench_kubernetes_namespace": NAMESPACE,
        "frappe_bench_kubernetes_release": RELEASE,
        "frappe_bench_kubernetes_chart": "frappe/erpnext",
        "frappe_bench_kubernetes_timeout": 120,
        "frappe_bench_cache_store": "new-cache",
        "frappe_bench_queue_store": "new-queue",
    }
    host = {"localhost": {"ansible_connection": "local", "stores": listed}}
    benches = {"shop": {"hosts": {"localhost": {}}, "vars": variables}}
    return {"all": {"children": {"stores": {"hosts": host}, "benches": {"children": benches}}}}
