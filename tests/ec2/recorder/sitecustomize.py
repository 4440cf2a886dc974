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
    signed = str(request.headers.get("Authorization", ""))
    if CALLS in os.environ and not re.search(rf"Credential=b?'?{OWN}", signed):
        _, service, call = event_name.split(".")
        with Path(os.environ[CALLS]).open("a", encoding="utf-8") as file:
            file.write(f"{service}:{call}\n")


def listen(session: Any) -> None:
    session.register("before-send", note)


if CALLS in os.environ:
    import botocore

    botocore.register_initializer(listen)
