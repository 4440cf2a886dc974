"""`benchfly db-load`: the verb, with options of its own, and its figures for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from ansible_collections.benchfly.stores.plugins.module_utils.db_load import COLD, NONE, STATES, WARM
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.benchmark.db_load import DatabaseLoad, Difference, Figure, Saving, Value
from benchfly.cli.bucket import kept_in_bucket
from benchfly.cli.locks import locked
from benchfly.cli.options import BenchOption, Options, with_common
from benchfly.cli.output import Output
from benchfly.cli.run import Verb, chosen, confirm, execute
from benchfly.errors import RefusedError, ResultsError
from benchfly.fleet.model import Bench
from benchfly.fleet.table import plain_table
from benchfly.playbook.progress import progress
from benchfly.results import Run

DATA = "db_load"  # what the playbook hands over

SiteOption = Annotated[
    str,
    typer.Option(
        "--site", metavar="NAME", help="By default the bench's default site, or its only one.", show_default=False
    ),
]
PathOption = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="PATH",
        help="Request this of the site, such as /login; may be given several times, and is played in that order.",
        show_default=False,
    ),
]
StateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="warm, cold, or none (no cache can be reached); may be given several times. By default warm and cold.",
        show_default=False,
    ),
]
StoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        metavar="NAME",
        help="Measure with this store of the inventory, not with the bench's own cache; several are compared.",
        show_default=False,
    ),
]


def db_load_command(verb: Verb) -> Callable[..., None]:
    """The command of the verb, with options of its own."""

    @with_common
    def command(
        options: Options,
        bench: BenchOption = None,
        site: SiteOption = "",
        path: PathOption = None,
        state: StateOption = None,
        store: StoreOption = None,
    ) -> None:
        own = {"--site": [site] if site else [], "--path": path, "--state": state, "--store": store}
        given = {"site": site, "paths": path, "states": state or [WARM, COLD], "stores": store}
        run_db_load(
            verb,
            replace(
                options,
                benches=bench or (),
                overrides={f"db_load_{name}": value for name, value in given.items() if value},
                own=[word for name, values in own.items() for value in values or () for word in (name, value)],
            ),
        )

    return command


def run_db_load(verb: Verb, options: Options) -> None:
    """Run the playbook on one bench, and say what it came to; raises typer.Exit."""
    fleet, benches = chosen(verb, options)
    if len(benches) != 1:
        raise RefusedError(f"Say with --bench which bench: {', '.join(bench.name for bench in benches)}.")
    if wrong := set(options.overrides["db_load_states"]) - set(STATES):
        raise RefusedError(f"--state is {', '.join(sorted(wrong))}. Give {', '.join(STATES)}.")
    output = Output(options.as_json)
    if COLD in options.overrides["db_load_states"]:
        confirm(verb, options, output, _plan(benches[0], options.overrides))
    show = progress(output.console, options.verbosity or int(options.check or options.diff))
    with locked([benches[0].name, "benchmark"], "`benchfly db-load`"):
        # So that the playbook has it also where it is the only one, and no --bench was given.
        done = execute(verb, replace(options, benches=[benches[0].name]), fleet, benches, show)
    told = done.outcome.data.get(DATA, {})
    load = DatabaseLoad.told(told)
    output.result({**done.data, "figures": asdict(load) if load else {}}, shown(told))
    if done.code:
        output.complain(done.message)
        raise typer.Exit(done.code)
    if not options.check and (kept := kept_in_bucket(done.run)):
        output.console.print(kept, markup=False)


def compare(runs: Sequence[Run], force: bool, output: Output) -> None:
    """Hold stores of several runs side by side, as before and after a move.

    Raises ResultsError for a run without figures, and RefusedError where they did not count the same, unless forced.
    """
    told = list(map(_told, runs))
    for run, each in zip(runs, told, strict=True):
        if not each.get("passes"):
            raise ResultsError(f"{run.id} counted nothing: it was refused, cut short, or run with --check")
    found = [_conditions(each) for each in told]
    apart = [
        f"{name} {found[0][name]} in one and {value} in another"
        for one in found
        for name, value in one.items()
        if value != found[0][name]
    ]
    if apart and not force:
        raise RefusedError(
            f"These runs did not count the same: {'; '.join(apart)}. Count the same again, or mark the outcome with "
            "--force."
        )
    caches, passes = [], []
    for run, each in zip(runs, told, strict=True):
        names = {cache["name"]: f"{cache['name']} in {run.id[-4:]}" for cache in each["caches"]}
        caches += [{**cache, "name": names[cache["name"]]} for cache in each["caches"]]
        passes += [{**one, "cache": names[one["cache"]]} for one in each["passes"] if one["cache"] in names]
    load = DatabaseLoad.of(passes, [cache["name"] for cache in caches])
    mark = f"Not counted alike: {'; '.join(apart)}." if apart else ""
    data = {"status": "ok", "exit_code": 0, "runs": [run.id for run in runs], "mark": mark, "figures": asdict(load)}
    heading = f"{_which(told[0])}. The runs were one after the other: what else changed meanwhile shows, too. {mark}"
    output.result(data, Group(Text(heading.strip()), "", *_tables(load, caches)))


def rows(run: Run) -> Iterator[dict[str, Any]]:
    """A run's figures as rows, those of all its requests (without `path`) and those of each; none without figures."""
    told = _told(run)
    load = DatabaseLoad.told(told)
    servers = {cache["name"]: cache for cache in told.get("caches", ())}
    for each in load.figures if load else ():
        server, questions = servers.get(each.cache, {}), each.questions
        yield {
            "run": run.id,
            "bench": told["bench"],
            "site": told["site"],
            "cache": each.cache,
            "engine": server.get("engine"),
            "version": server.get("version"),
            "state": each.state,
            "path": each.path,
            "rounds": questions.rounds if questions else 0,
            "questions": questions.middle if questions else None,
            "low": questions.low if questions else None,
            "high": questions.high if questions else None,
            "selects": each.selects.middle if each.selects else None,
        }


