"""One command for each verb, all with the same options."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import typer

from benchfly.cli import gate, plan, report, summary
from benchfly.cli.db_load import db_load_command
from benchfly.cli.help import examples
from benchfly.cli.options import (
    AllOption,
    BatchOption,
    BenchOption,
    CanaryOption,
    CleanOption,
    IgnoreBlackoutOption,
    ObjectiveOption,
    Options,
    ParallelOption,
    PlanOption,
    ResumeOption,
    ScaleOption,
    Several,
    TakeOverOption,
    WithoutEvidenceOption,
    with_common,
)
from benchfly.cli.rollout import run_move
from benchfly.cli.run import Verb, run_verb
from benchfly.cli.tune import tune_command
from benchfly.errors import RefusedError

# Of verbs that run while the bench serves: where it is on this very host, its users go first.
BESIDE_USERS = 10


@dataclass(frozen=True)
class Command:
    """A verb, its help, and examples as pairs of a command line's end and what it does."""

    verb: Verb
    help: str
    examples: Sequence[tuple[str, str]]


COMMANDS = (
    Command(
        Verb("check", summary=gate.check, tells=True, niceness=BESIDE_USERS),
        "Say whether benches may move to the stores that the inventory names, and why not.\n\n"
        "Asks the stores themselves, from every host of a bench and through its own libraries. Changes nothing. The "
        "exit code is 3 when a bench may not move, or only once a store has other settings.",
        (
            ("-i inventories/prod", "check every bench"),
            ("-i inventories/prod --bench shop --json", "one bench, for a machine to read: every need and answer"),
        ),
    ),
    Command(
        Verb("deploy", plan=plan.deploy_plan, limit=plan.deploy_hosts, needs_benches=False, summary=summary.deploy),
        "Bring up the stores that the inventory declares.\n\nBenches go on using what they use.",
        (
            ("-i inventories/prod --check --diff", "show what would change"),
            ("-i inventories/prod --bench shop", "only the hosts that carry the stores of bench shop"),
        ),
    ),
    Command(
        Verb("metrics", plan=plan.deploy_plan, limit=plan.deploy_hosts, needs_benches=False, summary=summary.metrics),
        "Show Prometheus the stores that the inventory declares, with alert rules and a dashboard.\n\n"
        "Their files are written to .benchfly/prometheus.",
        (
            ("-i inventories/prod --check --diff", "show what would change"),
            ("-i inventories/prod", "bring up an exporter on each host of the group stores"),
        ),
    ),
    Command(
        Verb("upgrade", plan=plan.deploy_plan, limit=plan.changed_hosts, needs_benches=False, summary=summary.versions),
        "Take stores to the newer version that the inventory pins, one at a time.\n\nA snapshot first, and back to the "
        "old version when the new one does not do.",
        (
            ("-i inventories/prod --check", "show what would be done, and for how long stores would be away"),
            ("-i inventories/prod -e redis_version=8.0.2", "a version that is not in the inventory yet"),
        ),
    ),
    Command(
        Verb(
            "downgrade", plan=plan.deploy_plan, limit=plan.changed_hosts, needs_benches=False, summary=summary.versions
        ),
        "Take stores to the older version that the inventory pins, where it can read their data.",
        (("-i inventories/prod --bench shop", "only the hosts that carry the stores of bench shop"),),
    ),
    Command(
        Verb("migrate", plan=plan.migrate_plan, summary=summary.move, way_back="rollback", niceness=BESIDE_USERS),
        "Move benches to the stores that the inventory names, with their jobs.\n\nThe web tier keeps serving. "
        "A run that was cut short is resumed by running it again.",
        (
            ("-i inventories/prod --bench shop", "show what moves, ask, move it"),
            ("-i inventories/prod --bench shop --yes --json", "from a script"),
            ("-i inventories/prod --all --canary 1 --batch 25%", "all benches; the first that fails stops it"),
        ),
    ),
    Command(
        Verb("rollback", plan=plan.rollback_plan, summary=summary.move, niceness=BESIDE_USERS),
        "Take the last migration of benches back, with all that was written since.",
        (
            ("-i inventories/prod --bench shop", "show what moves back, ask, move it"),
            ("-i inventories/prod --all", "all benches, in the order of a migration"),
        ),
    ),
    Command(
        Verb("verify", summary=summary.verify, niceness=BESIDE_USERS),
        "Check that benches work on their stores and have left their former ones.\n\nChanges nothing.",
        (("-i inventories/prod", "verify every bench"),),
    ),
    Command(
        Verb("status", locks=lambda benches: (), summary=summary.status, niceness=BESIDE_USERS),
        "Say where benches are, and what of stores and their hosts is not as declared.\n\nChanges nothing.",
        (("-i inventories/prod --json", "for a machine to read"),),
    ),
    Command(
        Verb("remove", plan=plan.deploy_plan, limit=plan.deploy_hosts, needs_benches=False),
        "Take stores away, with their data, their servers and their hosts' settings.\n\n"
        "Refused while one holds keys or has clients.",
        (
            ("-i inventories/prod --check --diff", "show what would go"),
            ("-i inventories/prod -e store_service_remove_data=true", "also what is in use"),
        ),
    ),
    Command(
        Verb(
            "benchmark",
            locks=lambda benches: ("benchmark",),
            needs_benches=False,
            summary=report.benchmark,
            begun=report.BEGUN,
        ),
        "Measure stores against each other under the same load, and write a report.\n\n"
        "A store that holds data is refused unless it is named in benchmark_allow_data.",
        (
            ("-e benchmark_stores=shop-cache,erp-cache", "two stores of the inventory; the first is the baseline"),
            (
                """-e '{"benchmark_urls": {"old": "redis://10.0.0.9:13000"}}' -e benchmark_stores=shop-cache""",
                "one against a store that is not in the inventory",
            ),
            (
                "-e benchmark_workload=session-churn --scale 0.01 -e benchmark_stores=shop-cache,erp-cache",
                "the published workload in small: data, clients and time; the result says so",
            ),
            (
                "--objective p99=5 -e benchmark_stores=shop-cache,erp-cache",
                "how many operations a second each bears while 99 % of them take 5 ms at most",
            ),
            ("--resume 3f2a -e benchmark_stores=shop-cache,erp-cache", "go on with the run whose id ends so"),
            ("--clean -e benchmark_stores=shop-cache", "only remove what a benchmark left that was killed"),
        ),
    ),
    Command(
        Verb("tune", plan=lambda fleet, benches: "", needs_benches=False),
        "Find better settings for a store on its own host, and prove them.\n\n"
        "Tries them on that store in turns with today's, and puts back what was there. A store in use is refused "
        "unless it is named in tune_allow_data. A run that was cut short is resumed by running it again.",
        (
            ("-i inventories/prod --store spare-cache", "find and prove what saves memory, and put the store back"),
            (
                "-i inventories/prod --store spare-cache --objective throughput --objective p99 --apply",
                "two at once; what is proved is written into the inventory",
            ),
            ("-i inventories/prod --store spare-cache --restore", "only put back what a killed run left"),
        ),
    ),
    Command(
        Verb("capture", locks=lambda benches: ("benchmark",), needs_benches=False, summary=summary.capture),
        "Make a workload of what a live store is asked, without a name or a value of it.\n\n"
        "Listens with MONITOR for seconds. A busy store is refused.",
        (
            ("-e capture_store=shop-cache -e capture_to=$PWD/shop.yml", "listen for ten seconds, and write the file"),
            ("-e capture_store=shop-cache -e capture_seconds=30 -e capture_mebibytes=64", "listen for longer"),
        ),
    ),
    Command(
        Verb("db-load"),
        "Count what MariaDB is asked per request to a site, with its cache warm, cold, or none.\n\n"
        "Requests go to a web process of its own. For the state cold the site's cache is cleared once a round.",
        (
            ("-i inventories/prod --bench shop", "warm and cold: show what is cleared, ask, count"),
            ("-i inventories/prod --bench shop --state warm --state none", "clear nothing; a cache that none reaches"),
            (
                "-i inventories/prod --bench shop --store shop-cache --store spare-cache",
                "two stores of the inventory against each other; the first is the baseline",
            ),
        ),
    ),
)


