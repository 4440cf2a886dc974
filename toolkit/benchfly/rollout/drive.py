"""Drives a rollout: a process for each bench under way, until the state machine has nothing more to start.

Processes are forked while this one has no threads, so that the fleet is read once and Ctrl-C on the terminal reaches
this process alone: the first lets those under way end, the second interrupts them too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from benchfly.errors import BenchflyError, RefusedError
from benchfly.rollout.state import Ended, Rollout, State
from benchfly.signals import STOPS, handled

# Told of each phase that a bench's move comes to.
Report = Callable[[str], None]
Move = Callable[[str, Report], Ended]

_SECONDS = 0.25  # between two looks at the clock and the signals
_fork = multiprocessing.get_context("fork")


@dataclass
class _Worker:
    bench: str
    process: BaseProcess
    interrupts: int = 0  # how many of ours it has been sent


def drive(rollout: Rollout, move: Move, hold: Callable[[str], str], observe: Callable[[Rollout, bool], None]) -> None:
    """Run the rollout to its end.

    hold: why a bench must not start now, or nothing. observe: called often, with whether a bench started or ended.
    """
    workers: dict[Connection, _Worker] = {}
    with _requests() as requests:
        while not rollout.finished:
            changed = _start(rollout, move, hold, workers)
            observe(rollout, changed)
            for connection in wait(list(workers), timeout=_SECONDS) if workers else ():
                assert isinstance(connection, Connection)
                changed = _read(rollout, connection, workers)
                observe(rollout, changed)
            if requests:
                rollout.interrupt()
            for worker in workers.values():
                _interrupt(worker, len(requests) - 1)


def _start(rollout: Rollout, move: Move, hold: Callable[[str], str], workers: dict[Connection, _Worker]) -> bool:
    started = False
    for bench in rollout.ready():
        if reason := hold(bench):
            rollout.stop(reason)
            break
        ours, theirs = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_work, args=(move, bench, theirs, os.getpid()), name=bench)
        process.start()
        theirs.close()
        workers[ours] = _Worker(bench, process)
        rollout.start(bench)
        started = True
    return started


def _read(rollout: Rollout, connection: Connection, workers: dict[Connection, _Worker]) -> bool:
    """Take a message of a worker; True when it has ended."""
    worker = workers[connection]
    try:
        said = connection.recv()
    except EOFError:  # it was killed
        said = Ended(State.INTERRUPTED, message="its process was killed", remedy="Run the rollout again to resume it")
    if not isinstance(said, Ended):
        rollout.enter(worker.bench, str(said))
        return False
    rollout.end(worker.bench, said)
    worker.process.join()
    connection.close()
    del workers[connection]
    return True


def _interrupt(worker: _Worker, wanted: int) -> None:
    """Pass on the interrupts that it has not had yet."""
    while worker.interrupts < wanted:
        worker.interrupts += 1
        with suppress(ProcessLookupError):
            os.kill(worker.process.pid or 0, signal.SIGINT)


def _work(move: Move, bench: str, connection: Connection, parent: int) -> None:
    """What the process of a bench does."""
    os.setsid()  # the terminal's Ctrl-C is not for it
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)

    def report(phase: str) -> None:
        if os.getppid() != parent:  # nobody would see how this ends
            os.kill(os.getpid(), signal.SIGTERM)
        with suppress(BrokenPipeError):
            connection.send(phase)

    try:
        ended = move(bench, report)
    except BenchflyError as error:
        ended = Ended(State.REFUSED if isinstance(error, RefusedError) else State.FAILED, message=str(error))
    except Exception:
        ended = Ended(State.FAILED, message=f"a fault in benchfly:\n{traceback.format_exc()}")
    with suppress(BrokenPipeError):
        connection.send(ended)


@contextmanager
def _requests() -> Iterator[list[int]]:
    """The signals that asked for an end, as they come."""
    requests: list[int] = []
    with handled(lambda number, frame: requests.append(number)):
        yield requests
