"""`benchfly schedule run`: one scheduled benchmark, from the look whether it may begin to the notification."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import blackout

from benchfly.benchmark import environment
from benchfly.cli import compare, history, report
from benchfly.cli.locks import locked
from benchfly.cli.options import Options
from benchfly.cli.output import Output
from benchfly.cli.run import Done, Verb, chosen, execute
from benchfly.errors import BenchflyError, BusyError, ResultsError
from benchfly.playbook.progress import progress
from benchfly.results import Run, records
from benchfly.results import history as kept
from benchfly.results.database import remove
from benchfly.schedule import calendar, conditions, findings, metrics, notify
from benchfly.schedule.findings import Finding, Kind, Outcome
from benchfly.schedule.settings import Settings

VERB = "schedule"  # of the run that has the benchmark as its part
# Tasks of playbooks/tasks/benchmark_quiet.yml.
_BLACKOUT, _BUSY = "Be in no blackout window", "Have nobody else at work"


@dataclass
class Attempt:
    """What came of one scheduled run so far."""

    outcome: Outcome = Outcome.MEASURED
    message: str = ""
    benchmark: Run | None = None
    findings: list[Finding] = field(default_factory=list)

    def end(self, outcome: Outcome, message: str) -> None:
        self.outcome, self.message = outcome, message
        if outcome is not Outcome.PUT_OFF:
            self.findings.append(Finding(Kind(str(outcome)), f"The run {_WORDS[outcome]}: {message}"))


_WORDS = {Outcome.MISSED: "was missed", Outcome.FAILED: "failed"}


def run(settings: Settings, benchmark: Verb, output: Output) -> dict[str, Any]:
    """Run a schedule once; what it came to, as JSON has it. Raises BenchflyError for nothing but a lost record."""
    os.environ["BENCHFLY_HOME"] = settings.home
    schedule, attempt, now = settings.schedule, Attempt(), datetime.now(UTC)
    told = {"calendar": schedule.calendar, "inventory": [settings.inventory], "stores": list(schedule.stores)}
    noted = {VERB: schedule.name, **told}
    try:
        with locked(
            [f"{VERB}-{schedule.name}"], f"`benchfly schedule run {schedule.name}`", schedule.wait_minutes * 60
        ):
            attempt.findings += _left_behind(settings, now)
            this = Run.create(VERB, noted)
            _attempt(settings, benchmark, attempt, output)
            return _close(settings, this, attempt, now)
    except BusyError as error:  # the run before this one is still at it
        attempt.end(Outcome.MISSED, str(error))
    return _close(settings, Run.create(VERB, noted), attempt, now)


def _left_behind(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What became of the runs before: those that were killed, and those that never began."""
    name = settings.schedule.name
    for record in (each for each in records(VERB, limit=-1) if not each.status):
        try:
            run = Run.open(record.id)
            if run.inputs.get(VERB) != name:
                continue
        except ResultsError:  # somebody removed its folder: nobody knows whose it was
            continue
        text = (
            f"The run of {record.started:%Y-%m-%d %H:%M} UTC ({record.id}) was cut short: killed, or the host went off."
        )
        yield Finding(Kind.FAILED, text)
        run.finish({"status": "failed", "message": text})
        calendar_then = str(run.inputs.get("calendar", ""))
        kept.keep(kept.Scheduled(record.id, name, record.started, Outcome.FAILED, calendar=calendar_then))
    past = kept.runs(name)
    # By another calendar other moments were due, and nobody noted since when this one holds.
    if past and past[-1].calendar == settings.schedule.calendar:
        yield from findings.missed(calendar.due(settings.schedule.calendar, past[-1].started, now))


def _attempt(settings: Settings, benchmark: Verb, attempt: Attempt, output: Output) -> None:
    """Measure, unless something speaks against it."""
    schedule = settings.schedule
    if window := blackout.current(schedule.blackout):
        attempt.end(Outcome.PUT_OFF, f"a blackout window is open, {window}")
        return
    with _caught(attempt):
        done = _benchmarked(settings, benchmark, output)
        attempt.benchmark = done.run
        _judge(attempt, done)


@contextmanager
def _caught(attempt: Attempt) -> Iterator[None]:
    """Have whatever is raised be what came of the run: it is recorded and told, as all that comes of one."""
    try:
        yield
    except BusyError as error:
        attempt.end(Outcome.MISSED, str(error))
    except BenchflyError as error:
        attempt.end(Outcome.FAILED, str(error))
    except KeyboardInterrupt:
        attempt.end(Outcome.FAILED, "it was interrupted")
    except Exception as error:
        attempt.end(Outcome.FAILED, f"a fault in benchfly: {type(error).__name__}: {error}")


def _benchmarked(settings: Settings, benchmark: Verb, output: Output) -> Done:
    schedule, options = settings.schedule, Options(inventory=[settings.inventory])
    fleet, benches = chosen(benchmark, options)
    with locked(benchmark.locks(benches), f"`benchfly schedule run {schedule.name}`", schedule.wait_minutes * 60):
        show, noted = progress(output.console), {VERB: schedule.name}
        return execute(benchmark, options, fleet, benches, show, noted, _variables(settings))


