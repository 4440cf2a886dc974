"""Runs a verb: reads the fleet, says what is going to happen, asks, runs the playbook, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typer
from rich.console import RenderableType

from benchfly.cli.bucket import kept_in_bucket
from benchfly.cli.help import INTERRUPTED
from benchfly.cli.locks import locked
from benchfly.cli.options import Options
from benchfly.cli.output import Output
from benchfly.errors import RefusedError, RunFailedError, UnreachableError
from benchfly.fleet.inventory import default_sources
from benchfly.fleet.loader import load
from benchfly.fleet.model import Bench, Fleet
from benchfly.playbook import runner
from benchfly.playbook.outcome import Outcome
from benchfly.playbook.progress import Progress, progress
from benchfly.results import Run

# In the playbooks, these phases only look; what ends in one of them has left everything as it was.
_PHASES_BEFORE_CHANGES = {"Prepare", "Look", "Check"}


@dataclass(frozen=True)
class Verb:
    """A verb and its manners.

    plan: what it is about to do to the benches; a verb that has one changes hosts, and asks before it does.
    locks: what nothing else may do at the same time from this controller; by default anything on the same benches.
    limit: the hosts it is confined to, where they are not those of the benches.
    summary: what came of it, for people. tells: whether that says of a host, too, why the verb was refused there.
    way_back: the verb that takes back a run that failed part-way.
    begun: the file in a run's folder that says that --resume goes on with it.
    niceness: of Ansible, and of what it runs on this very host, beside which a bench may serve its users.
    """

    name: str
    plan: Callable[[Fleet, Sequence[Bench]], RenderableType] | None = None
    locks: Callable[[Sequence[Bench]], Sequence[str]] = lambda benches: [bench.name for bench in benches]
    limit: Callable[[Fleet, Sequence[Bench]], Sequence[str]] = lambda fleet, benches: ()
    needs_benches: bool = True
    summary: Callable[[Run, Outcome], RenderableType] = lambda run, outcome: ""
    tells: bool = False
    way_back: str | None = None
    begun: str = ""
    niceness: int = 0


@dataclass(frozen=True)
class Done:
    """One execution of a verb's playbook, with exit code and closing message; `data` is all of it, as JSON has it."""

    run: Run
    outcome: Outcome
    code: int
    message: str
    data: Mapping[str, Any]


def run_verb(verb: Verb, options: Options) -> None:
    """Run the playbook of a verb; raises typer.Exit with the exit code unless that is 0."""
    run_on(verb, options, *chosen(verb, options))


