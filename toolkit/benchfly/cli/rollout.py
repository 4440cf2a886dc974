"""migrate and rollback on several benches: a run of the playbook for each, in the order of a rollout."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer
from ansible_collections.benchfly.stores.plugins.module_utils import blackout, host_capacity
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli.evidence import VARIABLE, evidence, refuse
from benchfly.cli.help import INTERRUPTED
from benchfly.cli.locks import locked
from benchfly.cli.options import Options, Several
from benchfly.cli.output import Output
from benchfly.cli.rollout_plan import show_plan
from benchfly.cli.run import Done, Verb, changed_nothing, chosen, confirm, execute, inputs_of, run_on
from benchfly.errors import RefusedError, RunFailedError
from benchfly.fleet.model import Bench, Fleet
from benchfly.fleet.table import plain_table
from benchfly.playbook.outcome import Event, Tally
from benchfly.playbook.progress import Progress
from benchfly.results import Run
from benchfly.rollout import Ended, Rollout, State, Step, parse_batch, steps
from benchfly.rollout.drive import Report, drive
from benchfly.rollout.progress import progress
from benchfly.rollout.state import GOOD

VERB = "rollout"  # of the run that has the others as its parts
_STATE = "rollout.json"  # in its folder, as it stands
_CODES = {"ok": 0, "refused": RefusedError.exit_code, "failed": RunFailedError.exit_code, "interrupted": INTERRUPTED}
# A move of a small bench takes 23 s of processor time where one machine is all of its hosts, and waits as well.
_BYTES_OF_ONE, _OF_ONE_PROCESSOR = 256 << 20, 2


def run_move(verb: Verb, options: Options) -> None:
    """Move one bench as any verb runs, several as a rollout; raises typer.Exit with the exit code unless that is 0."""
    several = options.several or Several()
    if several.all and options.benches:
        raise RefusedError("--all and --bench are both given. Say which benches are meant.")
    fleet, benches = chosen(verb, options)
    order = steps([bench.name for bench in benches], several.canary, parse_batch(several.batch))
    rollout = Rollout(order, several.parallel or bound())
    verdicts = evidence(options, fleet, benches) if verb.way_back else {}
    if options.plan:
        show_plan(verb, options, fleet, benches, rollout, verdicts)
        return
    refuse(options, fleet, verdicts)
    if options.check or (len(benches) == 1 and not several.all):
        variables = {VARIABLE: verdicts} if verdicts else {}
        run_on(verb, replace(options, several=None), fleet, benches, variables)
    else:
        _roll_out(verb, options, fleet, benches, rollout, verdicts)


def bound(processors: int | None = None, memory: int | None = None) -> int:
    """How many moves this machine runs at the same time, of so many processors and so many bytes of RAM."""
    processors = processors or len(os.sched_getaffinity(0))
    memory = memory or host_capacity.memory() or 0
    return max(1, min(_OF_ONE_PROCESSOR * processors, memory // 2 // _BYTES_OF_ONE))


def _roll_out(
    verb: Verb,
    options: Options,
    fleet: Fleet,
    benches: Sequence[Bench],
    rollout: Rollout,
    verdicts: Mapping[str, Any],
) -> None:
    output = Output(options.as_json)
    assert verb.plan
    confirm(verb, options, output, Group(verb.plan(fleet, benches), Text(f"\n{_order(rollout)}")))
    with locked(verb.locks(benches), f"`benchfly {verb.name}`"):
        run = Run.create(VERB, {"of": verb.name, **inputs_of(options, fleet, benches)})
        mover = _Mover(verb, options, fleet, run, verdicts)
        with progress(output.console) as show:

            def observe(rollout: Rollout, changed: bool) -> None:
                show(rollout)
                if changed:
                    run.note(_STATE, {"verb": verb.name, **rollout.as_dict()})

            drive(rollout, mover.move, mover.hold, observe)
        data = _data(verb, options, run, rollout)
        run.note(_STATE, {"verb": verb.name, **rollout.as_dict()})
        run.finish(data)
    output.result(data, _table(rollout))
    if data["message"]:
        output.complain(data["message"])
    if data["exit_code"]:
        raise typer.Exit(data["exit_code"])


@dataclass(frozen=True)
class _Mover:
    """Moves one bench, in a process of its own; where that fails part-way, takes it back."""

    verb: Verb
    options: Options
    fleet: Fleet
    rollout: Run
    verdicts: Mapping[str, Any]  # on the benches' policies

    def move(self, name: str, report: Report) -> Ended:
        own = {VARIABLE: {name: self.verdicts[name]}} if name in self.verdicts else {}
        began, done = time.monotonic(), self._run(self.verb, name, report, own)
        ended = self._judge(name, done, report)
        return replace(ended, seconds=round(time.monotonic() - began, 1), runs=(done.run.id, *ended.runs))

    def hold(self, name: str) -> str:
        """Why the bench must not start now."""
        if "frappe_bench_ignore_blackout" in self.options.overrides:
            return ""
        window = blackout.current(self.fleet.benches[name].blackout)
        return f"{name} has a blackout window now, {window}" if window else ""

    def _judge(self, name: str, done: Done, report: Report) -> Ended:
        if not done.code:
            needed = done.outcome.data[self.verb.name][name]["needed"]
            return Ended(State.MOVED if needed else State.THERE)
        message = "; ".join(str(failure) for failure in done.outcome.failures) or done.message
        again = f"`{self._command(self.verb.name, name)}` resumes it"
        if done.outcome.status == "interrupted":
            return Ended(State.INTERRUPTED, message="it was interrupted", remedy=again + self._or_back(name))
        if changed_nothing(done.outcome):
            return Ended(State.REFUSED, message=message, remedy="Deal with the reason; then run the rollout again")
        if not self.verb.way_back:
            return Ended(State.FAILED, message=message, remedy=f"Deal with the reason; then {again}")
        # Only what this move began: an earlier one that was finished is none of its business.
        back = self._run(Verb(self.verb.way_back), name, report, {"frappe_bench_only_unfinished": True})
        if not back.code:
            return Ended(State.ROLLED_BACK, message=message, remedy="Deal with the reason", runs=(back.run.id,))
        message += f"; and then: {'; '.join(str(failure) for failure in back.outcome.failures) or back.message}"
        state = State.INTERRUPTED if back.outcome.status == "interrupted" else State.FAILED
        return Ended(state, message=message, remedy=again + self._or_back(name), runs=(back.run.id,))

    def _run(self, verb: Verb, name: str, report: Report, variables: Mapping[str, Any]) -> Done:
        options = replace(self.options, benches=(name,), several=None)
        show = _Reporting(lambda phase: report(phase if verb is self.verb else f"taking it back: {phase}"))
        noted = {VERB: self.rollout.id, **variables}
        return execute(verb, options, self.fleet, [self.fleet.benches[name]], show, noted, variables)

    def _command(self, verb: str, name: str) -> str:
        return replace(self.options, benches=(name,), several=None).repeated(verb)

    def _or_back(self, name: str) -> str:
        return f"; `{self._command(self.verb.way_back, name)}` takes it back" if self.verb.way_back else ""


class _Reporting(Progress):
    """Tells of each phase, and with every event that there is one."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, event: Event, tally: Tally) -> None:
        self._report(tally.phase.name if tally.phase else "")


