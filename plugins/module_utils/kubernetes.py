"""A bench's Deployments in Kubernetes, as the chart `erpnext` of github.com/frappe/helm names them (8.0.75)."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import read_json_object, replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process, ProcessManager

RELEASE = "release.json"  # in the folder of the journal: which release it is about
# On a Deployment whose replicas were taken away: how many it had.
REPLICAS = "benchfly/replicas"
# Ends of the Deployments' names, and the bench's group that each would be in under supervisord.
GROUPS = {"-gunicorn": "web", "-socketio": "web", "-scheduler": "workers", "-worker-[dls]": "workers"}
_FRAPPE = "app.kubernetes.io/app=frappe"
_PATIENCE = 60  # seconds that one command may take, unless it is told to wait


class ClusterError(OSError):
    """kubectl or helm refused or did not answer; the message is theirs, without passwords."""


@dataclass(frozen=True)
class Release:
    """A release of the chart, and the kubectl context that leads to it (empty: the current one)."""

    namespace: str
    name: str
    chart: str
    context: str

    @classmethod
    def of(cls, state_dir: Path) -> Release | None:
        """The release that the journal in that folder is about; None on a host with a bench of its own."""
        path = state_dir / RELEASE
        return cls(**read_json_object(path)) if path.exists() else None

    def remember(self, state_dir: Path) -> None:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(state_dir / RELEASE, json.dumps(asdict(self), indent=1).encode(), mode=0o600)

    def kubectl(self, *arguments: str, stdin: bytes = b"", timeout: float = _PATIENCE) -> bytes:
        """What kubectl answers. Raises ClusterError."""
        where = ["--namespace", self.namespace, *(["--context", self.context] if self.context else [])]
        return _run("kubectl", [*arguments[:1], *where, *arguments[1:]], stdin, timeout)

    def helm(self, *arguments: str, stdin: bytes = b"", timeout: float = _PATIENCE) -> bytes:
        """What helm answers. Raises ClusterError."""
        where = ["--namespace", self.namespace, *(["--kube-context", self.context] if self.context else [])]
        return _run("helm", [*arguments, *where], stdin, timeout)

    def get(self, kind: str, *arguments: str) -> Any:
        """Objects as the API has them."""
        return json.loads(self.kubectl("get", kind, *arguments, "--output", "json"))

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> Any:
        """Merge `change` into an object, in one step of the API; the object as it is then.

        Over standard input: a change may hold passwords.
        """
        arguments = (kind, name, "--type", "merge", "--patch-file", "/dev/stdin", "--output", "json")
        return json.loads(self.kubectl("patch", *arguments, stdin=json.dumps(change).encode()))

    def deployments(self) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """The bench's Deployments, each with its pods."""
        pods = self.get("pods", "--selector", _FRAPPE)["items"]
        found = self.get("deployments", "--selector", f"app.kubernetes.io/instance={self.name}")["items"]
        return [(one, _pods_of(one, pods)) for one in found if group_of(one)]


class Kubernetes(ProcessManager):
    """The Deployments of one release, each as one process that runs when all of its pods do.

    A process's name is `<group of the bench>:<Deployment>`: `shop-workers:shop-erpnext-worker-d`. Raises ClusterError.
    """

    rolls = True
    interval = 1  # the API has others to serve
    apart = 0  # pods start on hosts of their own

    def __init__(self, release: Release, bench: str) -> None:
        self.release, self._bench = release, bench

    def processes(self) -> list[Process]:
        return [
            Process(f"{self._bench}-{group_of(one)}:{one['metadata']['name']}", state(one, pods), 0, 0)
            for one, pods in self.release.deployments()
        ]

    def stop(self, name: str) -> None:
        """Take the replicas away and note how many they were, in one step; the pods get TERM and their grace period."""
        deployment = self.release.get("deployment", _deployment(name))
        replicas = deployment["spec"].get("replicas", 1)
        if replicas:
            change = {"metadata": {"annotations": {REPLICAS: str(replicas)}}, "spec": {"replicas": 0}}
            self.release.patch("deployment", _deployment(name), change)

    def start(self, name: str) -> None:
        deployment = self.release.get("deployment", _deployment(name))
        noted = deployment["metadata"].get("annotations", {}).get(REPLICAS)
        if noted:
            change = {"metadata": {"annotations": {REPLICAS: None}}, "spec": {"replicas": int(noted)}}
            self.release.patch("deployment", _deployment(name), change)

    def roll(self, name: str, timeout: float) -> None:
        """Replace every pod, none before its successor is ready."""
        deployment = self.release.get("deployment", _deployment(name))
        strategy = deployment["spec"].get("strategy", {})
        rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
        before = {
            "strategy": {"rollingUpdate": {"maxUnavailable": strategy.get("rollingUpdate", {}).get("maxUnavailable")}}
        }
        meanwhile = {"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # What `kubectl rollout restart` writes, but with the strategy that the bench needs.
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": moment}}}
        self.release.patch(
            "deployment", _deployment(name), {"spec": {**(meanwhile if rolling else {}), "template": template}}
        )
        late = self.wait({name}, {"RUNNING"}, timeout)
        if rolling:
            self.release.patch("deployment", _deployment(name), {"spec": before})
        if late:
            raise ClusterError(
                f"deployment {_deployment(name)} was not replaced within {timeout:g} s; `kubectl get pods` and "
                "`kubectl describe` say why. Run the same verb again when it is, it resumes"
            )


def state(deployment: dict[str, Any], pods: list[dict[str, Any]]) -> str:
    """In supervisor's words. A Deployment without replicas is stopped when its last pod is gone, not before."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    if not wanted:
        return "STOPPING" if pods else "STOPPED"
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = {status.get(count, 0) for count in ("replicas", "updatedReplicas", "readyReplicas")}
    return "RUNNING" if seen and counts == {wanted} else "STARTING"


def group_of(deployment: dict[str, Any]) -> str:
    """Which group of the bench a Deployment belongs to; empty for one that talks to no store, and for subcharts'."""
    name = deployment["metadata"]["name"]
    labels = deployment["spec"]["template"]["metadata"].get("labels", {})
    if _FRAPPE.partition("=")[2] != labels.get(_FRAPPE.partition("=")[0]):
        return ""
    return next((group for end, group in GROUPS.items() if re.search(f"{end}$", name)), "")


def _pods_of(deployment: dict[str, Any], pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of its pods that are not over: an evicted one stays listed."""
    wanted = deployment["spec"]["selector"]["matchLabels"].items()
    mine = [pod for pod in pods if wanted <= pod["metadata"].get("labels", {}).items()]
    return [pod for pod in mine if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")]


def _deployment(name: str) -> str:
    return name.partition(":")[2]


def _run(program: str, arguments: list[str], stdin: bytes, timeout: float) -> bytes:
    try:
        done = subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{program} {arguments[0]} did not answer within {timeout:g} s") from error
    except FileNotFoundError as error:
        raise ClusterError(
            f"there is no {program} on this host's PATH; install it where the bench is moved from"
        ) from error
    if done.returncode:
        said = re.sub(r"://[^@/\s]*@", "://***@", done.stderr.decode(errors="replace").strip())
        raise ClusterError(f"{program} {arguments[0]}: {said}")
    return done.stdout
