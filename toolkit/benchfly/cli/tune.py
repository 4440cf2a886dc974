"""`benchfly tune`: the verb, and what it proved written into the inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import closest
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli.locks import locked
from benchfly.cli.options import Options, with_common
from benchfly.cli.output import Output
from benchfly.cli.run import Verb, chosen, confirm, execute
from benchfly.errors import InventoryError, RefusedError
from benchfly.fleet.inventory import Inventory
from benchfly.fleet.loader import load
from benchfly.fleet.model import Fleet, Store
from benchfly.fleet.table import plain_table
from benchfly.playbook.outcome import Outcome
from benchfly.playbook.progress import progress
from benchfly.results import Run
from benchfly.tuning import change
from benchfly.tuning.change import Line
from benchfly.tuning.space import Facts, open_to

StoreOption = Annotated[
    str, typer.Option("--store", metavar="NAME", help="The store that settings are tried on.", show_default=False)
]
ObjectiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        metavar="WHAT",
        help="throughput, p99 or bytes (of a session); may be given several times. By default bytes.",
        show_default=False,
    ),
]
ApplyOption = Annotated[
    bool, typer.Option("--apply", metavar="", help="Write what was proved into the inventory; `deploy` rolls it out.")
]
RestoreOption = Annotated[bool, typer.Option("--restore", metavar="", help="Only put back what a killed run left.")]


def tune_command(verb: Verb) -> Callable[..., None]:
    """The command of the verb, with options of its own."""

    @with_common
    def command(
        options: Options,
        store: StoreOption = "",
        objective: ObjectiveOption = None,
        apply: ApplyOption = False,
        restore: RestoreOption = False,
    ) -> None:
        variables: dict[str, Any] = {"tune_store": store}
        variables |= {"tune_objectives": objective} if objective else {}
        variables |= {"tune_restore": True} if restore else {}
        own = ["--store", store, *(word for name in objective or () for word in ("--objective", name))]
        run_tune(verb, replace(options, overrides=variables, own=own), store, apply, restore)

    return command


def run_tune(verb: Verb, options: Options, name: str, apply: bool, restore: bool) -> None:
    """Run the playbook, and show what it proved as a change of the inventory, or make that; raises typer.Exit."""
    fleet, benches = chosen(verb, options)
    output, store = Output(options.as_json), _found(fleet, name)
    confirm(verb, options, output, _plan(store, apply, restore))
    show = progress(output.console, options.verbosity or int(options.check or options.diff))
    with locked(("benchmark", f"tune-{name}"), "`benchfly tune`"):
        done = execute(verb, options, fleet, benches, show)
    if done.code:
        output.result(done.data)
        output.complain(done.message)
        raise typer.Exit(done.code)
    changed = change.of(done.outcome.data.get("tune", {}).get("change", ()))
    data, shown = dict(done.data), [summary(done.run, done.outcome)]
    if changed:
        file, before, after = _edit(Inventory(fleet.sources, options.extra_vars), store, changed)
        data |= {"diff": change.diff(before, after, file), "applied": apply}
        if apply:
            _write(Path(file), before, after, lambda: load(fleet.sources, options.extra_vars))
        shown += [Text(data["diff"]), Text(_next(file, apply))]
    output.result(data, Group(*shown))


def summary(run: Run, outcome: Outcome) -> RenderableType:
    """What was tried and proved, and what else the rules advise."""
    told = outcome.data.get("tune")
    if not told:
        return ""
    found = told["outcome"]
    if not found:
        rows = [(key, ", ".join(map(change.shown, values))) for key, values in told["choices"].items()]
        return plain_table(("Would try", "Values"), rows)
    kept = found["kept"]
    parts: list[RenderableType] = [
        Text(f"{told['store']}: {found['trials']} candidates in {found['steps']} plays, {found['seconds']:.0f} s.")
    ]
    if len(found["front"]) > 1:
        parts.append(_front(found["front"]))
    if kept["settings"]:
        proved = [
            (each.key, change.shown(each.was), change.shown(each.value), each.effect)
            for each in change.of(told["change"])
        ]
        parts.append(plain_table(("Setting", "Now", "Proved", "Effect with its interval of 95 %"), proved))
    else:
        parts.append(Text(f"Nothing is kept: {kept['because']}."))
    parts += [Text(f"Did not count: {_words(settings)}. {why}") for settings, why in found["failed"]]
    advice = [each for each in found["findings"] if each["what"] == "advice"]
    parts += [
        Text(f"Not tried, advised by {each['rule']}: {each['setting']}, for {each['because']}.") for each in advice
    ]
    return Group(*parts)


def _found(fleet: Fleet, name: str) -> Store:
    if name not in fleet.stores:
        near = closest(name, list(fleet.stores))
        remedy = f"Did you mean {near}?" if near else f"Declared are: {', '.join(sorted(fleet.stores)) or 'none'}."
        said = f"There is no store {name} in the inventory." if name else "Say with --store which store."
        raise RefusedError(f"{said} {remedy}")
    return fleet.stores[name]


def _plan(store: Store, apply: bool, restore: bool) -> RenderableType:
    where = f"{store.name} ({store.spec.engine} at {store.endpoint}, on {store.host})"
    if restore:
        return Text(f"{where} is put back to what it was before a run that was killed; else nothing is done.")
    facts = Facts(spec=store.spec.mapping, cpus=1024)  # the host says how many there are when it is asked
    rows = [
        (
            each.name,
            change.shown(store.spec.mapping[each.name]),
            "yes" if store.spec.engine in each.restart else "no",
            each.risk,
        )
        for each in open_to(facts)
    ]
    ends = "is written into the inventory" if apply else "is shown"
    return Group(
        Text(f"On {where} other settings are tried in turns with today's."),
        Text(f"At the end it is as it was; what was proved {ends}."),
        Text(""),
        plain_table(("May try", "Today", "Restarts", "Risk"), rows),
    )


def _front(front: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]]) -> RenderableType:
    """What no other candidate beats in every objective; seen in the search, and proved only where it says so."""
    rows = [(_words(settings), *(f"{100 * gain:+.1f} %" for gain in gains.values())) for settings, gains in front]
    return plain_table(("Pareto front, as seen in the search", *(f"gain in {name}" for name in front[0][1])), rows)


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {change.shown(value)}" for key, value in settings.items()) or "today's settings"


def _edit(inventory: Inventory, store: Store, changed: Sequence[Line]) -> tuple[str, str, str]:
    """The file that declares the store, its text, and its text with the change."""
    file, _, line = inventory.where(store.host, f"stores.{store.name}").rpartition(":")
    text = "\n" + change.document(store.name, changed)
    if not line.isdigit() or not Path(file).is_file():
        raise RefusedError(f"It is not told in which file {store.name} is declared. Write there yourself:{text}")
    before = Path(file).read_text(encoding="utf-8")
    try:
        return file, before, change.edited(before, store.name, int(line), changed)
    except RefusedError as error:
        raise RefusedError(f"{file}:{line}: {error}. Write there yourself:{text}") from error


def _write(file: Path, before: str, after: str, check: Callable[[], object]) -> None:
    """The file whole or as it was, and as it was when the inventory would be wrong with it."""
    replace_file(file, after.encode())
    try:
        check()
    except InventoryError:
        replace_file(file, before.encode())
        raise


def _next(file: str, applied: bool) -> str:
    if applied:
        return f"Written to {file}. `benchfly deploy` rolls it out; each line says what takes it back."
    return f"--apply writes this to {file}, and `benchfly deploy` rolls it out."
