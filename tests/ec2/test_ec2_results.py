"""A bucket over real HTTP (moto's server), the commands around results, and what is said where it does not go well."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.ec2.conftest import REGION
from tests.ec2.fleet import operator
from tests.unit.test_results_benchmarks import cli_json, home, stored

from benchfly import cli
from benchfly.cli.bucket import kept_in_bucket
from benchfly.errors import AwsDeniedError, RefusedError, ResultsError
from benchfly.results import Run, benchmarks, records, s3
from benchfly.results.s3 import Bucket

__all__ = ["home"]  # a fixture


@pytest.fixture
def bucket(account: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv(s3.VARIABLE, "s3://results/team/benchfly/")
    operator("s3", "us-east-1").create_bucket(Bucket="results")
    found = Bucket.configured()
    assert found and str(found) == "s3://results/team/benchfly"
    return found


def test_rows_come_back_as_they_are_here(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    run = stored()
    code, pushed = cli_json(capsys, "results", "push", run.id)
    assert code == 0 and f"team/benchfly/trials/run={run.id}/rows.jsonl" in pushed["keys"]
    bucket.push(run)  # again is as once
    there = [row for row in bucket.rows("trials") if row["run"] == run.id]
    assert len(there) == 40
    with pytest.raises(SystemExit, match="0"):
        cli.main(["results", "export", "trials", "--format", "json", "--run", run.id])
    assert json.loads(capsys.readouterr().out) == there
    with pytest.raises(SystemExit, match="0"):
        cli.main(["results", "export", "comparisons", "--from", "s3://results/team/benchfly", "--run", run.id])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["metric"] for row in rows] == ["ops_per_second", "p50_ms", "p95_ms", "p99_ms"]
    whole = operator("s3", REGION).get_object(Bucket="results", Key=f"team/benchfly/runs/{run.id}/benchmark.json")
    assert whole["Body"].read() == (run.folder / "benchmark.json").read_bytes()


def test_a_benchmark_is_kept_here_when_the_bucket_is_not_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    monkeypatch.setenv(s3.VARIABLE, "s3://nowhere")
    said = kept_in_bucket(run)
    assert "Kept here alone: s3://nowhere: s3 refused PutObject (NoSuchBucket): " in str(said)
    assert f"`benchfly results push {run.id}` tries again" in str(said)
    monkeypatch.setenv(s3.VARIABLE, "s3://results")
    assert kept_in_bucket(run) and str(kept_in_bucket(run)) == "In the bucket: s3://results"
    monkeypatch.delenv(s3.VARIABLE)
    assert kept_in_bucket(run) is None


def test_a_foreign_file_in_the_bucket_is_named(bucket: Bucket) -> None:
    client = operator("s3", REGION)
    for name, body in (("cut", b'{"run": "a'), ("list", b"[]")):
        key = f"team/benchfly/comparisons/run={name}/rows.jsonl"
        client.put_object(Bucket="results", Key=key, Body=body)
        with pytest.raises(ResultsError, match=f"s3://results/{key}: line 1 is no"):
            list(bucket.rows("comparisons"))
        client.delete_object(Bucket="results", Key=key)


@pytest.mark.parametrize("answering", [(403, "AccessDenied")], indirect=True)
def test_a_bucket_that_may_not_be_read(answering: list[int]) -> None:
    with pytest.raises(AwsDeniedError, match=r"^s3://b/p: s3 refused ListObjectsV2 \(AccessDenied\): as told\. "):
        list(Bucket("b", "p").rows("trials"))
    assert len(answering) == 1


def test_what_is_no_address_of_a_bucket(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for given in ("results", "https://results", "s3://"):
        monkeypatch.setenv(s3.VARIABLE, given)
        with pytest.raises(RefusedError, match="Give it as s3://bucket"):
            Bucket.configured()
    monkeypatch.delenv(s3.VARIABLE)
    assert Bucket.configured() is None
    code, refused = cli_json(capsys, "results", "push", stored().id)
    assert code == 3 and "No bucket is configured" in refused["message"]


def test_prune_keeps_what_is_said_and_asks(capsys: pytest.CaptureFixture[str]) -> None:
    runs, unfinished, move = [stored() for _ in range(3)], Run.create("benchmark", {}), Run.create("migrate", {})
    move.finish({"status": "ok"})
    code, refused = cli_json(capsys, "results", "prune", "--keep", "1")
    assert code == 3 and "nobody to ask" in refused["message"]
    code, pruned = cli_json(capsys, "results", "prune", "--keep", "1", "--days", "1", "--yes")
    assert pruned["removed"] == []
    listed = [record.id for record in records("benchmark", limit=-1)]
    code, pruned = cli_json(capsys, "results", "prune", "--keep", "1", "--yes")
    expected = {each for each in listed[1:] if each != unfinished.id}
    assert code == 0 and set(pruned["removed"]) == expected and len(expected) >= 2
    assert {record.id for record in records(limit=-1)} == {listed[0], unfinished.id, move.id}
    assert not any(run.folder.exists() for run in runs if run.id in expected)
    assert not any(benchmarks.trials(each) for each in expected)
