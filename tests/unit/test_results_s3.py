"""A bucket over real HTTP (moto's server), the commands around results, and what is said where it does not go well."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.unit.test_results_benchmarks import cli_json, home, stored

from benchfly import cli
from benchfly.cli import report
from benchfly.errors import RefusedError, ResultsError
from benchfly.results import Run, benchmarks, records, s3
from benchfly.results.s3 import Bucket

__all__ = ["home"]  # a fixture


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def bucket(endpoint: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv(s3.VARIABLE, "s3://results/team/benchfly/")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="results")
    found = Bucket.configured()
    assert found and str(found) == "s3://results/team/benchfly"
    return found


def test_rows_come_back_as_they_are_here(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    run = stored()
    code, pushed = cli_json(capsys, "results", "push", run.id)
    assert code == 0 and f"team/benchfly/trials/run={run.id}/rows.jsonl" in pushed["keys"]
    bucket.push(run.id, run.folder)  # again is as once
    there = [row for row in bucket.rows("trials") if row["run"] == run.id]
    assert len(there) == 40
    with pytest.raises(SystemExit, match="0"):
        cli.main(["results", "export", "trials", "--format", "json", "--run", run.id])
    assert json.loads(capsys.readouterr().out) == there
    with pytest.raises(SystemExit, match="0"):
        cli.main(["results", "export", "comparisons", "--bucket", "--run", run.id])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["metric"] for row in rows] == ["ops_per_second", "p50_ms", "p95_ms", "p99_ms"]
    whole = boto3.client("s3").get_object(Bucket="results", Key=f"team/benchfly/runs/{run.id}/benchmark.json")
    assert whole["Body"].read() == (run.folder / "benchmark.json").read_bytes()


def test_a_benchmark_is_kept_here_when_the_bucket_is_not_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    monkeypatch.setenv(s3.VARIABLE, "s3://nowhere")
    (said,) = report._pushed(run)
    assert "Kept here alone: s3://nowhere: There is no such bucket. Make it, or correct BENCHFLY_S3." in said.plain
    assert f"`benchfly results push {run.id}` tries again" in said.plain
    monkeypatch.setenv(s3.VARIABLE, "s3://results")
    assert report._pushed(run)[0].plain == "In the bucket: s3://results"
    monkeypatch.delenv(s3.VARIABLE)
    assert report._pushed(run) == []


def test_a_foreign_file_in_the_bucket_is_named(bucket: Bucket) -> None:
    client = boto3.client("s3")
    for name, body in (("cut", b'{"run": "a'), ("list", b"[]")):
        key = f"team/benchfly/comparisons/run={name}/rows.jsonl"
        client.put_object(Bucket="results", Key=key, Body=body)
        with pytest.raises(ResultsError, match=f"s3://results/{key}: line 1 is no"):
            list(bucket.rows("comparisons"))
        client.delete_object(Bucket="results", Key=key)


@pytest.fixture
def answering(
    request: pytest.FixtureRequest, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[int]]:
    """An endpoint that gives every request the same answer; the number of requests so far."""
    status, code = request.param
    seen: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(status)
            body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    yield seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answering", "said", "requests"),
    [
        ((403, "AccessDenied"), "Access is denied. The credentials need s3:PutObject", 1),
        ((403, "InvalidAccessKeyId"), "The access key is unknown", 1),
        ((503, "SlowDown"), "It asks for fewer requests, after 4 attempts", 4),
    ],
    indirect=["answering"],
)
def test_denied_and_throttled(answering: list[int], said: str, requests: int) -> None:
    with pytest.raises(ResultsError, match=rf"^s3://b/p: {said}"):
        list(Bucket("b", "p").rows("trials"))
    assert len(answering) == requests


def test_no_credentials_and_nobody_there(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(ResultsError, match=r"s3://b does not answer: .*Check the network"):
        list(Bucket("b", "").rows("trials"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ResultsError, match=r"there are no credentials\. Log in"):
        list(Bucket("b", "").rows("trials"))


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
