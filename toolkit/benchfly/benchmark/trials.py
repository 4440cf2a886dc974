"""What playbooks/benchmark.yml hands over, as objects."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import workload as workloads
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Measurement,
    Output,
    OutputError,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS

from benchfly.errors import ResultsError

__all__ = ["Benchmark", "Measurement", "Sample", "Server", "Trial"]

SAMPLES = "samples.jsonl"
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Server:
    """A store as it was when measured; `at` is host:port. With foreign keys it may have served others meanwhile.

    memory_bytes: what the data of the workload took of it, which is `items` items.
    """

    name: str
    at: str
    engine: str
    version: str
    foreign_keys: int
    host: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    items: int = 0
    local: bool = False  # on the host that made the load


@dataclass(frozen=True)
class Sample:
    """What was seen of a host at 1 s: rows of `time` (Unix) and figures, of which any may be missing."""

    host: str
    role: str  # store or generator
    rows: Sequence[Mapping[str, Any]]
    overhead_cpu: float | None = None  # what the sampler itself took, in cores
    store: str = ""


@dataclass(frozen=True)
class Trial:
    """One play of the workload on one store. One with reasons in `invalid` is shown and never compared.

    `started` is Unix time, `series` operations per second, `stalls` lengths in seconds; `windows` are measured each.
    """

    round: int
    store: str
    measurement: Measurement | None
    invalid: tuple[str, ...]
    clients: int = 0
    rate: float = 0.0  # operations per second offered; 0 in a closed loop
    started: float = 0.0  # Unix time
    series: tuple[float, ...] = ()  # operations of each second, where the generator tells them
    twin: bool = False  # the store's other trial in the round, which shows what it differs from itself by
    held: bool | None = None  # whether the objective held at this rate; None where none was searched for
    stalls: tuple[int, ...] = ()
    windows: tuple[Measurement, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    store_cpu: float | None = None  # seconds of processor time that the store took meanwhile, whoever it served

    @property
    def pair(self) -> tuple[int, int, float]:
        """What it has in common with the trials it is compared with: the round, and the load in it."""
        return (self.round, self.clients, self.rate)

    @property
    def valid(self) -> bool:
        return self.measurement is not None and not self.invalid


@dataclass(frozen=True)
class Benchmark:
    """Trials in the order they ran; the first of `stores` is the one the others are compared with.

    `outputs` has the command lines and raw outputs of each trial; it is empty when they were not kept. `scale` is 1 for
    a workload as it was published, `rate` (operations/s offered) is of an open loop, `environments` are by host.
    """

    workload: workloads.Workload
    generator: str
    version: str
    caveat: str
    seconds: float
    seed: int
    stores: tuple[Server, ...]
    trials: tuple[Trial, ...]
    outputs: tuple[Output, ...] = ()
    scale: float = 1.0
    loop: str = "closed"
    rate: float | None = None
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any], where: str = "benchmark") -> Benchmark:
        """From what the playbook set with set_stats. Raises ResultsError that names `where`."""
        try:
            workload = dict(data["workload"])
            return cls(
                workload=workloads.parse(workload.pop("name"), workload),
                generator=data["generator"]["name"],
                version=data["generator"]["version"],
                caveat=data["generator"]["caveat"],
                seconds=float(data["seconds"]),
                seed=int(data["seed"]),
                stores=tuple(_known(Server, server) for server in data["stores"]),
                trials=with_twins([_trial(trial) for trial in data["trials"]], int(data["seed"])),
                outputs=tuple(
                    Output(tuple(output["command_lines"]), output["files"]) for output in data.get("outputs", [])
                ),
                scale=float(data.get("scale", 1.0)),
                loop=data.get("loop", "closed"),
                rate=data.get("rate"),
                environments=data.get("environments", {}),
                samples=tuple(_known(Sample, sample) for sample in data.get("samples", [])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"{where} is no result of a benchmark: {error!r}") from error

    @classmethod
    def load(cls, path: Path) -> Benchmark:
        """From benchmark.json of a run, whose figures must be those that the raw outputs in it give.

        Raises ResultsError that names the file.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path} cannot be read as JSON: {error}") from error
        if isinstance(data, dict) and (path.parent / SAMPLES).exists():
            data["samples"] = _lines(path.parent / SAMPLES)
        benchmark = cls.from_data(data, str(path))
        for each, output in zip(benchmark.trials, benchmark.outputs, strict=False):
            if each.measurement and parse(benchmark.generator, output, str(path)) != each.measurement:
                message = f"{path}: round {each.round} of {each.store} has other figures than its raw output"
                raise ResultsError(f"{message}. Run the benchmark again")
        return benchmark

    def command_lines(self, store: str) -> Sequence[str]:
        """How the store was measured, as typed in its first trial; empty when that was not kept."""
        pairs = zip(self.trials, self.outputs, strict=False)
        return next((output.command_lines for each, output in pairs if each.store == store), ())


def parse(generator: str, output: Output, where: str) -> Measurement:
    """What the output of a trial's processes says. Raises ResultsError that names `where`."""
    try:
        whole, _ = trial.measure(GENERATORS[generator], trial.apart(output))
        return whole.measurement
    except (KeyError, OutputError) as error:
        raise ResultsError(f"{where}: {error}") from error


def _trial(data: Mapping[str, Any]) -> Trial:
    measurement = data["measurement"]
    return Trial(
        round=int(data["round"]),
        store=data["store"],
        measurement=_known(Measurement, measurement) if measurement else None,
        invalid=tuple(data["invalid"]),
        clients=int(data.get("clients") or 0),
        rate=float(data.get("rate") or 0.0),
        started=float(data.get("started") or 0.0),
        twin=bool(data.get("twin")),
        held=data.get("held"),
        series=tuple(data.get("series") or ()),
        stalls=tuple(data.get("stalls") or ()),
        windows=tuple(_known(Measurement, window) for window in data.get("windows") or ()),
        details=data.get("details") or {},
        store_cpu=data.get("store_cpu"),
    )


def _known(kind: type[Kind], data: Mapping[str, Any]) -> Kind:
    """An object of the fields that are known here; a newer benchfly may have written more."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in data.items() if name in names})


def _lines(path: Path) -> list[Any]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} has a line that is no JSON: {error}") from error


def with_twins(trials: Sequence[Trial], seed: int) -> tuple[Trial, ...]:
    """Where a store was played twice in a round, a lot (not the order, which may matter) says which one is the twin.

    In a search it was known from the beginning.
    """
    if any(each.held is not None for each in trials):
        return tuple(trials)
    places: dict[tuple[object, str], list[int]] = {}
    for number, each in enumerate(trials):
        places.setdefault((each.pair, each.store), []).append(number)
    twins = {
        random.Random(f"{seed} {pair} {store}").choice(numbers)
        for (pair, store), numbers in places.items()
        if len(numbers) == 2
    }
    return tuple(replace(each, twin=number in twins) for number, each in enumerate(trials))
