"""Makes a lab: key, security group, placement group, hosts. Whoever calls this removes what was made when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from benchfly.errors import RefusedError
from benchfly.lab.bed import LOAD_GENERATORS, STORES, Bed
from benchfly.lab.expiry import user_data
from benchfly.lab.found import Lab, find
from benchfly.lab.remove import end
from benchfly.lab.site import Site
from benchfly.lab.tags import Label

# Another zone may have what this one has not.
_NO_CAPACITY = ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "Unsupported", "SpotMaxPriceTooLow")
_LIMITS = ("VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded")
_RUNNING = {"Delay": 5, "MaxAttempts": 60}


def build(ec2: Any, bed: Bed, site: Site, label: Label, key: str, say: Callable[[str], None]) -> Lab:
    """The lab, with hosts that run; `key` is a public key for SSH. Raises RefusedError where EC2 has no room."""
    say("making key and groups")
    ec2.import_key_pair(
        KeyName=label.name, PublicKeyMaterial=key.encode(), TagSpecifications=label.specifications("key-pair")
    )
    group = _security_group(ec2, bed, site, label)
    if site.clusters:
        ec2.create_placement_group(
            GroupName=label.name, Strategy="cluster", TagSpecifications=label.specifications("placement-group")
        )
    instances = _launch(ec2, bed, site, label, group, say)
    say("waiting until the hosts run")
    ec2.get_waiter("instance_running").wait(InstanceIds=instances, WaiterConfig=_RUNNING)
    return find(ec2, [label.lab])[label.lab]


def _security_group(ec2: Any, bed: Bed, site: Site, label: Label) -> str:
    """Admits the lab's own hosts to each other, and the controller to SSH."""
    group: str = ec2.create_security_group(
        GroupName=label.name,
        Description="Hosts of a benchfly lab",
        VpcId=site.vpc,
        TagSpecifications=label.specifications("security-group"),
    )["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]},
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": bed.ssh_from}]},
        ],
        TagSpecifications=label.specifications("security-group-rule"),
    )
    return group


def _launch(ec2: Any, bed: Bed, site: Site, label: Label, group: str, say: Callable[[str], None]) -> list[str]:
    """All hosts in one zone, the first that has them."""
    refused = []
    for zone, subnet in site.subnets.items():
        say(f"launching hosts in {zone}")
        launched: list[str] = []
        try:
            for role, name, count in ((STORES, bed.store_type, 1), (LOAD_GENERATORS, bed.load_type, bed.load_hosts)):
                asked = _asked(bed, site, label, role, name, subnet, group)
                asked |= {"MinCount": count, "MaxCount": count, "ClientToken": f"{label.lab}-{role}-{zone}"}
                launched += [each["InstanceId"] for each in ec2.run_instances(**asked)["Instances"]]
            return launched
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _LIMITS:
                remedy = "Ask for more in Service Quotas, or name smaller types"
                raise RefusedError(f"The account may not have so many hosts now ({code}). {remedy}.") from error
            if code not in _NO_CAPACITY:
                raise
            refused.append(f"{zone} ({code})")
            end(ec2, launched, say)
    kind = "spot instances" if bed.spot else "instances"
    remedy = f"Try later, in another region{', without --spot' if bed.spot else ''}, or with other types"
    raise RefusedError(f"EC2 has no {kind} of {' and '.join(bed.types())} to give in {', '.join(refused)}. {remedy}.")


def _asked(bed: Bed, site: Site, label: Label, role: str, name: str, subnet: str, group: str) -> dict[str, Any]:
    """What RunInstances is asked for a host of that role and type."""
    image = site.images[site.machines[name].architecture]
    disk = {"VolumeType": "gp3", "VolumeSize": bed.disk, "DeleteOnTermination": True, "Encrypted": True}
    kinds = ("instance", "volume", "network-interface", *(("spot-instances-request",) if bed.spot else ()))
    return {
        "ImageId": image,
        "InstanceType": name,
        "KeyName": label.name,
        "UserData": user_data(label.expires),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [{"DeviceName": site.root[image], "Ebs": disk}],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": subnet,
                "Groups": [group],
                "AssociatePublicIpAddress": not bed.private,
                "DeleteOnTermination": True,
            }
        ],
        **({"Placement": {"GroupName": label.name}} if site.clusters else {}),
        **({"InstanceMarketOptions": {"MarketType": "spot"}} if bed.spot else {}),
        "TagSpecifications": label.specifications(*kinds, group=role),
    }