def _order(rollout: Rollout) -> str:
    """In which order, in a sentence."""
    sizes = [len(step.benches) for step in rollout.steps]
    canaries = [step.benches[0] for step in rollout.steps if step.name == "canary"]
    first = f"First {' and '.join(canaries)}; then the others" if canaries else "All"
    return (
        f"{sum(sizes)} benches in {len(rollout.steps)} steps. {first} in batches of up to {max(sizes)}, at most "
        f"{rollout.parallel} at the same time. The first that fails is taken back, and none starts after it."
    )


def _data(verb: Verb, options: Options, run: Run, rollout: Rollout) -> dict[str, Any]:
    data = {"verb": verb.name, "run": run.id, "folder": str(run.folder), "exit_code": _CODES[rollout.status]}
    return {**data, "status": rollout.status, "message": _message(verb, options, rollout), **rollout.as_dict()}


def _message(verb: Verb, options: Options, rollout: Rollout) -> str:
    """What went wrong with which bench, which were not touched, and what to do; empty when all went well."""
    if rollout.status == "ok":
        return ""
    lines = [f"{verb.name} stopped, because {rollout.stopped}. {len(rollout.of(*GOOD))} benches are done."]
    failed = rollout.of(State.REFUSED, State.ROLLED_BACK, State.FAILED, State.INTERRUPTED)
    lines += [
        f"{bench}: {ended.state}: {ended.message}. {ended.remedy}."
        for bench in failed
        if (ended := rollout.ended(bench))
    ]
    if untouched := rollout.of(State.UNTOUCHED):
        lines.append(f"Untouched: {', '.join(untouched)}.")
    return "\n".join([*lines, f"`{options.repeated(verb.name)}` goes on; benches that are done are passed over."])


def _table(rollout: Rollout) -> RenderableType:
    def row(step: Step, bench: str) -> tuple[str, str, str, str]:
        ended = rollout.ended(bench)
        return bench, step.name, str(rollout.state(bench)), f"{ended.seconds:.1f} s" if ended else ""

    rows = [row(step, bench) for step in rollout.steps for bench in step.benches]
    return plain_table(("Bench", "Step", "Outcome", "Took"), rows)
