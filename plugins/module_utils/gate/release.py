"""What of a release of the chart erpnext speaks against a move, or would undo it. Reads the cluster only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import redact
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import library_version
from ansible_collections.benchfly.stores.plugins.module_utils.gate.bench import Finding
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE
from ansible_collections.benchfly.stores.plugins.module_utils.helm_release import (
    BENCH_PATH,
    consumers,
    in_pod,
    obstacles,
    web_pod,
)
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import ClusterError, Release

# Labels and annotations of who else gives a release its values.
OWNERS = {
    "helm.toolkit.fluxcd.io/name": "Flux (suspend its HelmRelease)",
    "argocd.argoproj.io/tracking-id": "Argo CD (turn its automated sync off)",
    "argocd.argoproj.io/instance": "Argo CD (turn its automated sync off)",
}
CONSUMERS = {"-worker-d": "default", "-worker-s": "short", "-worker-l": "long", "-scheduler": "scheduler"}
PAUSED = "autoscaling.keda.sh/paused"
# Asks the stores from a pod. The URLs come over standard input, since they hold passwords.
_PING = """
import json, sys, redis, rq
answers = {}
for purpose, url in json.load(sys.stdin).items():
    try:
        redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5).ping()
        answers[purpose] = ""
    except Exception as error:
        answers[purpose] = "%s: %s" % (type(error).__name__, error)
print(json.dumps({"answers": answers, "rq": rq.VERSION}))
"""


def findings(release: Release, urls: dict[str, str], resuming: bool) -> list[Finding]:
    """All that was found; `urls` are those of the new stores, by purpose."""
    return [
        *(Finding(NO, text) for text in obstacles(release)),
        *([] if resuming else _replicas(release)),
        *_scalers(release),
        *_pods(release, urls),
        *_reach(release, urls),
    ]


def _replicas(release: Release) -> Iterator[Finding]:
    """Helm gives each consumer what the values say; where that is fewer than there are, jobs would be killed."""
    values = json.loads(release.helm("get", "values", release.name, "--all", "--output", "json"))
    for deployment in consumers(release):
        name = deployment["metadata"]["name"]
        worker = values["worker"][next(value for end, value in CONSUMERS.items() if name.endswith(end))]
        wanted, replicas = worker["replicaCount"], deployment["spec"].get("replicas", 1)
        if not (worker.get("autoscaling") or {}).get("enabled") and wanted != replicas:
            text = f"{name} has {replicas} replicas, and the release's values say {wanted}, which an upgrade sets again"
            yield Finding(NO, f"{text}; make them equal first")


def _scalers(release: Release) -> Iterator[Finding]:
    names = {deployment["metadata"]["name"] for deployment in consumers(release)}
    for one in _listed(release, "horizontalpodautoscalers"):
        target, name = one["spec"]["scaleTargetRef"]["name"], one["metadata"]["name"]
        if target in names and one["spec"].get("minReplicas", 1) == 0:
            yield Finding(NO, f"HorizontalPodAutoscaler {name} starts {target} from 0; give it minReplicas 1 meanwhile")
        elif target in names:
            yield Finding(
                NOTE, f"HorizontalPodAutoscaler {name} rests while {target} has 0 replicas, and goes on after"
            )
    for one in _listed(release, "scaledobjects.keda.sh"):
        target, name = one["spec"]["scaleTargetRef"]["name"], one["metadata"]["name"]
        annotations = one["metadata"].get("annotations", {})
        if target in names and annotations.get(PAUSED) != "true":
            text = f"ScaledObject {name} of KEDA would start {target} in the midst of the move"
            yield Finding(NO, f"{text}; pause it: kubectl annotate scaledobject {name} {PAUSED}=true")


def _listed(release: Release, kind: str) -> list[dict[str, Any]]:
    """Objects of a kind; none where the cluster has no such kind."""
    try:
        return list(release.get(kind)["items"])
    except ClusterError as error:
        if "doesn't have a resource type" in str(error) or "could not find the requested resource" in str(error):
            return []
        raise


def _pods(release: Release, urls: dict[str, str]) -> Iterator[Finding]:
    for deployment, _ in release.deployments():
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]["spec"]
        marks = {**deployment["metadata"].get("labels", {}), **deployment["metadata"].get("annotations", {})}
        for mark, owner in OWNERS.items():
            if mark in marks:
                yield Finding(NO, f"{name} is owned by {owner}, which would put the former values back")
        variables = [entry["name"] for one in template["containers"] for entry in one.get("env", [])]
        for variable in variables:
            if variable.startswith("FRAPPE_REDIS_"):
                yield Finding(NO, f"{name} sets {variable}, which overrides the configuration; remove it from envVars")
        claims = [volume for volume in template.get("volumes", []) if volume["name"] == "sites-dir"]
        if not any("persistentVolumeClaim" in volume for volume in claims):
            yield Finding(NO, f"{name} has no volume for its sites, so the configure job's file would reach nobody")
        probes = json.dumps([[one.get("livenessProbe"), one.get("readinessProbe")] for one in template["containers"]])
        odd = [purpose for purpose, url in urls.items() if not _is_plain(url)]
        if odd and "wait-for-it" in probes:
            yield Finding(
                NO,
                f"the health probe of {name} hands externalRedis to wait-for-it, which takes host:port only, and the "
                f"URL of {', '.join(odd)} has more (a password, TLS, a database). Override worker.*.livenessProbe and "
                "readinessProbe in the release's values first",
            )


def _is_plain(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "redis" and "@" not in parts.netloc and parts.path in ("", "/")


def _reach(release: Release, urls: dict[str, str]) -> Iterator[Finding]:
    python = f"{BENCH_PATH}/env/bin/python"
    said = in_pod(release, web_pod(release), python, "-c", _PING, stdin=json.dumps(urls).encode())
    answer = json.loads(said)
    here = library_version("rq")
    if here and here != answer["rq"]:
        yield Finding(
            NOTE, f"the pods have rq {answer['rq']}, and this host {here}; install theirs in frappe_bench_python"
        )
    for purpose, error in answer["answers"].items():
        if error:
            yield Finding(NO, f"a pod of gunicorn does not reach the new {purpose} at {redact(urls[purpose])}: {error}")
