"""What of a release speaks against a move is named; asked of the stand-in API by the real kubectl."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.gate.release import findings
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO
from ansible_collections.benchfly.stores.plugins.module_utils.helm_release import chart_of
from ansible_collections.benchfly.stores.plugins.module_utils.journal_copy import JournalCopy
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import (
    REPLICAS,
    ClusterError,
    Kubernetes,
    Release,
)
from ansible_collections.benchfly.stores.plugins.modules.bench_release import bring_journal
from tests.fleet.hosts.processes import ROOT
from tests.kubernetes.api import Object, Objects, serve
from tests.kubernetes.conftest import prepare_kubectl, write_kubeconfig

URLS = {"cache": "redis://10.0.0.9:11000", "queue": "redis://10.0.0.9:12000"}
WORKER = "shop-erpnext-worker-d"


class Cluster:
    """The stand-in API with a release in it, and no pods but one of gunicorn, whose commands say that all is well."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.release = Release("erp", "shop", "frappe/erpnext", "")

    def execute(self, _pod: str, _command: list[str]) -> list[str]:
        said = json.dumps({"answers": {"cache": "", "queue": "TimeoutError: timed out"}, "rq": "1.15.1"})
        return [sys.executable, "-c", f"import sys; assert 'redis://' in sys.stdin.read(); print({said!r})"]

    def install(self, **values: Object) -> None:
        self.release.helm("install", "shop", "frappe/erpnext", "--values", "-", stdin=json.dumps(values).encode())
        template = self.objects.get("deployments", "shop-erpnext-gunicorn")["spec"]["template"]
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        metadata = {"name": "web", "labels": dict(template["metadata"]["labels"])}
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template["spec"], "status": ready}
        self.objects.create("pods", pod)

    def refusals(self, urls: dict[str, str] = URLS, resuming: bool = False) -> list[str]:
        return [found.text for found in findings(self.release, urls, resuming) if found.verdict == NO]

    def notes(self) -> list[str]:
        return [found.text for found in findings(self.release, URLS, False) if found.verdict != NO]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    prepare_kubectl(monkeypatch, tmp_path)
    cluster = Cluster()
    api = serve(cluster.objects, cluster.execute)
    write_kubeconfig(api.server_address[1])
    yield cluster
    api.shutdown()
    api.server_close()


def test_a_release_as_the_chart_makes_it_may_move_where_its_pods_reach_the_stores(cluster: Cluster) -> None:
    cluster.install()
    [unreached] = cluster.refusals()
    assert "a pod of gunicorn does not reach the new queue at 10.0.0.9:12000: TimeoutError" in unreached
    assert cluster.notes() == []


def test_what_would_undo_or_break_the_move_is_named(cluster: Cluster) -> None:
    values = {"replicaCount": 2, "envVars": [{"name": "FRAPPE_REDIS_QUEUE", "value": "redis://elsewhere"}]}
    cluster.install(worker={"default": values}, jobs={"dropSite": {"enabled": True}})
    labels = {"helm.toolkit.fluxcd.io/name": "shop"}
    cluster.objects.patch("deployments", WORKER, {"metadata": {"labels": labels}, "spec": {"replicas": 5}})
    scaled = {"metadata": {"name": "d"}, "spec": {"scaleTargetRef": {"name": WORKER}}}
    cluster.objects.create("scaledobjects", {"kind": "ScaledObject", "apiVersion": "keda.sh/v1alpha1", **scaled})
    said = "\n".join(cluster.refusals({**URLS, "queue": "redis://:secret@10.0.0.9:12000"}))
    for part in (
        "jobs.dropSite.enabled is true",
        f"{WORKER} has 5 replicas, and the release's values say 2",
        "ScaledObject d of KEDA would start shop-erpnext-worker-d",
        "is owned by Flux (suspend its HelmRelease)",
        "sets FRAPPE_REDIS_QUEUE",
        f"the health probe of {WORKER} hands externalRedis to wait-for-it",
    ):
        assert part in said
    assert "secret" not in said
    assert not any("replicas, and" in text for text in cluster.refusals(resuming=True))


