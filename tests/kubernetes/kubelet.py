"""What a cluster would do with the objects of the stand-in API: pods are processes of a stand-in bench on this machine.

A Deployment gets as many pods as it asks for; a changed template replaces them one by one, the next before the last; a
pod that goes gets TERM, and KILL when its grace period is over; a container that ends is started again; a Service sends
connections to a pod of gunicorn that is ready and stays. The configure job sets the keys that the chart's sets.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo.standin import StandinBench
from demo.standin.processes import free_ports
from tests.kubernetes.api import Object, Objects
from tests.orphans import descendants

# Where the chart mounts the sites; here that is the stand-in bench.
BENCH_PATH = "/home/frappe/frappe-bench"
_COMMANDS = {
    "socketio": ["-m", "frappe.realtime.server"],
    "scheduler": ["-m", "frappe.utils.bench_helper", "frappe", "schedule"],
    "worker-d": ["-m", "frappe.utils.bench_helper", "frappe", "worker", "--queue", "default"],
    "worker-s": ["-m", "frappe.utils.bench_helper", "frappe", "worker", "--queue", "short"],
    "worker-l": ["-m", "frappe.utils.bench_helper", "frappe", "worker", "--queue", "long"],
}
_SETTLE = 0.5  # seconds until a process without a port counts as ready


@dataclass
class Pod:
    """One pod: its container's process, and where it listens if it is one of gunicorn."""

    name: str
    deployment: str
    template: str
    process: subprocess.Popen[bytes]
    port: int
    started: float = field(default_factory=time.monotonic)
    told: float = 0  # when it was told to go; 0 when it stays
    termed: bool = False  # whether it got TERM

    @property
    def ready(self) -> bool:
        if self.told or self.process.poll() is not None:
            return False
        if not self.port:
            return time.monotonic() - self.started > _SETTLE
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Kubelet:
    """Runs what the objects ask for until it is ended."""

    def __init__(self, bench: StandinBench, objects: Objects, grace: float = 30) -> None:
        self.bench, self.objects, self.grace = bench, objects, grace
        self.pods: list[Pod] = []
        self.killed: list[str] = []  # pods that outstayed their grace period
        self.port = free_ports(1)[0]
        self._count, self._ending = 0, threading.Event()
        self._service = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._reconcile, self._serve)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ending.set()
        self._threads[0].join()
        self._service.close()
        for pod in self.pods:
            _kill(pod.process)

    def command(self, _pod: str, command: list[str]) -> list[str]:
        """What a command in a pod is on this machine."""
        return [word.replace(BENCH_PATH, str(self.bench.path)) for word in command]

    # -- Deployments and jobs --------------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        while not self._ending.wait(0.1):
            with self.objects.lock:
                for deployment in list(self.objects.kept["deployments"].values()):
                    self._scale(deployment)
                for job in list(self.objects.kept["jobs"].values()):
                    self._configure(job)
                self._go(time.monotonic())
                self._show()

    def _scale(self, deployment: Object) -> None:
        name = deployment["metadata"]["name"]
        wanted = deployment["spec"].get("replicas", 1)
        template = hashlib.sha256(json.dumps(deployment["spec"]["template"]).encode()).hexdigest()
        mine = [pod for pod in self.pods if pod.deployment == name and not pod.told]
        new = [pod for pod in mine if pod.template == template]
        old = [pod for pod in mine if pod.template != template]
        ready = sum(pod.ready for pod in new)
        if len(new) < wanted and len(mine) <= wanted:  # one more than wanted at most
            new.append(self._start(name, template))
        for pod in [*old[: max(0, len(old) + ready - wanted)], *new[wanted:]]:
            pod.told = time.monotonic()
        for pod in new:
            if pod.process.poll() is not None and not pod.told:  # restartPolicy: Always
                pod.process, pod.started = self._run(name, pod.port), time.monotonic()
        left = [pod for pod in self.pods if pod.deployment == name and not pod.told]
        status = {
            "replicas": len(left),
            "updatedReplicas": sum(pod.template == template for pod in left),
            "readyReplicas": sum(pod.ready for pod in left),
            "observedGeneration": deployment["metadata"]["generation"],
        }
        if deployment.get("status") != status:
            deployment["status"] = status
            self.objects.touch(deployment)

    def _go(self, now: float) -> None:
        for pod in [pod for pod in self.pods if pod.told]:
            if now - pod.told > 0.3 and not pod.termed:  # no connection is sent there any more
                pod.termed = True
                pod.process.terminate()
            if now - pod.told > self.grace and pod.process.poll() is None:
                self.killed.append(pod.name)
                _kill(pod.process)
            if pod.process.poll() is not None:
                self.pods.remove(pod)

    def _start(self, deployment: str, template: str) -> Pod:
        self._count += 1
        port = free_ports(1)[0] if deployment.endswith("-gunicorn") else 0
        pod = Pod(f"{deployment}-{self._count}", deployment, template, self._run(deployment, port), port)
        self.pods.append(pod)
        return pod

    def _run(self, deployment: str, port: int) -> subprocess.Popen[bytes]:
        bench = self.bench.path
        python = str(bench / "env/bin/python")
        if port:
            bind = ["-b", f"127.0.0.1:{port}", "-w", "1", "--threads", "4", "--graceful-timeout", "30", "--preload"]
            command = [str(bench / "env/bin/gunicorn"), *bind, "frappe.app:application"]
        else:
            ends = [end for end in _COMMANDS if deployment.endswith(f"-{end}")]
            command = [python, *_COMMANDS[ends[0]]] if ends else ["sleep", "infinity"]  # nginx
        with (bench / "logs/pods.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=bench / "sites",
                env=self.bench.env.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _show(self) -> None:
        shown = self.objects.kept["pods"]
        for name in set(shown) - {pod.name for pod in self.pods}:
            self.objects.delete("pods", name)
        for pod in self.pods:
            template = self.objects.kept["deployments"][pod.deployment]["spec"]["template"]
            if pod.name not in shown:
                labels = dict(template["metadata"]["labels"])
                created = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": pod.name, "labels": labels}}
                self.objects.create("pods", {**created, "spec": template["spec"], "status": {}})
            ready = {"type": "Ready", "status": str(pod.ready)}
            shown[pod.name]["status"] = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready]}
            if pod.told:
                shown[pod.name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    def _configure(self, job: Object) -> None:
        """One key at a time, as `bench set-config` does."""
        if "status" in job:
            return
        job["status"] = {}
        env = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        keys = {"redis_cache": "REDIS_CACHE", "redis_queue": "REDIS_QUEUE", "redis_socketio": "REDIS_QUEUE"}
        threading.Thread(target=self._set_config, args=(job, {key: env[name] for key, name in keys.items()})).start()

    def _set_config(self, job: Object, values: dict[str, str]) -> None:
        path = self.bench.path / "sites/common_site_config.json"
        for key, value in values.items():
            _replace(path, {**json.loads(path.read_text()), key: value})
            time.sleep(0.3)
        with self.objects.lock:
            job["status"] = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}

    # -- the Service of gunicorn -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._service.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        deadline = time.monotonic() + 10
        with client:
            while time.monotonic() < deadline:
                for pod in [pod for pod in list(self.pods) if pod.port and not pod.told]:
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", pod.port), 30) as server:
                        back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
                        back.start()
                        _pipe(client, server)
                        back.join()
                        return
                time.sleep(0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """All of a container, as when its grace period is over."""
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _replace(path: Path, config: dict[str, object]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(config, indent=1))
    part.replace(path)
