"""The tags of a lab. Whatever it has carries them from the call on that makes it, so that it is always found again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LAB, CREATED, EXPIRES, OWNER, GROUP = (
    f"benchfly:{name}" for name in ("lab", "created", "expires", "owner", "group")
)  # what a host's group is (stores or load_generators), only hosts have
_ID = re.compile(r"lab-[0-9a-f]{6}")


@dataclass(frozen=True)
class Label:
    """Which lab something belongs to, and until when; `owner` is who made it, as an ARN."""

    lab: str
    created: datetime
    expires: datetime
    owner: str

    @property
    def name(self) -> str:
        """What things are called that need a name of their own: key pair, security group, placement group."""
        return f"benchfly-{self.lab}"

    def specifications(self, *kinds: str, **more: str) -> list[dict[str, Any]]:
        """TagSpecifications of a call that makes things of these kinds."""
        tags = {
            "Name": self.name,
            LAB: self.lab,
            CREATED: _text(self.created),
            EXPIRES: _text(self.expires),
            OWNER: self.owner,
            **{f"benchfly:{name}": value for name, value in more.items()},
        }
        return [
            {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            for kind in kinds
        ]

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> Label:
        """What tags say. Whose times cannot be read, since somebody changed them, has expired."""
        created, expires = (_time(tags.get(key, "")) for key in (CREATED, EXPIRES))
        return cls(tags[LAB], created, expires, tags.get(OWNER, ""))


def is_lab(text: str) -> bool:
    """Whether that can be the id of a lab. Anybody may write tags, and an id becomes part of filters and of paths."""
    return _ID.fullmatch(text) is not None


def of(described: Mapping[str, Any]) -> dict[str, str]:
    """The tags of something, as a describing call tells them."""
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}


def filters(labs: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Filters of a describing call: what belongs to those labs, or to any."""
    return [{"Name": f"tag:{LAB}", "Values": list(labs)}] if labs else [{"Name": "tag-key", "Values": [LAB]}]


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
