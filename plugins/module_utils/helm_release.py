"""Changes a release's stores by helm, and brings to this host what a move has to know of its bench."""

from __future__ import annotations

import io
import json
import tarfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError, replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import Release, group_of
from ansible_collections.benchfly.stores.plugins.module_utils.release_values import held, rerun_jobs, undone, with_urls

# Where the chart mounts the volume of the sites; Frappe names the queues after it, unless bench_id is pinned.
BENCH_PATH = "/home/frappe/frappe-bench"
_CONFIGURE = "-conf-bench-"  # in the name of the chart's configure job
_FILES = "sites/common_site_config.json sites/*/site_config.json apps/*/*/__init__.py apps/*/*/hooks.py"
# What a move has to know; other keys, with their passwords, stay in the cluster.
_COMMON = ("redis_", "bench_id", "default_site", "use_rq_auth", "rq_")
_SITE = ("db_name", "redis_")


def web_pod(release: Release) -> str:
    """A pod of gunicorn that is ready. Raises BenchError when there is none."""
    for deployment, pods in release.deployments():
        if deployment["metadata"]["name"].endswith("-gunicorn"):
            ready = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]
            if ready:
                return str(ready[0]["metadata"]["name"])
    raise BenchError(
        f"release {release.name} in namespace {release.namespace} has no pod of gunicorn that is ready. Are "
        "frappe_bench_kubernetes_namespace and frappe_bench_kubernetes_release right?"
    )


def in_pod(release: Release, pod: str, *command: str, stdin: bytes = b"") -> bytes:
    """What a command in the gunicorn container prints."""
    options = ["--stdin"] if stdin else []
    return release.kubectl("exec", pod, *options, "--container", "gunicorn", "--", *command, stdin=stdin)


def bring_files(release: Release, path: Path) -> None:
    """Write to `path`, the bench's folder on this host, what a move reads of the one in the pods, and nothing else."""
    pod = web_pod(release)
    # ls names what is there and complains of the patterns that match nothing.
    script = f"cd {BENCH_PATH} && tar -chf - $(ls -d {_FILES} 2>/dev/null)"
    archive = in_pod(release, pod, "sh", "-c", script)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for entry in files:
            content = files.extractfile(entry)
            if content is None or entry.name.startswith("/") or ".." in Path(entry.name).parts:
                continue
            target = path / entry.name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(target, _reduced(entry.name, content.read()), mode=0o600)


def _reduced(name: str, content: bytes) -> bytes:
    if not name.endswith(".json"):
        return content
    keys = _SITE if name.endswith("site_config.json") and name.count("/") > 1 else _COMMON
    try:
        config = json.loads(content)
    except ValueError as error:
        raise BenchError(f"{BENCH_PATH}/{name} in the pods is not valid JSON ({error})") from error
    kept = {key: value for key, value in config.items() if key.startswith(keys)}
    if keys is _COMMON:
        kept.setdefault("bench_id", BENCH_PATH.strip("/").replace("/", "-"))
    return json.dumps(kept, indent=1).encode()


def values_of(release: Release) -> dict[str, Any]:
    """What was given to helm for this release, without the chart's own defaults."""
    return json.loads(release.helm("get", "values", release.name, "--output", "json")) or {}


def chart_of(release: Release) -> str:
    """Version of the chart that is installed. Raises BenchError when the release is of another chart, or busy."""
    shown = json.loads(release.helm("get", "metadata", release.name, "--output", "json"))
    if shown["chart"] != "erpnext":
        raise BenchError(
            f"release {release.name} in namespace {release.namespace} is of chart {shown['chart']}; benchfly knows "
            "erpnext of github.com/frappe/helm"
        )
    if shown["status"].startswith("pending"):
        record = f"sh.helm.release.v1.{release.name}.v{shown['revision']}"
        raise BenchError(
            f"release {release.name} is {shown['status']}: helm is at work, or was killed. Then delete its record "
            f"(kubectl -n {release.namespace} delete secret {record}) and run the same verb again"
        )
    return str(shown["version"])


def obstacles(release: Release) -> list[str]:
    """Why an upgrade of the release would change more than its stores."""
    found = [
        f"jobs.{name}.enabled is true in the release's values, so an upgrade would run that job again; set it to false "
        "by an upgrade of your own first"
        for name in rerun_jobs(values_of(release))
    ]
    installed = chart_of(release)
    shown = release.helm("show", "chart", release.chart, "--version", installed).decode()
    versions = [line.partition(":")[2].strip() for line in shown.splitlines() if line.startswith("version:")]
    if versions != [installed]:
        found.append(
            f"{release.chart} is version {', '.join(versions)}, and {installed} is installed: the upgrade would change "
            "more than the stores. Set frappe_bench_kubernetes_chart to the one that is installed"
        )
    return found


