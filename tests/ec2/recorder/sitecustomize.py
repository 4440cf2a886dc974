"""On the PYTHONPATH of a process of the tests: notes every call to AWS that it makes, whichever library makes it.

Calls of a test's own are signed with another key, and not noted.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

CALLS = "EC2_TEST_CALLS"  # variable with the file
OWN = "OPERATOR"


def note(event_name: str, request: Any, **_: Any) -> None:
    """One line a call, such as ec2:DescribeInstances."""
    signed = request.headers.get("Authorization", "")
    signed = signed.decode() if isinstance(signed, bytes) else signed
    scope = re.search(r"Credential=(\w+)/\d+/[^/]+/([a-z0-9]+)/", signed)
    if CALLS in os.environ and scope and scope[1] != OWN:
        service, call = scope[2], event_name.rpartition(".")[2]
        with Path(os.environ[CALLS]).open("a", encoding="utf-8") as file:
            file.write(f"{service}:{call}\n")


def listen(session: Any) -> None:
    session.register("before-send", note)


if CALLS in os.environ:
    import botocore

    botocore.register_initializer(listen)
