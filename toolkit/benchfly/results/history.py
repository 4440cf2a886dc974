"""What scheduled benchmarks came to, run by run. These rows stay when the runs' folders are pruned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchfly.results.database import transaction

# (store, metric) -> its figure in a run
Figures = Mapping[tuple[str, str], float]
# What each is the middle of
Rounds = Mapping[tuple[str, str], Sequence[float]]


@dataclass(frozen=True)
class Scheduled:
    """One scheduled run: `outcome` as in schedule.findings, `benchmark` the run that measured, or nothing.

    `conditions` are what may explain a change (what -> its value), `findings` what was told, as plain data. `calendar`
    is what it was begun by, empty where nobody noted it.
    """

    run: str
    schedule: str
    started: datetime
    outcome: str
    benchmark: str = ""
    workload: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()
    figures: Figures = field(default_factory=dict)
    rounds: Rounds = field(default_factory=dict)
    calendar: str = ""


def keep(scheduled: Scheduled) -> None:
    """Keep a scheduled run; again is as once."""
    row = (
        scheduled.run,
        scheduled.schedule,
        scheduled.started.isoformat(),
        scheduled.outcome,
        scheduled.benchmark,
        scheduled.workload,
        json.dumps(dict(scheduled.conditions)),
        json.dumps([dict(finding) for finding in scheduled.findings]),
        scheduled.calendar,
    )
    figures = [
        (scheduled.run, *place, value, json.dumps(list(scheduled.rounds.get(place, ()))))
        for place, value in scheduled.figures.items()
    ]
    with transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO scheduled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("DELETE FROM figures WHERE run = ?", (scheduled.run,))
        connection.executemany("INSERT INTO figures VALUES (?, ?, ?, ?, ?)", figures)


def schedules() -> list[str]:
    """Names of the schedules that ran here."""
    with transaction() as connection:
        rows = connection.execute("SELECT DISTINCT schedule FROM scheduled ORDER BY schedule").fetchall()
    return [name for (name,) in rows]


def runs(schedule: str) -> list[Scheduled]:
    """The runs of a schedule, in the order in which they were begun."""
    with transaction() as connection:
        rows = connection.execute(
            "SELECT run, schedule, started, outcome, benchmark, workload, conditions, findings, calendar "
            "FROM scheduled WHERE schedule = ? ORDER BY started, run",
            (schedule,),
        ).fetchall()
        points = connection.execute(
            "SELECT run, store, metric, value, rounds FROM figures "
            "WHERE run IN (SELECT run FROM scheduled WHERE schedule = ?)",
            (schedule,),
        ).fetchall()
    figures: dict[str, dict[tuple[str, str], float]] = {}
    rounds: dict[str, dict[tuple[str, str], list[float]]] = {}
    for run, store, metric, value, each in points:
        figures.setdefault(run, {})[store, metric] = value
        rounds.setdefault(run, {})[store, metric] = json.loads(each)
    return [
        Scheduled(
            run=row[0],
            schedule=row[1],
            started=datetime.fromisoformat(row[2]),
            outcome=row[3],
            benchmark=row[4],
            workload=row[5],
            conditions=json.loads(row[6]),
            findings=json.loads(row[7]),
            figures=figures.get(row[0], {}),
            rounds=rounds.get(row[0], {}),
            calendar=row[8],
        )
        for row in rows
    ]