def _told(run: Run) -> Mapping[str, Any]:
    """What the playbook handed over in a run; empty where it came to nothing."""
    return ((run.outcome or {}).get("data") or {}).get(DATA) or {}


def shown(told: Mapping[str, Any]) -> RenderableType:
    """What the playbook handed over, as tables; nothing in check mode."""
    load = DatabaseLoad.told(told)
    return Group(Text(f"{_which(told)}."), "", *_tables(load, told["caches"])) if load else ""


def _which(told: Mapping[str, Any]) -> str:
    where = f"{told['site']} of {told['bench']}, Frappe {told['frappe']}, MariaDB {told['database']}"
    return f"{where}: statements per request"


def _conditions(told: Mapping[str, Any]) -> dict[str, str]:
    """What must be the same where runs are held side by side."""
    requests = ", ".join(request["path"] for request in told["passes"][0]["requests"])
    return {"site": told["site"], "Frappe": told["frappe"], "MariaDB": told["database"], "requests": requests}


def _tables(load: DatabaseLoad, caches: Sequence[Mapping[str, str]]) -> list[RenderableType]:
    servers = {cache["name"]: f"{cache['engine']} {cache['version']}" for cache in caches}
    parts: list[RenderableType] = [_whole(load.figures, servers), "", _by_path(load.figures), ""]
    parts += [Text(line) for line in (*map(_saved, load.savings), *map(_apart, load.differences))]
    parts += [
        Text(f"Spoilt: round {each['round']}, {each['cache']} {each['state']}: {each['spoilt']}.")
        for each in load.spoilt
    ]
    return parts


def _plan(bench: Bench, given: Mapping[str, Any]) -> RenderableType:
    """What the state cold takes."""
    site = f"{given.get('db_load_site') or 'the default site'} of {bench.name}"
    if not (stores := given.get("db_load_stores")):
        return Text(f"Once a round the cache of {site} is cleared: its users wait until it is filled again.")
    return Text(
        f"Once a round what {site} cached in {' and '.join(stores)} is removed. Where one of these is the store that "
        "the bench uses, the site's users wait until it is filled again."
    )


def _whole(figures: Sequence[Figure], servers: Mapping[str, str]) -> RenderableType:
    """A row for each cache in each state, over all requests."""
    rows = [
        (
            each.cache,
            servers.get(each.cache, ""),
            each.state,
            _middle(each.questions),
            _interval(each.questions),
            _middle(each.selects),
            str(each.questions.rounds if each.questions else 0),
        )
        for each in figures
        if each.path is None
    ]
    return plain_table(("Cache", "Server", "State", "Statements", "95 % interval", "of them SELECT", "Rounds"), rows)


def _by_path(figures: Sequence[Figure]) -> RenderableType:
    """A row for each request, a column for each cache in each state."""
    cells = {(each.path, each.cache, each.state): _middle(each.questions) for each in figures}
    columns = list(dict.fromkeys((cache, state) for _, cache, state in cells))
    paths = dict.fromkeys(each.path for each in figures if each.path)
    rows = [(path, *(cells[path, cache, state] for cache, state in columns)) for path in paths]
    return plain_table(("Request", *(f"{cache} {state}" for cache, state in columns)), rows)


def _saved(saving: Saving) -> str:
    low, high = saving.share.low, saving.share.high
    interval = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    other = "no cache" if saving.state == NONE else "a cold one"
    return f"{saving.cache} warm takes off {100 * saving.share.middle:.1f} %{interval} of the statements with {other}."


def _apart(difference: Difference) -> str:
    interval = _interval(difference.more)
    size = f"{difference.more.middle:+,.1f}" + (f" ({interval})" if interval else "")
    where = f"{difference.cache} against {difference.baseline}, {difference.state}"
    return f"{where}: {size} statements per request, {difference.verdict}."


def _middle(value: Value | None) -> str:
    return "spoilt" if value is None else f"{value.middle:,.1f}"


def _interval(value: Value | None) -> str:
    if value is None or value.low is None or value.high is None:
        return ""
    return f"{value.low:,.1f} to {value.high:,.1f}"
