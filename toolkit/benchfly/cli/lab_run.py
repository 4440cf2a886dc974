"""`benchfly lab run`: every benchmark of the suite in a lab, which is built for it and removed afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.aws import client
from benchfly.cli import claims, report
from benchfly.cli.bucket import kept_in_bucket
from benchfly.cli.help import INTERRUPTED
from benchfly.cli.lab_options import LabOption, TuningOption, WorkloadOption
from benchfly.cli.lab_words import bill, lost, planned
from benchfly.cli.locks import locked
from benchfly.cli.options import ExtraVarsOption, JsonOption, Options, ScaleOption, VerboseOption, YesOption
from benchfly.cli.output import Output
from benchfly.cli.run import Done, Verb, ask, chosen, execute
from benchfly.errors import RefusedError, RunFailedError
from benchfly.fleet.table import plain_table
from benchfly.lab import Bed, Lab, hosts
from benchfly.lab.bed import lab_id
from benchfly.lab.bill import prices, prices_of
from benchfly.lab.found import find
from benchfly.lab.life import make, stoppable, take_down
from benchfly.lab.site import look
from benchfly.lab.suite import Benchmark, suite
from benchfly.playbook.progress import progress
from benchfly.results import Run
from benchfly.results.s3 import VARIABLE, Bucket

_LAB = Verb("lab", needs_benches=False)
_BENCHMARK = Verb("benchmark", needs_benches=False)
_STATE = "suite.json"  # in the run's folder, as it stands


@dataclass
class Measured:
    """What came of the suite so far: a row for each benchmark, and what stopped it early."""

    run: Run
    rows: list[dict[str, Any]] = field(default_factory=list)
    claims: Mapping[str, Any] = field(default_factory=dict)  # by what was measured, once that is over
    shown: RenderableType = ""
    message: str = ""
    interrupted: bool = False

    @property
    def good(self) -> list[str]:
        """The runs of the benchmarks that came to their end."""
        return [row["run"] for row in self.rows if row["status"] == "ok"]

    @property
    def code(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        return 0 if len(self.good) == len(self.rows) and not self.message else RunFailedError.exit_code

    @property
    def status(self) -> str:
        return "failed" if self.code else "ok"


def run(
    bed: Bed,
    lab: LabOption = None,
    workload: WorkloadOption = None,
    tuning: TuningOption = None,
    scale: ScaleOption = 1.0,
    extra_vars: ExtraVarsOption = None,
    verbose: VerboseOption = 0,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure every workload of the suite in a lab, and hold the published figures against it.

    Builds the lab, deploys the stores, plays each workload with them untuned and tuned, and removes the lab, also when
    something fails or is interrupted. Each benchmark is a run of its own, with its report.
    """
    output, benchmarks = Output(as_json), suite(workload or (), tuning or ())
    options = Options(extra_vars=extra_vars or (), verbosity=verbose, as_json=as_json, yes=yes)
    bucket = Bucket.configured()
    if bucket:
        bucket.records(limit=1)  # whether it is there, before hosts cost money
    with interruptible(output), client("ec2", region=bed.region, what=lab or "the lab") as ec2:
        if lab:
            there = _there(ec2, lab_id(lab))
            measured = measure(output, ec2, there, options, benchmarks, scale)
            cost = bill(there, prices_of(ec2, there))
        else:
            longest = sum(each.longest(len(bed.engines), scale) for each in benchmarks)
            bed = replace(bed, life=bed.life or timedelta(seconds=longest, hours=1))
            site = look(bed, ec2)
            known = prices(ec2, bed.types(), bed.spot)
            outlook = _outlook(benchmarks, longest, bucket)
            output.console.print(planned(bed, site, known), outlook, sep="\n\n", end="\n\n")
            if not yes:
                ask(output, "`benchfly lab run` builds hosts that cost money", "Build it, measure, and remove it?")
            there = make(ec2, bed, site, output.console.print)
            try:
                measured = measure(output, ec2, there, options, benchmarks, scale)
            finally:
                cost = bill(there, known)
                take_down(ec2, there.id, output.console.print)
    data, shown = _told(measured, cost)
    output.result({**data, "lab": there.id}, shown)
    if measured.code:
        output.complain(measured.message or "Not every benchmark came to its end.")
        raise typer.Exit(measured.code)


