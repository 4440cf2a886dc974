"""A lab from its beginning to its end: what is made is removed again when the making does not come to its end."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from benchfly.errors import AwsError
from benchfly.lab import hosts
from benchfly.lab.bed import LIFE, Bed
from benchfly.lab.build import build
from benchfly.lab.found import Lab, find
from benchfly.lab.remove import remove
from benchfly.lab.site import Site
from benchfly.lab.tags import Label
from benchfly.signals import handled


def make(ec2: Any, bed: Bed, site: Site, say: Callable[[str], None]) -> Lab:
    """Build a lab and write its inventory. Raises what went wrong, with nothing left, or said so where something is."""
    now = datetime.now(UTC).replace(microsecond=0)
    label = Label(f"lab-{secrets.token_hex(3)}", now, now + (bed.life or LIFE), site.owner)
    say(f"{label.lab}: `benchfly lab down {label.lab}` removes it, whatever becomes of this command")
    try:
        lab = build(ec2, bed, site, label, hosts.make_key(label.lab), say)
        hosts.write(lab, bed, site.machines)
    except BaseException:
        say("that did not work; removing what was made")
        _try_to_remove(ec2, label.lab, say)
        raise
    return lab


def take_down(ec2: Any, lab: str, say: Callable[[str], None]) -> None:
    """Remove all of a lab, also what is here of it. Raises AwsError with what is left."""
    for found in find(ec2, [lab]).values():
        if found.things:
            remove(ec2, found, say)
    hosts.forget(lab)


def _try_to_remove(ec2: Any, lab: str, say: Callable[[str], None]) -> None:
    """As take_down, while something else has gone wrong that must be heard of."""
    try:
        take_down(ec2, lab, say)
    except (AwsError, BotoCoreError, ClientError) as error:
        say(f"{lab} could not be removed: {error}. Repeat `benchfly lab down {lab}`; its hosts end by themselves.")


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM and SIGHUP come as Ctrl-C does, so that a lab is removed then, too."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with handled(stop, (signal.SIGTERM, signal.SIGHUP)):
        yield
