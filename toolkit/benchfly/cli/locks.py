"""One run at a time on a bench, from this controller. The kernel frees a lock whose holder was killed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TextIO

from benchfly import paths
from benchfly.errors import BusyError

_POLL = 1.0  # seconds between two looks at a lock that another holds


@contextmanager
def locked(names: Iterable[str], holder: str, patience: float = 0) -> Iterator[None]:
    """Hold the locks of those names; `holder` is what others are told.

    Raises BusyError when another still holds one after so many seconds.
    """
    folder, deadline = paths.home() / "locks", time.monotonic() + patience
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted(set(names)):
            file = stack.enter_context((folder / f"{name}.lock").open("a+"))
            _take(file, name, deadline)
            file.truncate(0)
            file.write(f"{holder}, process {os.getpid()}, since {datetime.now():%H:%M:%S}")
            file.flush()
        yield


def _take(file: TextIO, name: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_POLL)
                continue
            file.seek(0)
            holder = file.read() or "another run"
            message = f"{name} is in use by {holder}. Wait until it has ended, or stop it with Ctrl-C."
            raise BusyError(message) from None
