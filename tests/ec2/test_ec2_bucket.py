"""Several controllers have one bucket: none overwrites another's run, and each reads the history of all."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ec2.conftest import REGION
from tests.ec2.fleet import operator
from tests.unit.test_results_benchmarks import cli_json, home, stored

from benchfly import cli
from benchfly.cli.bucket import kept_in_bucket
from benchfly.errors import RefusedError
from benchfly.results import Run, s3
from benchfly.results.database import begin, find
from benchfly.results.s3 import Bucket

__all__ = ["home"]  # a fixture

ADDRESS = "s3://history/fleet"
CONTROLLERS, RUNS = 4, 3


@pytest.fixture
def bucket(account: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv(s3.VARIABLE, ADDRESS)
    operator("s3", "us-east-1").create_bucket(Bucket="history")
    yield Bucket.named(ADDRESS, "")


def controller(folder: Path) -> None:
    """What one controller does: some runs, each put there as it ends."""
    sys.stdout = (folder / "said").open("w")  # its own, not that of the test
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHFLY_HOME", str(folder))
        patch.setattr("platform.node", lambda: folder.name)
        for _ in range(RUNS):
            kept_in_bucket(stored())


def test_several_controllers_at_once(bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"controller{number}" for number in range(CONTROLLERS)]
    for name in names:
        (tmp_path / name).mkdir()
    processes = [
        multiprocessing.get_context("fork").Process(target=controller, args=(tmp_path / name,)) for name in names
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * CONTROLLERS
    there = bucket.records("benchmark", limit=100)
    assert sorted(name for _, name in there) == sorted(names * RUNS)
    rows = list(bucket.rows("trials"))
    assert len(rows) == 40 * CONTROLLERS * RUNS and len({row["run"] for row in rows}) == CONTROLLERS * RUNS

    code, listed = cli_json(capsys, "results", "list", "--from", ADDRESS, "--limit", "5")
    assert code == 0 and [each["id"] for each in listed["runs"]] == [record.id for record, _ in there][:5]
    assert all(each["status"] == "ok" and each["controller"] in names for each in listed["runs"])
    wanted = there[-1][0].id
    code, shown = cli_json(capsys, "results", "show", wanted.rpartition("-")[2], "--from", ADDRESS)
    assert code == 0 and shown["run"] == {"id": wanted, "controller": there[-1][1], "outcome": {"status": "ok"}}
    assert cli_json(capsys, "results", "show", "none", "--from", ADDRESS)[0] == 6
    with pytest.raises(SystemExit, match="0"):
        cli.main(["results", "--from", ADDRESS])
    assert "controller3" in capsys.readouterr().out
    assert cli_json(capsys, "results", "list", "--from", ADDRESS, "--verb", "migrate")[1]["runs"] == []


def test_a_run_of_another_controller_is_not_overwritten(
    bucket: Bucket, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stored()
    assert bucket.push(run) == bucket.push(run)  # again is as once
    before = {entry["Key"] for entry in operator("s3", REGION).list_objects_v2(Bucket="history")["Contents"]}
    monkeypatch.setenv("BENCHFLY_HOME", str(home.with_name("other")))
    monkeypatch.setattr("platform.node", lambda: "other")
    other = stored()
    other.folder.rename(other.folder.with_name(run.id))
    begin(run.id, "benchmark", find(other.id).started)
    said = rf"(?s)runs/{run.id}/run.json is of another controller.*{run.id} is kept here alone"
    with pytest.raises(RefusedError, match=said):
        bucket.push(Run.open(run.id))
    assert {entry["Key"] for entry in operator("s3", REGION).list_objects_v2(Bucket="history")["Contents"]} == before


def test_every_object_is_encrypted(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    client = operator("s3", REGION)
    for key, wanted in (("", "AES256"), (f"arn:aws:kms:{REGION}:123456789012:key/1", "aws:kms")):
        monkeypatch.setenv(s3.KEY, key)
        for name in bucket.push(stored()):
            head = client.head_object(Bucket="history", Key=name)
            assert head["ServerSideEncryption"] == wanted and head.get("SSEKMSKeyId", "") == key


def test_a_bucket_is_made_as_documented(
    account: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = operator("s3", REGION)
    monkeypatch.setenv(s3.VARIABLE, "s3://made-here/team")
    assert cli_json(capsys, "results", "bucket", "--region", REGION)[0] == 3  # nobody to ask
    for days in (30, 90):  # again is as once, but for what was asked for
        code, made = cli_json(capsys, "results", "bucket", "--region", REGION, "--days", str(days), "--yes")
        assert (code, made["bucket"]) == (0, "s3://made-here/team")
        if days == 30:
            rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
            rules = client.get_bucket_lifecycle_configuration(Bucket="made-here")["Rules"]
            client.put_bucket_lifecycle_configuration(
                Bucket="made-here", LifecycleConfiguration={"Rules": [*rules, rule]}
            )
    monkeypatch.setenv(s3.VARIABLE, "s3://made-here/other")
    assert cli_json(capsys, "results", "bucket", "--region", REGION, "--days", "7", "--yes")[0] == 0
    assert set(client.get_public_access_block(Bucket="made-here")["PublicAccessBlockConfiguration"].values()) == {True}
    encryption = client.get_bucket_encryption(Bucket="made-here")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    rules = {rule["ID"]: rule for rule in client.get_bucket_lifecycle_configuration(Bucket="made-here")["Rules"]}
    assert rules["theirs"]["Expiration"] == {"Days": 1}
    # Of two teams in one bucket each has its own.
    owned = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for name, rule in rules.items() if name != "theirs"}
    assert owned == {"team/runs/": 90, "other/runs/": 7}


def test_a_foreign_run_in_the_bucket_is_named(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    client = operator("s3", REGION)
    for body in (b"", b"{", b"[]", json.dumps({"id": "x"}).encode()):
        client.put_object(Bucket="history", Key="fleet/runs/20260101-000000-migrate-aaaa/run.json", Body=body)
        code, failed = cli_json(capsys, "results", "list", "--from", ADDRESS)
        assert code == 6 and "benchfly did not write" in failed["message"]
