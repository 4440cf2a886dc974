"""Network namespaces, entered by this process or one of its threads; Python has the calls from 3.12 only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)
OWN_NETWORK = Path("/proc/thread-self/ns/net")


def unshare(kinds: int) -> None:
    """Give the calling thread namespaces of its own."""
    if _libc.unshare(kinds):
        raise OSError(ctypes.get_errno(), "unshare: a namespace could not be made")


def enter_network(descriptor: int) -> None:
    """Move the calling thread, and only it, to the network namespace that the descriptor is open on."""
    if _libc.setns(descriptor, NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns: a network namespace could not be entered")


@contextmanager
def in_network(path: Path) -> Iterator[None]:
    """The calling thread is in that network namespace; sockets made here stay there."""
    home, there = os.open(OWN_NETWORK, os.O_RDONLY), os.open(path, os.O_RDONLY)
    try:
        enter_network(there)
        try:
            yield
        finally:
            enter_network(home)
    finally:
        os.close(home)
        os.close(there)
