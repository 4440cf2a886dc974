"""Whatever AWS says, or does not say, comes out as an error of benchfly that names the call and the remedy."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from tests.ec2 import fleet
from tests.ec2.conftest import REGION

from benchfly import aws
from benchfly.aws import clients
from benchfly.errors import (
    AwsCredentialsError,
    AwsDeniedError,
    AwsError,
    AwsNotFoundError,
    AwsRegionError,
    AwsThrottledError,
)


def instances(region: str | None = None) -> None:
    with aws.client("ec2", region=region, what="the fleet") as ec2:
        ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"])


@pytest.mark.parametrize(
    ("answering", "kind", "said", "requests"),
    [
        ((403, "UnauthorizedOperation"), AwsDeniedError, "`benchfly aws policy` prints what they need", 1),
        ((401, "AuthFailure"), AwsCredentialsError, "wrong or have expired", 1),
        ((400, "RequestExpired"), AwsCredentialsError, "Log in again", 1),
        ((401, "OptInRequired"), AwsRegionError, "another region", 1),
        ((400, "InvalidPlacementGroup.Unknown"), AwsNotFoundError, "no such thing", 1),
        ((400, "InsufficientInstanceCapacity"), AwsError, "as told", 1),
        ((503, "RequestLimitExceeded"), AwsThrottledError, "asks for fewer requests", clients.ATTEMPTS),
    ],
    indirect=["answering"],
)
def test_refusals(answering: list[int], kind: type[AwsError], said: str, requests: int) -> None:
    with pytest.raises(AwsError, match=r"^the fleet: ec2 refused DescribeInstances \([\w.]+\): as told\.") as raised:
        instances()
    assert type(raised.value) is kind
    assert said in str(raised.value) and not str(raised.value).endswith("..")
    assert len(answering) == requests


def test_what_does_not_exist(account: str) -> None:
    with pytest.raises(
        AwsNotFoundError, match=r"the fleet: ec2 refused DescribeInstances \(InvalidInstanceID.NotFound\)"
    ):
        instances()


def test_a_server_that_says_nothing_is_not_waited_for(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "READ", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(AwsError, match=r"the fleet does not answer: Read timeout.*Check the network"):
            instances()
    assert time.monotonic() - begun >= 0.2 * clients.ATTEMPTS  # it was tried so often


def test_no_credentials_no_profile_no_region(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(AwsError, match="the fleet does not answer: Could not connect"):
        instances()
    with pytest.raises(AwsRegionError, match="there is no region eu-central-9 for ec2"):
        instances("eu-central-9")
    with pytest.raises(AwsRegionError, match="no region is chosen"):
        instances("here, please")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(AwsRegionError, match=r"no region is chosen\. Set AWS_REGION"):
        instances()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsCredentialsError, match=r"there are no credentials\. Log in"):
        instances()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(AwsCredentialsError, match=r"there are no credentials\. Log in"):
        instances()
    monkeypatch.setenv("AWS_PROFILE", "production")
    with pytest.raises(AwsCredentialsError, match=r"production.* could not be found\. Correct AWS_PROFILE"):
        instances()


def test_a_profile_may_assume_a_role(account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    role = "arn:aws:iam::210987654321:role/benchfly"
    config.write_text(f"[profile other]\nrole_arn = {role}\ncredential_source = Environment\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    (instance,) = fleet.launch([fleet.GENERATOR], REGION, account="210987654321")
    with aws.client("ec2", profile="other") as ec2:
        found = ec2.describe_instances()["Reservations"]
        assert ec2.meta.region_name == REGION  # AWS_REGION wins, as with AWS's own tools
    assert [one["InstanceId"] for each in found for one in each["Instances"]] == [instance]