def register(app: typer.Typer) -> None:
    """Add a command for each verb."""
    for command in COMMANDS:
        name = command.verb.name
        epilog = examples(*((f"benchfly {name} {end}", what) for end, what in command.examples))
        function = _move_command if name in report.MOVES else _OWN.get(name, _command)
        app.command(name, help=command.help, epilog=epilog)(function(command.verb))


def _command(verb: Verb) -> Callable[..., None]:
    @with_common
    def command(options: Options, bench: BenchOption = None) -> None:
        run_verb(verb, replace(options, benches=bench or ()))

    return command


def _benchmark_command(verb: Verb) -> Callable[..., None]:
    @with_common
    def command(
        options: Options,
        scale: ScaleOption = 1.0,
        objective: ObjectiveOption = "",
        resume: ResumeOption = "",
        clean: CleanOption = False,
    ) -> None:
        given = [*options.extra_vars]
        given += [f"benchmark_scale={scale}"] if scale != 1 else []
        given += [_objective(objective)] if objective else []
        given += [json.dumps({"benchmark_resume": str(report.cut_short(resume))})] if resume else []
        given += ["benchmark_clean=true"] if clean else []
        run_verb(verb, replace(options, extra_vars=given))

    return command


def _objective(given: str) -> str:
    """The variable for `p99=5`. Raises RefusedError."""
    percentile, _, ms = given.partition("=")
    try:
        return json.dumps({"benchmark_objective": {"percentile": percentile, "ms": float(ms)}})
    except ValueError as error:
        raise RefusedError(f"--objective is {given!r}. Give a percentile and its milliseconds, as p99=5") from error


def _move_command(verb: Verb) -> Callable[..., None]:
    @with_common
    def command(
        options: Options,
        bench: BenchOption = None,
        every: AllOption = False,
        canary: CanaryOption = 1,
        batch: BatchOption = "25%",
        parallel: ParallelOption = None,
        plan: PlanOption = False,
        ignore_blackout: IgnoreBlackoutOption = "",
        without_evidence: WithoutEvidenceOption = "",
        take_over: TakeOverOption = False,
    ) -> None:
        several = Several(every, canary, batch, parallel)
        given = {
            "frappe_bench_ignore_blackout": ignore_blackout,
            "frappe_bench_without_evidence": without_evidence,
            "frappe_bench_take_over": take_over,
        }
        overrides = {name: value for name, value in given.items() if value}
        run_move(verb, replace(options, benches=bench or (), several=several, plan=plan, overrides=overrides))

    return command


# Verbs with options of their own.
_OWN = {"benchmark": _benchmark_command, "tune": tune_command, "db-load": db_load_command}
