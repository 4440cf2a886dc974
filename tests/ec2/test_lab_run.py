"""A lab from its beginning to its end against moto's server, with this machine in place of the hosts."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ec2.fleet import operator
from tests.ec2.labs import BED, Account, benchfly, cloud, environment, standins, start

__all__ = ["cloud"]  # a fixture

pytestmark = [pytest.mark.stores, pytest.mark.lab]
# The smallest that is still a benchmark.
SMALL = ("--scale", "0.01", "--workload", "frappe-site")
SHORT = '{"benchmark_rounds": 1, "benchmark_rounds_most": 1, "benchmark_seconds": 1, "benchmark_twin": false}'


@pytest.fixture
def standin_hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    with standins() as variables:
        yield variables


def test_up_run_down(
    cloud: Account, standin_hosts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = operator("s3", "us-east-1")
    s3.create_bucket(Bucket="results")
    monkeypatch.setenv("BENCHFLY_S3", "s3://results/labs")

    code, said, _ = benchfly(capsys, "lab", "up", *BED, "--yes", "--json")
    up = json.loads(said)
    assert code == 0 and [each["state"] for each in up["instances"]] == ["running"] * 2
    assert {each["group"]: each["type"] for each in up["instances"]} == {
        "stores": "c7g.medium",
        "load_generators": "c7g.2xlarge",
    }

    given = ("--lab", up["lab"], *SMALL, "--tuning", "untuned", "-e", f"@{standin_hosts}", "-e", SHORT)
    code, said, errors = benchfly(capsys, "lab", "run", *given, "--json")
    ran = json.loads(said)
    assert code == 0, errors + said
    (one,) = ran["benchmarks"]
    assert (one["tuning"], one["workload"], one["status"]) == ("untuned", "frappe-site", "ok")
    kept = {each["Key"] for each in s3.list_objects_v2(Bucket="results")["Contents"]}
    assert f"labs/runs/{one['run']}/benchmark.json" in kept
    # What stands in for Dragonfly is never taken for it.
    column = next(claim for claim in ran["claims"]["claims"] if claim["id"] == "throughput-summary")["columns"][0]
    assert column["verdict"] == "cannot be judged here"
    assert column["why"].startswith("the claim is about Redis and Dragonfly; measured were redis")

    code, said, _ = benchfly(capsys, "lab", "down", up["lab"], "--yes")
    assert code == 0 and f"{up['lab']} is gone" in said
    assert cloud.left() == {}


def test_a_lab_that_is_built_for_a_run_goes_with_it(
    cloud: Account, standin_hosts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ("-e", f"@{standin_hosts}", "-e", "store_service_supervisor_socket=/nowhere/supervisor.sock")
    code, said, errors = benchfly(capsys, "lab", "run", *BED, *SMALL, *broken, "--yes")
    assert code == 4, said + errors
    assert "2 benchmarks: frappe-site, untuned; frappe-site, tuned." in said
    assert "/nowhere/supervisor.sock" in errors and "Not every benchmark came to its end" in errors
    assert cloud.front.changes().count("RunInstances") == 2 and cloud.left() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped(
    number: signal.Signals, cloud: Account, standin_hosts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start("lab", "run", *BED, *SMALL, "-e", f"@{standin_hosts}", "-e", "lab_booted=/nowhere", "--yes")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "home/runs").glob("*-lab-*/ansible.log")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    assert cloud.left()["key pairs"] and len(cloud.left()["instances"]) == 2
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    if number == signal.SIGTERM:
        assert process.returncode == 130, said
    else:
        assert cloud.left() != {}
        code, said, _ = benchfly(capsys, "lab", "sweep", "--all", "--yes")
        assert code == 0 and " is gone." in said
    assert cloud.left() == {}
