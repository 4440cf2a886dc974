"""Takes labs away: hosts first, then what cannot go before them. What is gone already is no error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from benchfly.errors import AwsError
from benchfly.lab.found import Lab, find

# EC2 says that something is in use for a while after its last user has gone.
_IN_USE = ("DependencyViolation", "InvalidPlacementGroup.InUse", "VolumeInUse")
_PATIENCE, _PAUSE = 180.0, 5.0  # seconds
_ENDING = {"Delay": 5, "MaxAttempts": 120}


def remove(ec2: Any, lab: Lab, say: Callable[[str], None]) -> None:
    """Remove all of a lab, and look whether it is gone. Raises AwsError with what is left."""
    end(ec2, [instance.id for instance in lab.instances if instance.state != "terminated"], say)
    # Since nothing new joins a lab whose hosts have ended, this look is the last word.
    lab = find(ec2, [lab.id]).get(lab.id, lab)
    say("removing groups and key")
    for volume in lab.volumes:
        _gone(ec2.delete_volume, VolumeId=volume)
    for group in lab.security_groups:
        _gone(ec2.delete_security_group, GroupId=group)
    for group in lab.placement_groups:
        _gone(ec2.delete_placement_group, GroupName=group)
    for key in lab.key_pairs:
        _gone(ec2.delete_key_pair, KeyName=key)
    left = find(ec2, [lab.id]).get(lab.id)
    if left and left.things:
        raise AwsError(f"Of {lab.id} there is left: {', '.join(left.things)}. Repeat `benchfly lab down {lab.id}`.")


def end(ec2: Any, instances: list[str], say: Callable[[str], None]) -> None:
    """End those instances, and wait until they have."""
    if not instances:
        return
    say(f"ending {len(instances)} host{'' if len(instances) == 1 else 's'}")
    _gone(ec2.terminate_instances, InstanceIds=instances)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=instances, WaiterConfig=_ENDING)


def _gone(call: Callable[..., Any], **asked: Any) -> None:
    """Make a call that removes something, again while EC2 has it in use."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            call(**asked)
            return
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code.endswith((".NotFound", ".Unknown")):
                return
            if code not in _IN_USE or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)
