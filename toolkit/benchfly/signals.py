"""Signals that ask a command to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled(
    handle: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals] = STOPS
) -> Iterator[None]:
    """Have signals handled so, but for those that are ignored already (nohup, a shell's `&`), and as before after."""
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
