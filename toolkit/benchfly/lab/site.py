"""Where a lab can be, looked up before anything is made: machines, images, network. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchfly.aws import client
from benchfly.errors import RefusedError
from benchfly.lab.bed import Bed, Machine


@dataclass(frozen=True)
class Site:
    """machines and images by their names; root is an image's first device. subnets by zone, in the order to try."""

    region: str
    owner: str
    machines: Mapping[str, Machine]
    images: Mapping[str, str]  # processor -> image
    root: Mapping[str, str]  # image -> device
    vpc: str
    subnets: Mapping[str, str]

    @property
    def clusters(self) -> bool:
        """Whether all hosts may be put close together."""
        return all(machine.clusters for machine in self.machines.values())


def look(bed: Bed, ec2: Any) -> Site:
    """Raises RefusedError where there is no place for the bed."""
    if not bed.ssh_from:
        tell = "`curl https://checkip.amazonaws.com` tells by which address AWS knows this machine"
        raise RefusedError(f"Say who may log in: --ssh-from ADDRESS/32. {tell}.")
    region = ec2.meta.region_name
    with client("sts", region=region, what="who makes the lab") as sts:
        owner = sts.get_caller_identity()["Arn"]
    machines = _machines(ec2, list(bed.types()))
    images = _images(bed, {machine.architecture for machine in machines.values()}, region)
    described = ec2.describe_images(ImageIds=list(images.values()))["Images"]
    root = {image["ImageId"]: image["RootDeviceName"] for image in described}
    vpc, subnets = _network(bed, ec2, region)
    return Site(region, owner, machines, images, root, vpc, subnets)


def _images(bed: Bed, architectures: set[str], region: str) -> dict[str, str]:
    """Processor -> the newest image for it."""
    with client("ssm", region=region, what=f"the image of {bed.image}") as ssm:
        return {
            each: ssm.get_parameter(Name=bed.system.parameter_for(each))["Parameter"]["Value"]
            for each in sorted(architectures)
        }


def _machines(ec2: Any, types: list[str]) -> dict[str, Machine]:
    return {
        each["InstanceType"]: Machine(
            name=each["InstanceType"],
            # A type with two, such as i386 and x86_64, is taken at its wider.
            architecture="arm64" if "arm64" in each["ProcessorInfo"]["SupportedArchitectures"] else "x86_64",
            cpus=each["VCpuInfo"]["DefaultVCpus"],
            mib=each["MemoryInfo"]["SizeInMiB"],
            clusters="cluster" in each.get("PlacementGroupInfo", {}).get("SupportedStrategies", ()),
        )
        for each in ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    }


def _network(bed: Bed, ec2: Any, region: str) -> tuple[str, dict[str, str]]:
    """The VPC, and its subnets in zones that have all types."""
    if bed.subnet:
        (subnet,) = ec2.describe_subnets(SubnetIds=[bed.subnet])["Subnets"]
        return subnet["VpcId"], {subnet["AvailabilityZone"]: bed.subnet}
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise RefusedError(f"There is no default VPC in {region}. Name a subnet of yours with --subnet.")
    vpc = vpcs[0]["VpcId"]
    chosen = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default-for-az", "Values": ["true"]}]
    subnets = {each["AvailabilityZone"]: each["SubnetId"] for each in ec2.describe_subnets(Filters=chosen)["Subnets"]}
    zones = set(subnets)
    for name in bed.types():
        asked = [{"Name": "instance-type", "Values": [name]}]
        offers = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=asked)
        zones &= {offer["Location"] for offer in offers["InstanceTypeOfferings"]}
    if not zones:
        types = " and ".join(bed.types())
        raise RefusedError(f"No zone of {region} with a default subnet has {types}. Name other types, or --subnet.")
    return vpc, {zone: subnets[zone] for zone in sorted(zones)}
