"""Ends workers that were told to end and do not know it.

RQ raises from its signal handler to leave its loop. Where the signal meets the flush of RQ's own log, Python's logging
catches that, and the worker goes on; a second TERM would end it with the job in hand. (RQ 1.11 to 2.6: request_stop of
rq.worker; logging.StreamHandler.emit of Python.)
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.benchfly.stores.plugins.module_utils import store_client

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORKERS = "rq:workers"
_FIELDS = ("state", "current_job", "shutdown_requested_date")
_STOPS_WITHIN = 0.5  # seconds that the kernel may take to stop a process


def tell_again(client: Any, pid: int) -> bool:
    """Have a worker of this host end that takes jobs on, unless a job runs in it now; whether it was told.

    It is held while its state is read. A job that it has popped by then and not begun is left as by any stopped worker.
    Nothing is raised where store or process are gone: then it is waited for like any other.
    """
    with suppress(OSError, store_client.redis.exceptions.RedisError):
        key = _worker(client, pid)
        if key and _state(pid) == "T":  # one that was killed in here had held it
            os.kill(pid, signal.SIGCONT)
        if key and _may_end(client, key):
            with _held(pid) as held:
                if held and _may_end(client, key):
                    os.kill(pid, signal.SIGTERM)
                    return True
    return False


def _worker(client: Any, pid: int) -> bytes | None:
    """The key of the worker that runs as `pid` here."""
    here = (socket.gethostname().encode(), str(pid).encode())
    return next((key for key in client.smembers(_WORKERS) if tuple(client.hmget(key, "hostname", "pid")) == here), None)


def _may_end(client: Any, key: bytes) -> bool:
    """Whether it neither runs a job nor has noted that it is to end after one."""
    state, job, told = client.hmget(key, *_FIELDS)
    return state in (b"idle", b"suspended") and not job and not told


@contextmanager
def _held(pid: int) -> Iterator[bool]:
    """Stop a process for as long as the block runs; whether it stands."""
    os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + _STOPS_WITHIN
        while not (stands := _state(pid) == "T") and time.monotonic() < deadline:
            time.sleep(0.005)
        yield stands
    finally:
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    """As ps says it; the name of a process, before it, may have blanks and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
