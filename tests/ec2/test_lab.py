"""Labs against moto's server: built, found, removed, and never left behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.ec2.front import Call
from tests.ec2.labs import BED, Account, begin, benchfly, cloud

from benchfly.aws import policy
from benchfly.lab.tags import Label

__all__ = ["cloud"]  # a fixture

Capsys = pytest.CaptureFixture[str]
CHANGES = [
    "ImportKeyPair",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "CreatePlacementGroup",
    "RunInstances",
    "RunInstances",
]
REMOVALS = ["TerminateInstances", "DeleteSecurityGroup", "DeletePlacementGroup", "DeleteKeyPair"]


def built(capsys: Capsys, *words: str) -> dict[str, Any]:
    code, said, errors = benchfly(capsys, "lab", "up", *BED, *words, "--yes", "--json")
    assert code == 0, errors + said
    lab: dict[str, Any] = json.loads(said)
    return lab


def test_what_is_built(cloud: Account, capsys: Capsys) -> None:
    lab = built(capsys, "--load-type", "c7g.medium", "--load-hosts", "2", "--hours", "3")
    assert cloud.front.changes() == CHANGES
    made = cloud.left()
    assert {kind: len(found) for kind, found in made.items()} == {
        "instances": 3,
        "volumes": 3,
        "interfaces": 3,
        "security groups": 2,  # and that of the VPC
        "key pairs": 1,
        "placement groups": 1,
    }
    instances = [one for each in cloud.ec2.describe_instances()["Reservations"] for one in each["Instances"]]
    assert len({one["Placement"]["AvailabilityZone"] for one in instances}) == 1
    assert {one["MetadataOptions"]["HttpTokens"] for one in instances} == {"required"}
    (call, other) = (call.parameters for call in cloud.front.calls if call.action == "RunInstances")
    for asked in (call, other):
        assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"
        assert asked["BlockDeviceMapping.1.Ebs.VolumeType"] == "gp3"
        assert asked["BlockDeviceMapping.1.Ebs.Encrypted"] == "true"
        assert asked["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true"
        assert asked["Placement.GroupName"] == f"benchfly-{lab['lab']}"
    assert call["ClientToken"] != other["ClientToken"]
    group = next(
        each for each in cloud.ec2.describe_security_groups()["SecurityGroups"] if each["GroupName"] != "default"
    )
    inside, outside = sorted(group["IpPermissions"], key=lambda rule: rule["IpProtocol"])
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [group["GroupId"]] and not inside["IpRanges"]
    assert (outside["FromPort"], outside["ToPort"], outside["UserIdGroupPairs"]) == (22, 22, [])
    assert [block["CidrIp"] for block in outside["IpRanges"]] == ["203.0.113.7/32"]
    for tags in [*(one["Tags"] for one in instances), group["Tags"], *_tags_of_volumes(cloud)]:
        said = {tag["Key"]: tag["Value"] for tag in tags}
        assert said["benchfly:lab"] == lab["lab"] and said["benchfly:owner"].startswith("arn:aws:")
        assert said["benchfly:created"] == lab["created"] and said["benchfly:expires"] == lab["expires"]
    life = datetime.fromisoformat(lab["expires"]) - datetime.fromisoformat(lab["created"])
    assert life == timedelta(hours=3)
    benchfly(capsys, "lab", "down", lab["lab"], "--yes")
    assert cloud.left() == {}


def _tags_of_volumes(cloud: Account) -> list[Any]:
    return [volume["Tags"] for volume in cloud.ec2.describe_volumes()["Volumes"]]


def test_its_inventory_is_read(cloud: Account, capsys: Capsys) -> None:
    lab = built(capsys, "--store-type", "c7g.2xlarge", "--engines", "valkey,dragonfly")
    folder = Path(lab["inventory"]).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.glob("*") if path.suffix != ".pub"} == {
        "key": 0,
        "hosts.yml": 0,
    }
    for tuning, threads in (("untuned", [1, 8]), ("tuned", [4, 4])):
        words = ("inventory", "-i", lab["inventory"], "-e", f"lab_tuning={tuning}", "--json")
        code, said, errors = benchfly(capsys, *words)
        assert code == 0, errors + said
        stores = json.loads(said)["stores"]
        assert [stores[name]["spec"]["threads"] for name in ("valkey", "dragonfly")] == threads
    # Where nothing is found of it, it may be up elsewhere.
    code, said, _ = benchfly(capsys, "lab", "down", lab["lab"], "--region", "us-east-1", "--yes")
    assert code == 0 and "in this region" in said and (folder / "key").exists()
    code, said, _ = benchfly(capsys, "lab", "down", lab["lab"], "--yes")
    assert "has cost $0.0" in said and "besides volumes and traffic (AWS's price API, " in said
    assert not folder.exists()


def test_two_labs_and_what_is_said_of_them(cloud: Account, capsys: Capsys) -> None:
    one, other = built(capsys), built(capsys, "--spot", "--private")
    code, said, _ = benchfly(capsys, "lab", "status", "--json")
    assert code == 0 and [each["lab"] for each in json.loads(said)["labs"]] == [one["lab"], other["lab"]]
    code, said, _ = benchfly(capsys, "lab", "status")
    assert one["lab"] in said and "user/moto" in said
    assert benchfly(capsys, "lab", "sweep", "--yes")[1].strip() == "There is nothing to remove."
    code, _, errors = benchfly(capsys, "lab", "down", one["lab"])
    assert code == 3 and "nobody to ask" in errors

    past = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    for instance in one["instances"]:
        cloud.ec2.create_tags(Resources=[instance["id"]], Tags=[{"Key": "benchfly:expires", "Value": past}])
    code, said, _ = benchfly(capsys, "lab", "sweep", "--all-regions", "--yes", "--json")
    assert code == 0 and [each["lab"] for each in json.loads(said)["removed"]] == [one["lab"]]
    assert len(cloud.left()["instances"]) == 2

    assert benchfly(capsys, "lab", "down", other["lab"], "--yes")[0] == 0
    code, said, _ = benchfly(capsys, "lab", "down", other["lab"], "--yes")
    assert (code, said.strip()) == (0, f"Nothing is left of {other['lab']} in this region.")
    assert cloud.left() == {}


def test_a_tag_that_names_no_lab_removes_nothing(cloud: Account, tmp_path: Path, capsys: Capsys) -> None:
    """Anybody may tag something; what stands there is a pattern for EC2, and a path on the controller."""
    key = tmp_path / "home/labs/lab-0123ab/key"
    key.parent.mkdir(parents=True)
    key.touch()
    label = Label("lab-0123ab", datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1), "me")
    for lab in (label, *(replace(label, lab=text, expires=label.created) for text in ("*", "", "../labs"))):
        (specification,) = lab.specifications("volume")
        cloud.ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8, TagSpecifications=[specification])
    volumes = cloud.left()["volumes"]
    assert benchfly(capsys, "lab", "sweep", "--yes")[:2] == (0, "There is nothing to remove.\n")
    assert cloud.left()["volumes"] == volumes and key.exists()


def test_its_policy_is_what_it_calls(cloud: Account, recorded: Callable[[], set[str]], capsys: Capsys) -> None:
    lab, now = built(capsys, "--spot"), datetime.now(UTC)
    (specification,) = Label(lab["lab"], now, now, "me").specifications("volume")
    cloud.ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8, TagSpecifications=[specification])
    assert benchfly(capsys, "lab", "status", "--all-regions")[0] == 0
    assert benchfly(capsys, "lab", "down", lab["lab"], "--yes")[0] == 0
    assert recorded() == {call.call for call in policy.uses()["lab"].calls if not call.by}


@pytest.mark.lab
@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_controller_killed_while_it_builds(number: int, cloud: Account, capsys: Capsys) -> None:
    """It dies when AWS has done what it asked for, and before it hears of that."""
    _killed_at(cloud, number, "lab", "up", *BED, "--yes")
    assert cloud.front.changes() == CHANGES[: number + 1] and cloud.left() != {}
    assert benchfly(capsys, "lab", "sweep", "--yes")[1].strip() == "There is nothing to remove."  # its time is not over
    code, said, errors = benchfly(capsys, "lab", "sweep", "--all", "--yes")
    assert code == 0, errors + said
    assert cloud.left() == {}


def test_the_price_comes_first(cloud: Account, capsys: Capsys) -> None:
    code, said, errors = benchfly(capsys, "lab", "up", *BED, "--hours", "4")
    assert code == 3 and "builds hosts that cost money, and there is nobody to ask" in " ".join(errors.split())
    assert "It costs $1.25 an hour, $5.00 at most, besides volumes and traffic" in said
    cloud.front.prices.clear()
    _, said, _ = benchfly(capsys, "lab", "up", *BED)
    assert "What it costs is not known: no price known of c7g.2xlarge and c7g.medium." in said
    assert cloud.front.changes() == []


@pytest.mark.lab
@pytest.mark.parametrize("number", range(len(REMOVALS)))
def test_a_controller_killed_while_it_removes(number: int, cloud: Account, capsys: Capsys) -> None:
    lab = built(capsys)
    cloud.front.calls.clear()
    _killed_at(cloud, number, "lab", "down", lab["lab"], "--yes")
    assert cloud.front.changes() == REMOVALS[: number + 1]
    code, said, errors = benchfly(capsys, "lab", "sweep", "--all", "--yes")
    assert code == 0, errors + said
    assert cloud.left() == {}


def _killed_at(cloud: Account, number: int, *words: str) -> None:
    """Run a command whose process ends with its change of that number."""
    process = begin(*words)

    def reached(call: Call) -> bool:
        return not call.reads and len(cloud.front.changes()) > number

    cloud.front.kill_after = lambda call: process.pid if reached(call) else None
    process.join(120)
    cloud.front.kill_after = lambda call: None
    assert process.exitcode == -signal.SIGKILL


CAPACITY = ("InsufficientInstanceCapacity", "We currently do not have sufficient c7g.2xlarge capacity.")


@pytest.mark.parametrize(
    ("action", "code", "message", "exit_code", "said"),
    [
        ("ImportKeyPair", "UnauthorizedOperation", "You are not authorized.", 7, "benchfly aws policy"),
        ("CreatePlacementGroup", "RequestLimitExceeded", "Request limit exceeded.", 7, "AWS asks for fewer requests"),
        ("RunInstances", *CAPACITY, 3, "in eu-central-1a (InsufficientInstanceCapacity), eu-central-1b"),
        ("RunInstances", "VcpuLimitExceeded", "You have requested more vCPU.", 3, "Ask for more in Service Quotas"),
        ("RunInstances", "MaxSpotInstanceCountExceeded", "Max spot instance count.", 3, "Service Quotas"),
        ("RunInstances", "SpotMaxPriceTooLow", "Your Spot request price is too low.", 3, "without --spot"),
        ("DescribeInstanceTypes", "InvalidInstanceType", "The following do not exist: [c7g.medium]", 7, "do not exist"),
    ],
)
def test_refusals_leave_nothing(
    action: str, code: str, message: str, exit_code: int, said: str, cloud: Account, capsys: Capsys
) -> None:
    cloud.front.refusals[action] = (code, message, 99)
    spot = ("--spot",) if "Spot" in code else ()
    ended, _, errors = benchfly(capsys, "lab", "up", *BED, *spot, "--yes")
    assert ended == exit_code and said in errors, errors
    assert cloud.left() == {}


def test_the_second_host_may_be_refused_too(cloud: Account, capsys: Capsys) -> None:
    """The first zone has a host for the stores and none for the load: both are launched in the next."""
    answer, launches = cloud.front.answer, []

    def second_refused(call: Any, forward: Any) -> tuple[int, bytes]:
        if call.action == "RunInstances":
            launches.append(call)
            if len(launches) == 2:
                cloud.front.refusals["RunInstances"] = (*CAPACITY, 1)
        return answer(call, forward)

    cloud.front.answer = second_refused  # type: ignore[method-assign]
    lab = built(capsys)
    assert {each["zone"] for each in lab["instances"] if each["state"] == "running"} == {"eu-central-1b"}
    assert len(launches) == 4
    benchfly(capsys, "lab", "down", lab["lab"], "--yes")
    assert cloud.left() == {}


def test_what_stays_is_named_and_one_lab_does_not_keep_another(cloud: Account, capsys: Capsys) -> None:
    one, other = built(capsys), built(capsys)
    cloud.front.refusals["DeleteKeyPair"] = ("UnauthorizedOperation", "You are not authorized.", 1)
    code, said, errors = benchfly(capsys, "lab", "sweep", "--all", "--yes")
    assert code == 7 and f"{one['lab']}: ec2 refused DeleteKeyPair" in errors and f"{other['lab']} is gone" in said
    assert cloud.left() == {"key pairs": [f"benchfly-{one['lab']}"]}
    assert benchfly(capsys, "lab", "down", one["lab"], "--yes")[0] == 0
    assert cloud.left() == {}


def test_no_default_vpc(cloud: Account, capsys: Capsys) -> None:
    subnets = cloud.ec2.describe_subnets()["Subnets"]
    (vpc,) = cloud.ec2.describe_vpcs()["Vpcs"]
    own = cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zone = {"AvailabilityZone": "eu-central-1b"}
    subnet = cloud.ec2.create_subnet(VpcId=own, CidrBlock="10.9.1.0/24", **zone)["Subnet"]["SubnetId"]
    for each in subnets:
        cloud.ec2.delete_subnet(SubnetId=each["SubnetId"])
    cloud.ec2.delete_vpc(VpcId=vpc["VpcId"])
    code, _, errors = benchfly(capsys, "lab", "up", *BED, "--yes")
    assert code == 3 and "There is no default VPC in eu-central-1. Name a subnet of yours with --subnet" in errors
    assert cloud.front.changes() == []
    lab = built(capsys, "--subnet", subnet, "--private")
    assert {each["zone"] for each in lab["instances"]} == {"eu-central-1b"}
    benchfly(capsys, "lab", "down", lab["lab"], "--yes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image", "debian-12"), "--ssh-from ADDRESS/32"),
        (("--ssh-from", "0.0.0.0/0"), "half the world"),
        (("--ssh-from", "me"), "no IPv4 network"),
        ((*BED, "--engines", "redis,keydb"), "there is no keydb. Engines are redis, valkey, dragonfly"),
        ((*BED, "--image", "debian-1"), "there is no debian-1. Images are debian-12"),
        ((*BED, "--hours", "0.1"), "has not even booted"),
        ((*BED, "--image", "debian-12"), "the image of debian-12: ssm refused GetParameter"),  # moto has none
    ],
)
def test_what_cannot_be_asked_for(words: tuple[str, ...], said: str, cloud: Account, capsys: Capsys) -> None:
    code, _, errors = benchfly(capsys, "lab", "up", *words, "--yes")
    assert code in (3, 7) and said in errors, errors
    assert cloud.front.changes() == []
