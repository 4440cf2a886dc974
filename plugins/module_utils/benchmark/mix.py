"""A mix of commands, played by threads of Python with a connection each."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import recorder, store
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import Operation
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Load, Target, value
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import Connection, ReplyError

ITEM_FORMAT = "%012d"


def play(target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    """The mix; what reads find is not looked at."""
    return play_with(Client, target, workload, load)


def play_with(kind: type[Client], target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    begin = recorder.Beginning(load.clients)
    choosers = {family.name: family.keys.chooser(family.items) for family in workload.families}
    clients = [kind(target, workload, load, number, choosers) for number in range(load.clients)]
    recorder.run_threads(lambda number: clients[number].run(begin), load.clients)
    details = kind.details(clients)
    return recorder.result([client.recorder for client in clients], time.monotonic() - begin.at, details)


class Client:
    """One connection that plays the mix until its deadline, or until each of its items has had its turn."""

    def __init__(self, target: Target, workload: Workload, load: Load, number: int, choosers: dict[str, Any]) -> None:
        self._target, self.workload, self._load, self._number = target, workload, load, number
        self._random = random.Random((load.seed << 20) + number)
        self._choosers = choosers
        self.recorder = recorder.Recorder()

    @classmethod
    def details(cls, clients: list[Any]) -> dict[str, Any]:
        """What else there is to tell of all clients."""
        return {}

    def run(self, begin: recorder.Beginning) -> None:
        try:
            with begin.after(lambda: store.connect(self._target)) as connection:
                self.recorder.started = begin.at
                self._play(connection, begin.at)
        except (OSError, ReplyError) as error:
            self.recorder.trouble = str(error)

    def _play(self, connection: Connection, started: float) -> None:
        load, chosen = self._load, self._chosen()
        for due in recorder.due_times(started, started + load.seconds, load.rate, self._number, load.clients):
            operation, item = next(chosen, (None, ""))
            if operation is None:
                return
            self.operate(connection, due, operation, item)

    def operate(self, connection: Connection, due: float, operation: Operation, item: str) -> Any:
        """Run it, with what renews the time to live of what it writes; what the store answered."""
        family, commands, reply = operation.family, [operation.words(item)], None
        if operation.writes:
            sizes, shares = zip(*family.sizes)
            commands[0].append(value(self._random.choices(sizes, shares)[0]))
            commands += [["EXPIRE", family.key + item, str(self._random.randint(*family.ttl))]] if family.ttl else []
        connection.send(*commands)
        for number in range(len(commands)):
            try:
                answer = connection.reply()
                reply = reply if number else answer
            except ReplyError:
                self.recorder.errors += 1
        self.recorder.add(due, time.monotonic())
        return reply

    def _chosen(self) -> Iterator[tuple[Operation, str]]:
        operations = self.workload.operations
        if operations[0].family.keys.kind == "sequence":
            first, end = self._load.first + self._number, self._load.first + self._load.items
            yield from ((operations[0], ITEM_FORMAT % number) for number in range(first, end, self._load.clients))
            return
        shares = list(accumulate(operation.share for operation in operations))
        while True:
            operation = self._random.choices(operations, cum_weights=shares)[0]
            yield operation, ITEM_FORMAT % self._choosers[operation.family.name](self._random.random())