def measure(
    output: Output, ec2: Any, lab: Lab, options: Options, benchmarks: Sequence[Benchmark], scale: float
) -> Measured:
    """Play the benchmarks, tuning by tuning. One that fails does not stop the others, a host that is gone does."""
    options = replace(options, inventory=(str(hosts.inventory(lab.id)),))
    measured = Measured(Run.create("suite", {"lab": lab.id, "benchmarks": list(map(str, benchmarks))}))
    player = _Player(output, options, list(chosen(_LAB, options)[0].stores))
    with locked((lab.id,), "`benchfly lab run`"):
        for benchmark, done in player.play_all(benchmarks, scale):
            measured.rows.append(_row(benchmark, done))
            measured.run.note(_STATE, {"benchmarks": measured.rows})
            if done.code:
                measured.interrupted = done.code == INTERRUPTED
                measured.message = lost(lab, find(ec2, [lab.id]).get(lab.id))
            if measured.interrupted or measured.message:
                break
    if measured.good:
        measured.claims, measured.shown = claims.judged(claims.gathered(measured.good))
    measured.run.finish({"status": measured.status, "benchmarks": measured.rows, "claims": measured.claims})
    if kept := kept_in_bucket(measured.run):
        output.console.print(kept)
    return measured


@dataclass(frozen=True)
class _Player:
    """Runs the playbooks on a lab and its stores. What the command line says goes before what the suite says."""

    output: Output
    options: Options
    stores: Sequence[str]

    def play_all(self, benchmarks: Sequence[Benchmark], scale: float) -> Iterator[tuple[Benchmark, Done]]:
        """Each with what came of it; where the stores could not be brought up, that stands for all of a tuning."""
        for tuning, group in groupby(benchmarks, lambda each: each.tuning):
            ready = self._run(f"Stores, {tuning}", _LAB, {"lab_tuning": tuning})
            for benchmark in group:
                yield benchmark, ready if ready.code else self._play(benchmark, scale)

    def _play(self, benchmark: Benchmark, scale: float) -> Done:
        """One of the suite, with its report."""
        variables = {
            "lab_tuning": benchmark.tuning,
            "benchmark_stores": self.stores,
            "benchmark_workload": benchmark.workload,
            "benchmark_scale": scale,
            "benchmark_processes": "{{ lab_processes }}",
            **benchmark.variables,
        }
        done = self._run(str(benchmark), _BENCHMARK, variables)
        if not done.code:
            self.output.console.print(report.benchmark(done.run, done.outcome))
        return done

    def _run(self, heading: str, verb: Verb, variables: Mapping[str, Any]) -> Done:
        self.output.console.print(heading, style="bold")
        options = replace(self.options, extra_vars=(json.dumps(variables), *self.options.extra_vars))
        done = execute(verb, options, *chosen(verb, options), progress(self.output.console, options.verbosity))
        if done.code:
            self.output.complain(done.message)
        return done


@contextmanager
def interruptible(output: Output) -> Iterator[None]:
    """Ctrl-C and the like end the command with their exit code, after what must be done then."""
    with stoppable():
        try:
            yield
        except KeyboardInterrupt:
            output.complain("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None


def _there(ec2: Any, lab: str) -> Lab:
    """A lab that is up. Raises RefusedError."""
    found = find(ec2, [lab]).get(lab)
    if not found or not found.alive:
        raise RefusedError(
            f"{lab} has no hosts in this region. `benchfly lab status --all-regions` lists those there are."
        )
    return found


def _row(benchmark: Benchmark, done: Done) -> dict[str, Any]:
    return {
        "tuning": benchmark.tuning,
        "workload": benchmark.workload,
        "run": done.run.id,
        "status": done.outcome.status,
        "message": done.message,
    }


def _outlook(benchmarks: Sequence[Benchmark], longest: float, bucket: Bucket | None) -> RenderableType:
    """What is going to be measured."""
    lines = [
        f"{len(benchmarks)} benchmarks: {'; '.join(map(str, benchmarks))}. They take {longest / 3600:.1f} h at most."
    ]
    lines += [
        f"Results go to {bucket}, too." if bucket else f"Results stay here; {VARIABLE} would name a bucket for them."
    ]
    return Group(*map(Text, lines))


def _told(measured: Measured, cost: str) -> tuple[dict[str, Any], RenderableType]:
    rows = [(row["workload"], row["tuning"], row["status"], row["run"]) for row in measured.rows]
    lines: list[RenderableType] = [plain_table(("Workload", "Stores", "Status", "Run"), rows), ""]
    data: dict[str, Any] = {
        "status": measured.status,
        "exit_code": measured.code,
        "message": measured.message,
        "run": measured.run.id,
        "benchmarks": measured.rows,
        "claims": measured.claims,
        "cost": cost,
    }
    lines += [measured.shown, ""] if measured.claims else []
    return data, Group(*lines, Text(cost))