def run_on(
    verb: Verb,
    options: Options,
    fleet: Fleet,
    benches: Sequence[Bench],
    variables: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """The same for those benches, with more variables for the playbook."""
    output = Output(options.as_json)
    if verb.plan:
        confirm(verb, options, output, verb.plan(fleet, benches))
    # What would change, and how files differ, is in Ansible's own output.
    show = progress(output.console, options.verbosity or int(options.check or options.diff))
    with locked(verb.locks(benches), f"`benchfly {verb.name}`"):
        done = execute(verb, options, fleet, benches, show, variables, variables)
    good = done.outcome.status == "ok" and not (verb.plan and options.check)
    output.result(done.data, verb.summary(done.run, done.outcome) if good or verb.tells else "")
    if "bucket" in done.data:
        output.console.print(done.data["bucket"], markup=False)
    if done.code:
        output.complain(done.message)
        raise typer.Exit(done.code)


def chosen(verb: Verb, options: Options) -> tuple[Fleet, list[Bench]]:
    """The fleet, and those of its benches that are meant. Raises RefusedError when there is none."""
    fleet = load(options.inventory or default_sources(), options.extra_vars, options.benches)
    benches = [bench for bench in fleet.benches.values() if not options.benches or bench.name in options.benches]
    if verb.needs_benches and not benches:
        raise RefusedError(f"There is no bench to {verb.name}. Put its hosts into a group of its own below `benches`.")
    return fleet, benches


def execute(
    verb: Verb,
    options: Options,
    fleet: Fleet,
    benches: Sequence[Bench],
    show: Progress,
    noted: Mapping[str, Any] = MappingProxyType({}),
    variables: Mapping[str, Any] = MappingProxyType({}),
) -> Done:
    """Run the playbook of a verb on some benches, as a run of its own.

    noted: what its inputs.json says besides. variables: for the playbook, beside those of the command line.
    """
    run = Run.create(verb.name, {**inputs_of(options, fleet, benches), **noted})
    outcome = _play(verb, options, show, fleet, benches, run, variables)
    code, message = verdict(verb, options, outcome)
    data = {"verb": verb.name, "run": run.id, "folder": str(run.folder), "exit_code": code, "message": message}
    data |= outcome.as_dict()
    run.finish(data)
    if verb.plan and not options.check and (kept := kept_in_bucket(run)):
        data["bucket"] = kept.plain
    return Done(run, outcome, code, message, data)


def confirm(verb: Verb, options: Options, output: Output, plan: RenderableType) -> None:
    """Show the plan, and have it confirmed unless nothing will be changed."""
    would = "would change" if options.check else "changes"
    output.console.print(f"{verb.name} {would} hosts:", plan, sep="\n\n", end="\n\n")
    if options.yes or options.check:
        return
    ask(output, f"`benchfly {verb.name}` changes hosts", "Go on?")


def ask(output: Output, what: str, question: str) -> None:
    """Have something confirmed. Raises RefusedError that says `what` needs it when there is nobody to ask."""
    if not output.can_ask:
        raise RefusedError(f"{what}, and there is nobody to ask. Repeat it with --yes.")
    try:
        if not typer.confirm(question):
            raise RefusedError("Nothing was changed.")
    except typer.Abort:  # Ctrl-C
        output.complain("Nothing was changed.")
        raise typer.Exit(INTERRUPTED) from None


def _play(
    verb: Verb,
    options: Options,
    show: Progress,
    fleet: Fleet,
    benches: Sequence[Bench],
    run: Run,
    more: Mapping[str, Any],
) -> Outcome:
    variables: dict[str, Any] = {"benchfly_run_id": run.id, "benchfly_run_dir": str(run.folder)}
    variables |= {**options.overrides, **more}
    if options.benches:
        variables["benchfly_benches"] = ",".join(bench.name for bench in benches)
    invocation = runner.Invocation(
        playbook=runner.playbook(verb.name),
        inventory=fleet.sources,
        extra_vars=options.extra_vars,
        variables=variables,
        limit=",".join(verb.limit(fleet, benches)) or None,
        check=options.check,
        diff=options.diff,
        verbosity=max(0, options.verbosity - 1),
        niceness=verb.niceness,
    )
    try:
        with show as observe:
            return runner.run(invocation, run.folder, observe)
    except Exception as error:
        run.finish({"status": "failed", "message": f"{type(error).__name__}: {error}"})
        raise


def inputs_of(options: Options, fleet: Fleet, benches: Sequence[Bench]) -> Mapping[str, Any]:
    return {
        "inventory": fleet.sources,
        "benches": [bench.name for bench in benches],
        "extra_vars": list(options.variable_names()),
        "check": options.check,
        "diff": options.diff,
        "overrides": dict(options.overrides),
    }


def changed_nothing(outcome: Outcome) -> bool:
    """Whether a run ended before it changed anything."""
    return {phase.name for phase in outcome.phases} <= _PHASES_BEFORE_CHANGES


def verdict(verb: Verb, options: Options, outcome: Outcome) -> tuple[int, str]:
    """Exit code and closing message of a run."""
    if outcome.status == "ok":
        if outcome.hosts:
            return 0, ""
        return (
            RefusedError.exit_code,
            f"No host of the inventory has anything to do with {verb.name}; nothing was done.",
        )
    untouched = changed_nothing(outcome)
    if outcome.status == "interrupted":
        code, heading = INTERRUPTED, f"{verb.name} was interrupted."
    elif outcome.status == "unreachable":
        code, heading = UnreachableError.exit_code, f"{verb.name} could not reach a host."
    elif untouched:
        code, heading = RefusedError.exit_code, f"{verb.name} was refused."
    else:
        code, heading = RunFailedError.exit_code, f"{verb.name} failed."
    told = outcome.data.get(verb.name, {}) if verb.tells else {}
    failures = [str(failure) for failure in outcome.failures if failure.host not in told]
    hint = _hint(verb, options, untouched, outcome.log.parent)
    return code, "\n".join([heading, *failures, f"Full log: {outcome.log}", hint])


def _hint(verb: Verb, options: Options, untouched: bool, folder: Path) -> str:
    """What to do after a run that did not come to its end."""
    again = f"`{options.repeated(verb.name)}`"
    back = f"`{options.repeated(verb.way_back)}` takes it back." if verb.way_back else ""
    if untouched:
        return "This run changed nothing." + (f" If an earlier one was cut short, {back}" if back else "")
    if back:
        return f"{again} resumes it; {back}"
    if verb.begun and (folder / verb.begun).exists():
        return f"`{options.repeated(verb.name)} --resume {folder.name}` goes on with it."
    return f"{again} {'resumes it' if verb.plan else 'does it again'}."