def _judge(attempt: Attempt, done: Done) -> None:
    tasks = {failure.task for failure in done.outcome.failures}
    reason = "; ".join(dict.fromkeys(failure.message for failure in done.outcome.failures))
    if _BLACKOUT in tasks:
        attempt.end(Outcome.PUT_OFF, reason)
    elif _BUSY in tasks:
        attempt.end(Outcome.MISSED, reason)
    elif done.code:
        attempt.end(Outcome.FAILED, done.message)
    else:
        report.benchmark(done.run, done.outcome)


def _variables(settings: Settings) -> dict[str, Any]:
    """What the benchmark is told."""
    schedule = settings.schedule
    by_url = schedule.variables.get("benchmark_urls", {})
    return {
        "benchmark_stores": [name for name in schedule.stores if name not in by_url],
        "benchmark_workload": schedule.workload,
        "benchmark_scale": schedule.scale,
        "benchmark_blackout": list(schedule.blackout),
        "benchmark_busy_cpu": schedule.busy_cpu,
        "benchmark_busy_commands": schedule.busy_commands,
        "benchmark_wait_minutes": schedule.wait_minutes,
        **schedule.variables,
    }


def _close(settings: Settings, this: Run, attempt: Attempt, started: datetime) -> dict[str, Any]:
    """Record it, compare it with history, prune, and tell; a fault in one of these keeps no other from being done."""
    name = settings.schedule.name
    record = kept.Scheduled(this.id, name, started, attempt.outcome, calendar=settings.schedule.calendar)
    if attempt.outcome is Outcome.MEASURED and attempt.benchmark:
        with _caught(attempt):
            record = _measured(record, settings, attempt.benchmark)
            kept.keep(record)
            attempt.findings += findings.news(kept.runs(name))
    record = replace(record, outcome=attempt.outcome, findings=findings.facts(attempt.findings))
    kept.keep(record)
    pruned: list[str] = []
    code = findings.code(attempt.outcome, attempt.findings)
    texts = [finding.text for finding in attempt.findings]
    data = {
        "verb": VERB,
        VERB: name,
        "run": this.id,
        "folder": str(this.folder),
        "status": "ok" if attempt.outcome is Outcome.MEASURED else attempt.outcome.value,
        "exit_code": int(code),
        "message": attempt.message,
        "benchmark": attempt.benchmark.id if attempt.benchmark else "",
        "findings": list(record.findings),
        "pruned": pruned,
    }
    after: Sequence[Callable[[], object]] = (
        lambda: pruned.extend(_prune(name, settings.schedule.keep)),
        lambda: metrics.write(settings.metrics_dir, name, kept.runs(name)),
        lambda: history.write(kept.schedules()),
    )
    problems = [problem for step in after if (problem := _problem(step))]
    if texts or settings.schedule.notify_always:
        problems += _told(settings, attempt, texts)
    this.finish({**data, "problems": problems})
    return {**data, "problems": problems}


def _measured(record: kept.Scheduled, settings: Settings, run: Run) -> kept.Scheduled:
    measured = compare.load(run)
    load = environment.load(measured)
    same = ("workload", "scale", "loop", "rate", "objective")
    rounds = findings.rounds(measured, compare.judge(measured))
    return replace(
        record,
        benchmark=run.id,
        workload=json.dumps({key: load[key] for key in same if key in load}, sort_keys=True),
        conditions=conditions.conditions(measured, Path(settings.inventory)),
        figures=findings.figures(rounds),
        rounds=rounds,
    )


def _told(settings: Settings, attempt: Attempt, texts: Sequence[str]) -> list[str]:
    name = settings.schedule.name
    kinds = ", ".join(dict.fromkeys(str(each.kind) for each in attempt.findings)) or str(attempt.outcome)
    body = "\n\n".join(texts or [f"The run {attempt.outcome}. Nothing has changed."])
    try:
        problems = notify.send(settings.notify, f"benchfly {name}: {kinds}", body)
    except BenchflyError as error:
        problems = [str(error)]
    return [f"Nobody was notified at one service: {problem}" for problem in problems]


def _problem(step: Callable[[], object]) -> str:
    """What kept a step from being done, whatever it was: the run is recorded already, and is still to be told of."""
    try:
        step()
    except (OSError, BenchflyError) as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _prune(name: str, keep: int) -> Iterator[str]:
    """Remove folders and rows of the oldest runs; what they came to stays in the history."""
    for old in kept.runs(name)[:-keep]:
        for run_id in filter(None, (old.benchmark, old.run)):
            folder = Path(os.environ["BENCHFLY_HOME"]) / "runs" / run_id
            if folder.is_dir():
                remove(run_id)
                shutil.rmtree(folder)
                yield run_id


def last(settings: Settings) -> tuple[str, str, str]:
    """When the last run of a schedule was, what came of it, and what it found."""
    os.environ["BENCHFLY_HOME"] = settings.home
    runs = kept.runs(settings.schedule.name)
    if not runs:
        return "", "never ran", ""
    found = ", ".join(str(finding["kind"]) for finding in runs[-1].findings)
    return f"{runs[-1].started.astimezone():%Y-%m-%d %H:%M}", runs[-1].outcome, found or "none"