class ReleaseMove:
    """The open move of a release, as far as helm does it.

    The journal's move gets `release: {external: [undo], held: [undo]}`: how the stores, and what holds the consumers
    back, are taken out of the values again (`release_values`).
    """

    def __init__(self, release: Release, bench: Bench, journal: Journal, timeout: float) -> None:
        self._release, self._bench, self._journal, self._timeout = release, bench, journal, timeout

    def switch(self) -> bool:
        """Name the move's stores in the release and in the configuration; whether that was still to do.

        The consumers have no replicas in these values, so helm starts none.
        """
        values = values_of(self._release)
        wanted, record = self._wanted(values)
        if wanted == values and self._is_configured():
            return False
        wanted, undos = held(wanted)
        record["held"] = record["held"] or undos  # one that was cut short knows what the values were before
        self._journal.open["release"] = record
        self._journal.wrote(self._bench.common_site_config)  # from here on the move cannot be forgotten
        self._upgrade(wanted)
        if not self._is_configured():
            raise BenchError(
                "the configure job has ended, but common_site_config.json in the volume does not name the new stores. "
                "Do jobs.configure.args or envVars of the release's values say otherwise?"
            )
        self._journal.wrote(self._bench.common_site_config)
        return True

    def settle(self) -> bool:
        """Give the consumers their replicas back in the release's values; whether that was still to do."""
        record = self._journal.open.get("release", {})
        if not record.get("held"):
            return False
        self._upgrade(undone(values_of(self._release), record["held"]))
        record["held"] = []
        self._journal.save()
        return True

    def _wanted(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values after the switch, and what the journal is to remember of it."""
        moves = self._journal.moves
        records = [move["release"] for move in moves if "release" in move]
        still = deepcopy(records[-1]["held"]) if records else []
        if self._journal.open["verb"] == "rollback":
            taken_back = moves[-2].get("release", {"external": []}) if len(moves) > 1 else {"external": []}
            return undone(values, taken_back["external"]), {"external": [], "held": still}
        wanted, external = with_urls(values, self._urls())
        if wanted == values:  # a move that was cut short has set them
            external = next((record["external"] for record in reversed(records) if record["external"]), [])
        return wanted, {"external": external, "held": still}

    def _urls(self) -> dict[str, str]:
        """By purpose, what the open move changes."""
        move = self._journal.open
        keys = {"cache": "redis_cache", "queue": "redis_queue"}
        return {purpose: move["to"][key] for purpose, key in keys.items() if move["from"].get(key) != move["to"][key]}

    def _is_configured(self) -> bool:
        """Whether the configuration in the volume names the move's stores; what is on this host is brought up to it."""
        bring_files(self._release, self._bench.path)
        config = self._bench.config()
        return all(config.get(key) == url for key, url in self._journal.open["to"].items())

    def _upgrade(self, values: dict[str, Any]) -> None:
        """Give the release exactly these values, and wait until its configure job has ended."""
        release, before = self._release, self._configure_job()
        command = ["upgrade", release.name, release.chart, "--version", chart_of(release), "--reset-values"]
        options = ["--values", "-", "--timeout", f"{self._timeout:g}s"]
        release.helm(*command, *options, stdin=json.dumps(values).encode(), timeout=self._timeout + 30)
        deadline = time.monotonic() + self._timeout
        while True:
            job = self._configure_job()
            status = job.get("status", {})
            done = {one["type"] for one in status.get("conditions", []) if one.get("status") == "True"}
            name = job.get("metadata", {}).get("name", "")
            if name and name != before.get("metadata", {}).get("name") and "Complete" in done:
                return
            if "Failed" in done or time.monotonic() > deadline:
                raise BenchError(
                    f"the configure job {name or 'of the release'} did not succeed within {self._timeout:g} s, so the "
                    f"configuration may name either store; `kubectl logs job/{name}` says why. Then run the same verb "
                    "again"
                )
            time.sleep(1)

    def _configure_job(self) -> dict[str, Any]:
        jobs = self._release.get("jobs", "--selector", f"app.kubernetes.io/instance={self._release.name}")["items"]
        mine = [job for job in jobs if _CONFIGURE in job["metadata"]["name"]]
        return max(mine, key=lambda job: str(job["metadata"]["creationTimestamp"]), default={})


def consumers(release: Release) -> list[dict[str, Any]]:
    """The Deployments of workers and scheduler."""
    return [deployment for deployment, _ in release.deployments() if group_of(deployment) == "workers"]


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
