"""A workload played by several processes of one host, and one measurement of a store under some settings."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import store, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Load,
    Output,
    OutputError,
    Program,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

_LOOKS = 1000  # at once
_SETTLED = 5.0  # seconds in which a store has to have given back what was removed


def play(
    generator: Generator, program: Program, target: Target, workload: Workload, loads: Sequence[Load]
) -> list[Output]:
    """Each load in a process of its own, all at once. Raises what one raises, and OutputError if one is killed."""
    if len(loads) == 1:
        return [generator.run(program, target, workload, loads[0])]
    context, number = multiprocessing.get_context("fork"), len(loads)
    try:
        # What they used is counted when they are gone, with the block.
        with ProcessPoolExecutor(number, context) as pool:
            plays = [pool.submit(generator.run, program, target, workload, load) for load in loads]
            return [each.result() for each in plays]
    except BrokenProcessPool as error:
        raise OutputError("a process that made load was killed") from error


def measure(
    generator: Generator, program: Program, target: Target, workload: Workload, loads: Sequence[Load], shared: bool
) -> dict[str, Any]:
    """The data filled in anew, and each load played on it: `measurement` of each, `bytes_per_item`, and why it does
    not count in `invalid`.

    `shared`: others use the store too. Raises OSError, ReplyError, OutputError.
    """
    with store.connect(target) as connection:
        store.remove(connection)
        before = _settled(connection)
        store.fill(connection, workload, generator)
        items = sum(family.items for family in workload.families)
        _rehash(connection, items)
        taken = max(0, _settled(connection) - before) / max(1, items)
    found: dict[str, Any] = {"measurements": [], "bytes_per_item": round(taken, 3), "invalid": []}
    for load in loads:
        counted = store.counters(target)
        outputs = play(generator, program, target, workload, [load])
        reading, _ = trial.measure(generator, {trial.name_of("here", 1, 1): outputs[0]})
        errors = reading.measurement.errors
        found["invalid"] += store.objections(counted, store.counters(target), errors, shared, workload.invalidated_by)
        found["measurements"].append({**asdict(reading.measurement), "histogram": ""})
    return found


class TakenOverError(Exception):
    """Another run has the store by now. Whoever made this one was killed, and what it began must not go on."""


def change(target: Target, settings: Mapping[str, str], holder: str) -> None:
    """Set what a store takes while it runs, as long as that holder has it.

    Raises TakenOverError, ReplyError that names what the store refuses.
    """
    with store.connect(target) as connection:
        connection.call("WATCH", store.HOLDER)
        if (connection.call("GET", store.HOLDER) or "") != holder:
            raise TakenOverError("another run has taken the store over, or has put it back")
        connection.call("MULTI")
        for name, value in settings.items():
            connection.call("CONFIG", "SET", name, value)
        try:
            done = connection.call("EXEC")
        except ReplyError as error:
            raise ReplyError(f"{settings} cannot be: {error}") from error
    if done is None:
        raise TakenOverError("another run is taking the store over")


def steps(
    given: Sequence[Mapping[str, Any]],
    generator: Generator,
    program: Program,
    target: Target,
    workload: Workload,
    load: Load,
    shared: bool = False,
    holder: str = "",
) -> list[dict[str, Any]]:
    """What each step came to, one after the other: its `live` settings, and a loop at each of its `rates`, 0 being
    a closed one. A step that cannot be measured has its reason in `invalid`, and no measurement.

    Raises OSError, TakenOverError.
    """
    found = []
    for step in given:
        began = time.monotonic()
        loads = [replace(load, rate=rate, seed=load.seed + len(found)) for rate in step["rates"]]
        try:
            change(target, step["live"], holder)
            result = measure(generator, program, target, workload, loads, shared)
        except (OutputError, ReplyError) as error:
            result = {"measurements": [], "bytes_per_item": 0.0, "invalid": [str(error)]}
        found.append({**result, "seconds": round(time.monotonic() - began, 3)})
    return found


def _settled(connection: Connection) -> int:
    """Bytes in use once nothing is left to be given back in the background.

    Read as soon as that is so: a table of keys that has become empty is made smaller a moment later, and would count as
    the data's when it grows again.
    """
    deadline = time.monotonic() + _SETTLED
    while True:
        info = connection.info()
        if info.get("lazyfree_pending_objects", "0") == "0" or time.monotonic() > deadline:
            return int(info["used_memory"])
        time.sleep(0.01)


def _rehash(connection: Connection, items: int) -> None:
    """Have a table of keys that was growing done with it: until then the old one is there as well.

    Redis and Valkey move a part of it with every look, and with hz else.
    """
    deadline = time.monotonic() + _SETTLED
    for start in range(0, items, _LOOKS):
        looks = min(_LOOKS, items - start)
        connection.send(*[("RANDOMKEY",)] * looks)
        for _ in range(looks):
            connection.reply()
        if time.monotonic() > deadline:
            return
