"""`--plan`: what a move of benches would do, in which order, and how long it may take. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import blackout
from rich.console import Group, RenderableType
from rich.text import Text

from benchfly.cli.evidence import refuse
from benchfly.cli.options import Options
from benchfly.cli.output import Output
from benchfly.cli.run import Verb
from benchfly.errors import RefusedError
from benchfly.fleet.model import Bench, Fleet
from benchfly.fleet.table import plain_table
from benchfly.rollout import Rollout
from benchfly.rollout.durations import Expectation, Range, expectations, past_moves, total


def show_plan(
    verb: Verb,
    options: Options,
    fleet: Fleet,
    benches: Sequence[Bench],
    rollout: Rollout,
    verdicts: Mapping[str, Mapping[str, Any]],
) -> None:
    """Print it, with what would refuse the benches: their policies and blackout windows."""
    assert verb.plan
    names = [bench.name for bench in benches]
    expected = expectations(names, past_moves(verb.name))
    seconds = total(rollout.steps, rollout.parallel, expected)
    against = _against(options, fleet, benches, verdicts, seconds or 0.0)
    tables = (verb.plan(fleet, benches), "", _steps(rollout, expected), "", _phases(expected))
    shown = Group(*tables, *(Text(line) for line in against), Text(_total(seconds)))
    data = {
        "status": "ok",
        "exit_code": 0,
        "verb": verb.name,
        "parallel": rollout.parallel,
        "seconds": seconds,
        "steps": [{"name": step.name, "benches": list(step.benches)} for step in rollout.steps],
        "against": against,
        "evidence": verdicts,
        "benches": {name: _row(fleet.benches[name], expected[name]) for name in names},
    }
    Output(options.as_json).result(data, shown)


def _against(
    options: Options,
    fleet: Fleet,
    benches: Sequence[Bench],
    verdicts: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> list[str]:
    """What would keep the benches where they are, a line each."""
    now, lines = datetime.now(UTC), []
    for bench in benches:
        if window := blackout.current(bench.blackout, now):
            lines.append(f"{bench.name} has a blackout window now, {window}.")
        elif window := blackout.upcoming(bench.blackout, now, seconds):
            lines.append(f"{bench.name} has a blackout window that begins before this would have ended, {window}.")
    try:
        refuse(options, fleet, verdicts)
    except RefusedError as error:
        lines += str(error).splitlines()
    return lines


def _row(bench: Bench, expected: Expectation) -> dict[str, Any]:
    return {"hosts": list(bench.hosts), "to": dict(bench.chosen), "expected": asdict(expected)}


def _steps(rollout: Rollout, expected: dict[str, Expectation]) -> RenderableType:
    rows = [
        (step.name, name, _told(expected[name].seconds), _told(expected[name].pause), expected[name].source)
        for step in rollout.steps
        for name in step.benches
    ]
    return plain_table(("Step", "Bench", "Expected", "Without consumers", "From"), rows)


def _phases(expected: dict[str, Expectation]) -> RenderableType:
    """The phases of the benches that have runs of their own, else those of any."""
    with_runs = {name: one for name, one in expected.items() if one.own} or {"any bench": next(iter(expected.values()))}
    rows = [(name, phase, str(seconds)) for name, one in with_runs.items() for phase, seconds in one.phases.items()]
    return plain_table(("Bench", "Phase", "Expected"), rows) if rows else ""


def _told(seconds: Range | None) -> str:
    return str(seconds) if seconds else "unknown"


def _total(seconds: float | None) -> str:
    if seconds is None:
        return "How long it takes is unknown: there are no past runs. Nothing was changed."
    return (
        f"By the medians about {seconds:.0f} s in all; benches that move at the same time may slow each other down. "
        "Nothing was changed."
    )
