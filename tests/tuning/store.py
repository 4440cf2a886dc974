"""A store of its own that is set, restarted and measured in this process, as the verb tune does it through Ansible."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.benchfly.stores.plugins.module_utils import store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import play
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Load, Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import choose
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload, parse
from ansible_collections.benchfly.stores.plugins.module_utils.host_capacity import memory
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import parse as spec_of
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import version_in
from tests.stores.binaries import valkey_8
from tests.stores.servers import Server

from benchfly.tuning.facts import facts, live
from benchfly.tuning.plan import Outcome, Plan, Step, result
from benchfly.tuning.space import Facts, Settings
from benchfly.tuning.study import Study

ROOT = Path(__file__).parents[2]
RECOVERED = 0.95
ENGINES = {"redis": lambda: "redis-server", "valkey": valkey_8}
# What the harness itself decides of a server, or what another file is for.
_OWN = {"bind", "port", "include", "dir", "aclfile", "dbfilename"}


def workload(name: str, scale: float) -> Workload:
    path = ROOT / f"playbooks/workloads/{name}.yml"
    return parse(str(path), yaml.safe_load(path.read_text()), scale)


class Tuned:
    """One server under the settings that were asked for last.

    declared: its keys beside engine, port and memory. seconds: of each play.
    """

    def __init__(self, engine: str, declared: Settings, load: Workload, seconds: float, generator: str) -> None:
        self.binary = shutil.which(ENGINES[engine]())
        assert self.binary, f"no server for {engine}"
        banner = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = version_in(banner, engine) or ""
        given = {"engine": engine, "purpose": "cache", "port": 6379, "memory": "512mb", **declared}
        self.spec = spec_of("store", given).mapping
        self.workload, self.seconds = load, seconds
        self.applied: dict[str, Any] = {}
        self.generator, self.program = choose(generator, "", False, load)
        self.expected = 0.0
        self._server: Server | None = None

    @property
    def facts(self) -> Facts:
        return facts(self.spec, self.version, self.workload, {"cpus": os.cpu_count(), "memory": memory()})

    def measure(self, steps: Sequence[Step]) -> list[dict[str, Any]]:
        """What each step came to; a server that must restart for it does."""
        found = []
        for step in steps:
            changes = live("store", self.spec, self.version, self.applied, step.settings) if self._server else None
            if changes is None:
                self._start(step.settings)
            self.applied = dict(step.settings)
            load = Load(self.seconds, self.workload.clients[0], expected=self.expected, items=self.workload.items)
            given = [{"live": changes or {}, "rates": step.rates}]
            found += play.steps(given, self.generator, self.program, self.target, self.workload, load)
        return found

    @property
    def target(self) -> Target:
        assert self._server
        return Target.from_url(self._server.url)

    def bytes_of(self, settings: Settings) -> float:
        """Bytes an item, without any load."""
        if not self._server:
            self._start({})
        changes = live("store", self.spec, self.version, self.applied, settings)
        assert changes is not None
        self.applied = dict(settings)
        play.change(self.target, changes, "")
        found = play.measure(self.generator, self.program, self.target, self.workload, [], shared=False)
        return float(found["bytes_per_item"])

    def _start(self, settings: Settings) -> None:
        self.close()
        lines = store_redis.directives(spec_of("store", {**self.spec, **settings}), self.version)
        words = [word for name, value in lines if name not in _OWN for word in (f"--{name}", *_words(value))]
        self._folder = Path(tempfile.mkdtemp(prefix="benchfly-tuned-"))
        self._server = Server(self._folder, *words, binary=str(self.binary)).__enter__()

    def close(self) -> None:
        if self._server:
            self._server.__exit__(None, None, None)
            self._server = None
            shutil.rmtree(self._folder)


@contextmanager
def tuned(engine: str, declared: Settings, load: Workload, seconds: float, generator: str = "auto") -> Iterator[Tuned]:
    store = Tuned(engine, declared, load, seconds, generator)
    try:
        yield store
    finally:
        store.close()


def study(folder: Path, store: Tuned, plan: Plan) -> Outcome:
    """A whole study of the store; one that was cut short goes on."""
    going = Study(folder, plan)
    while batch := going.next:
        store.expected = going.expected or store.expected
        going.record([result(each) for each in store.measure(batch.steps)])
    assert going.outcome
    return going.outcome


def grid(
    file: Path, choices: Mapping[str, Sequence[Any]], measure: Callable[[Settings], Any], spec: Settings
) -> list[dict[str, Any]]:
    """Every combination with what was `found` of it, those that were measured already in the file."""
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    points = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    with file.open("a") as kept:
        for point in points[len(done) :]:
            settings = {key: value for key, value in point.items() if value != spec.get(key)}
            done.append({"settings": settings, "found": measure(settings)})
            kept.write(json.dumps(done[-1]) + "\n")
            kept.flush()
    return done


def against_grid(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several studies kept, beside the best of a grid of all combinations."""
    return {
        "studies": len(found),
        "least_recovered": min(each["recovered"] for each in found),
        "most_trials_of_the_grid": max(each["share_of_grid"] for each in found),
        "kept_without_proof": sum(each["unproved"] for each in found),
        "of_each": found,
    }


def good(found: Mapping[str, Any]) -> bool:
    """At least 95 % of the grid's best, in at most a quarter of its trials, and nothing kept without proof."""
    recovered = found["least_recovered"] >= RECOVERED and found["most_trials_of_the_grid"] <= 0.25
    return bool(recovered and found["kept_without_proof"] == 0)


def _words(value: str) -> list[str]:
    return [""] if value == '""' else value.split()
