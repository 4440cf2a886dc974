"""Labs as they are in an account and region, found by their tags alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchfly.lab import tags
from benchfly.lab.tags import Label

# A call that describes a kind of thing, where its list is in the answer, and what one is called when it is removed.
_KINDS = {
    "volumes": ("describe_volumes", "Volumes", "VolumeId"),
    "security_groups": ("describe_security_groups", "SecurityGroups", "GroupId"),
    "placement_groups": ("describe_placement_groups", "PlacementGroups", "GroupName"),
    "key_pairs": ("describe_key_pairs", "KeyPairs", "KeyName"),
}
_ENDED = ("shutting-down", "terminated")
_ENDED_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)")


@dataclass(frozen=True)
class Instance:
    """A host of a lab. `ended` is when it was told to end, where EC2 says so; `why` is EC2's own reason."""

    id: str
    group: str
    type: str
    zone: str
    state: str
    launched: datetime
    address: str  # within the VPC
    public: str
    spot: bool
    ended: datetime | None = None
    why: str = ""

    @property
    def alive(self) -> bool:
        return self.state not in _ENDED

    @property
    def interrupted(self) -> bool:
        """Whether EC2 took a spot instance back."""
        return self.why.startswith("Server.Spot")


@dataclass(frozen=True)
class Lab:
    """A lab, as its things are tagged. Instances stay listed for an hour after their end; all else is gone at once."""

    label: Label
    instances: tuple[Instance, ...] = ()
    volumes: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    placement_groups: tuple[str, ...] = ()
    key_pairs: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.label.lab

    @property
    def alive(self) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.alive)

    @property
    def things(self) -> tuple[str, ...]:
        """All there is to remove, each by its kind and its id or name."""
        hosts = [f"host {instance.id}" for instance in self.alive]
        others = [f"{kind.replace('_', ' ')[:-1]} {name}" for kind in _KINDS for name in getattr(self, kind)]
        return (*hosts, *others)

    def expired(self, now: datetime) -> bool:
        return self.label.expires <= now


def find(ec2: Any, wanted: Sequence[str] = ()) -> dict[str, Lab]:
    """The labs of those ids, or all, of which anything is left or an instance ended lately; oldest first."""
    labels: dict[str, Label] = {}
    things: defaultdict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))

    def note(described: Mapping[str, Any], kind: str, thing: Any) -> None:
        label = Label.read(tags.of(described))
        if not tags.is_lab(label.lab):
            return
        labels.setdefault(label.lab, label)  # that of a host, where there is one
        things[label.lab][kind].append(thing)

    for described in _instances(ec2, wanted):
        note(described, "instances", _instance(described))
    for kind, (call, where, name) in _KINDS.items():
        for described in _described(ec2, call, where, wanted):
            note(described, kind, described[name])
    labs = [
        Lab(labels[lab], **{kind: tuple(found) for kind, found in things[lab].items()})
        for lab in sorted(labels, key=lambda lab: labels[lab].created)
    ]
    return {lab.id: lab for lab in labs}


def _instances(ec2: Any, wanted: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for page in ec2.get_paginator("describe_instances").paginate(Filters=tags.filters(wanted)):
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def _described(ec2: Any, call: str, where: str, wanted: Sequence[str]) -> Iterable[Mapping[str, Any]]:
    asked = {"Filters": tags.filters(wanted)}
    if not ec2.can_paginate(call):
        return list(getattr(ec2, call)(**asked)[where])
    return [each for page in ec2.get_paginator(call).paginate(**asked) for each in page[where]]


def _instance(described: Mapping[str, Any]) -> Instance:
    ended = _ENDED_AT.search(described.get("StateTransitionReason") or "")
    return Instance(
        id=described["InstanceId"],
        group=tags.of(described).get(tags.GROUP, ""),
        type=described["InstanceType"],
        zone=described["Placement"]["AvailabilityZone"],
        state=described["State"]["Name"],
        launched=described["LaunchTime"],
        address=described.get("PrivateIpAddress", ""),
        public=described.get("PublicIpAddress", ""),
        spot=described.get("InstanceLifecycle") == "spot",
        ended=datetime.strptime(ended[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) if ended else None,
        why=(described.get("StateReason") or {}).get("Code", ""),
    )
