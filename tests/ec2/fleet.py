"""A fleet of instances in an account, tagged as docs/ec2.md says: stores, benches of several hosts, load generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from tests.ec2.recorder.sitecustomize import OWN

FLEET = "prod"
PASSWORD = "/benchfly/store_password"
Tags = Mapping[str, str]


def bench(name: str, **more: str) -> Tags:
    tags = {"Name": name, "benchfly:group": "benches", "benchfly:bench": name}
    stores = {f"frappe_bench_{purpose}_store": f"{name}-{purpose}" for purpose in ("cache", "queue")}
    return {**tags, **{f"benchfly:{variable}": value for variable, value in {**stores, **more}.items()}}


def store(bench: str, purpose: str, port: int, more: str = "memory=1gb") -> Tags:
    return {f"benchfly:store:{bench}-{purpose}": f"purpose={purpose} port={port} {more}".strip()}


def stores(*benches: str) -> Tags:
    """A host with the cache and the queue of each of those benches."""
    tags: dict[str, str] = {"Name": "stores", "benchfly:group": "stores"}
    for number, name in enumerate(benches):
        tags |= {**store(name, "cache", 6380 + 2 * number), **store(name, "queue", 6381 + 2 * number)}
    return tags


GENERATOR: Tags = {"Name": "load", "benchfly:group": "load_generators"}


def of(size: int) -> Iterator[Tags]:
    """The tags of that many instances: of ten, eight have two benches, one their stores, and one makes load."""
    for number in range(0, size, 10):
        names = f"bench{number}", f"bench{number + 1}"
        yield stores(*names)
        yield GENERATOR
        yield from (bench(name) for name in names for _ in range(4))


def operator(service: str, region: str, account: str = "") -> Any:
    """A client of whoever made what is in the account, before benchfly came."""
    client = boto3.client(service, region, aws_access_key_id=OWN, aws_secret_access_key="testing")

    def elsewhere(request: Any, **_: Any) -> None:
        request.headers["x-moto-account-id"] = account

    if account:
        client.meta.events.register("before-send", elsewhere)
    return client


def launch(fleet: list[Tags], region: str, type_name: str = "r7g.large", account: str = "") -> list[str]:
    """Instances with those tags, as a Terraform or an operator would launch them; their ids."""
    ec2 = operator("ec2", region, account)
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["arm64", "x86_64"]}])["Images"][0][
        "ImageId"
    ]
    made = ec2.run_instances(ImageId=image, InstanceType=type_name, MinCount=len(fleet), MaxCount=len(fleet))
    ids = [each["InstanceId"] for each in made["Instances"]]
    for one, tags in zip(ids, fleet, strict=True):
        given = [{"Key": key, "Value": value} for key, value in {"benchfly:fleet": FLEET, **tags}.items()]
        ec2.create_tags(Resources=[one], Tags=given)
    return ids


def keep_password(region: str, value: str = "a-password-in-parameter-store") -> str:
    operator("ssm", region).put_parameter(Name=PASSWORD, Value=value, Type="SecureString", Overwrite=True)
    return value
