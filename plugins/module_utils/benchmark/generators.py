"""The load generators there are, the most telling first."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Generator, Program
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.memtier import Memtier
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.python_client import PythonClient
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.redis_benchmark import (
    RedisBenchmark,
    ValkeyBenchmark,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

GENERATORS: dict[str, Generator] = {
    generator.name: generator for generator in (Memtier(), ValkeyBenchmark(), RedisBenchmark(), PythonClient())
}


class NoGeneratorError(Exception):
    """The generator asked for cannot be used; the message says why and what to do."""


def choose(name: str, path: str, password: bool, workload: Workload) -> tuple[Generator, Program]:
    """The generator of that name, or with `auto` the first that is installed and can play the workload and log in.

    Raises NoGeneratorError.
    """
    if name == "auto":
        return next(
            (generator, program)
            for generator in GENERATORS.values()
            if (generator.takes_password or not password)
            and not generator.objection(workload)
            and (program := generator.find(path if isinstance(generator, PythonClient) else ""))
        )
    generator = GENERATORS[name]
    if password and not generator.takes_password:
        raise NoGeneratorError(
            f"{name} takes a password only on its command line, where every user of the host can read it. "
            "Use python-client, or benchmark a store without a password"
        )
    if objection := generator.objection(workload):
        raise NoGeneratorError(f"{name} cannot play {workload.name}: {objection}. Use python-client")
    program = generator.find(path)
    if not program:
        raise NoGeneratorError(f"{path or name} is no {name} that runs here. Install it, or give its path")
    return generator, program