def test_autoscalers_that_rest_at_0_are_noted_and_others_refused(cluster: Cluster) -> None:
    cluster.install(worker={"default": {"autoscaling": {"enabled": True}}})
    scaler = {"metadata": {"name": "d"}, "spec": {"scaleTargetRef": {"name": WORKER}, "minReplicas": 1}}
    kind = {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2"}
    cluster.objects.create("horizontalpodautoscalers", {**kind, **scaler})
    assert cluster.notes() == [f"HorizontalPodAutoscaler d rests while {WORKER} has 0 replicas, and goes on after"]
    cluster.objects.patch("horizontalpodautoscalers", "d", {"spec": {"minReplicas": 0}})
    assert any("HorizontalPodAutoscaler d starts" in text for text in cluster.refusals())


def test_another_chart_is_refused(cluster: Cluster) -> None:
    cluster.install()
    other = Release("erp", "shop", "other/erpnext", "")
    assert any("is version 9.9.9, and 8.0.75 is installed" in found.text for found in findings(other, URLS, False))
    with pytest.raises(ClusterError, match="release: not found"):
        chart_of(Release("erp", "absent", "frappe/erpnext", ""))


def test_replicas_are_taken_away_and_given_back_in_one_step_each(cluster: Cluster) -> None:
    cluster.install(worker={"default": {"replicaCount": 3}})
    manager = Kubernetes(cluster.release, "shop")
    for _ in range(2):  # a run that resumes does it again
        manager.stop(f"shop-workers:{WORKER}")
        stopped = cluster.objects.get("deployments", WORKER)
        assert (stopped["spec"]["replicas"], stopped["metadata"]["annotations"]) == (0, {REPLICAS: "3"})
    for _ in range(2):
        manager.start(f"shop-workers:{WORKER}")
        started = cluster.objects.get("deployments", WORKER)
        assert (started["spec"]["replicas"], started["metadata"]["annotations"]) == (3, {})


def test_the_journal_in_the_namespace_is_written_by_one_controller_at_a_time(cluster: Cluster, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        cluster.release.remember(folder)
        assert JournalCopy(folder, cluster.release).read() is None
    source, target = {"redis_queue": "redis://:pass@a:1"}, {"redis_queue": "redis://b:1"}
    Journal(one).begin("1", "migrate", source, target)
    with pytest.raises(BenchError, match="was written by somebody else"):
        Journal(other).begin("2", "migrate", source, target)
    content = JournalCopy(other, cluster.release).read()
    assert content == (one / "journal.json").read_bytes()
    (other / "journal.json").write_bytes(content)
    Journal(other).finish()
    with pytest.raises(BenchError, match="was written by somebody else"):
        Journal(one).finish()


def test_a_look_leaves_the_journal_alone_that_a_step_on_this_host_is_writing(cluster: Cluster, tmp_path: Path) -> None:
    cluster.release.remember(tmp_path)
    bring_journal(cluster.release, tmp_path)
    journal = Journal(tmp_path)
    journal.begin("1", "migrate", {"redis_queue": "redis://a:1"}, {"redis_queue": "redis://b:1"})
    files = [tmp_path / name for name in ("journal.json", "journal.version")]
    with journal.phase("Sweep", "stores"):
        written = [path.stat().st_ino for path in files]
        bring_journal(cluster.release, tmp_path)
        assert [path.stat().st_ino for path in files] == written
    content = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    bring_journal(cluster.release, tmp_path)
    assert [path.read_bytes() for path in files] == content


def test_a_move_that_cannot_write_its_journal_says_why(cluster: Cluster, tmp_path: Path) -> None:
    Release("erp", "shop", "frappe/erpnext", "absent").remember(tmp_path)
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/common_site_config.json").write_text('{"redis_queue": "redis://a:1"}')
    asked = {"path": str(tmp_path), "state_dir": str(tmp_path), "urls": {"queue": "redis://b:1"}}
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "benchfly.stores.bench_move"]
    done = subprocess.run([*command, "-a", json.dumps(asked)], cwd=ROOT, capture_output=True, text=True, check=False)
    said = " ".join(done.stdout.split())
    assert f'{tmp_path}: kubectl create: error: context "absent" does not exist' in said, said + done.stderr
    assert done.returncode != 0 and "Traceback" not in said


def test_errors_of_kubectl_are_told_without_passwords(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match=r"kubectl get: .*NotFound"):
        cluster.release.get("deployment", "absent")
    with pytest.raises(ClusterError) as told:
        cluster.release.kubectl("get", "redis://:secret@host")
    assert "secret" not in str(told.value)
