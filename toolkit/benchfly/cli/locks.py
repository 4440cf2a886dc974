"""One run at a time on a bench, from this controller. The kernel frees a lock whose holder was killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TextIO

from benchfly import paths
from benchfly.errors import RefusedError


@contextmanager
def locked(names: Iterable[str], holder: str) -> Iterator[None]:
    """Hold the locks of those names; `holder` is what others are told. Raises RefusedError when one is held."""
    folder = paths.home() / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted(set(names)):
            file = stack.enter_context((folder / f"{name}.lock").open("a+"))
            _take(file, name)
            file.truncate(0)
            file.write(f"{holder}, process {os.getpid()}, since {datetime.now():%H:%M:%S}")
            file.flush()
        yield


def _take(file: TextIO, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read() or "another run"
        message = f"{name} is in use by {holder}. Wait until it has ended, or stop it with Ctrl-C."
        raise RefusedError(message) from None
