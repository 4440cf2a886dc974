"""The list of runs: one row each in SQLite. What a run did is in its folder; this only finds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchfly import paths
from benchfly.errors import ResultsError

# Each entry takes the schema one version further; the database keeps its version in PRAGMA user_version.
_MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        verb TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT,
        status TEXT
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE trials (
        run TEXT NOT NULL,
        number INTEGER NOT NULL,
        round INTEGER NOT NULL,
        store TEXT NOT NULL,
        twin INTEGER NOT NULL,
        engine TEXT NOT NULL,
        version TEXT NOT NULL,
        workload TEXT NOT NULL,
        load TEXT NOT NULL,
        host_class TEXT NOT NULL,
        started REAL NOT NULL,
        operations INTEGER,
        seconds REAL,
        ops_per_second REAL,
        p50_ms REAL,
        p95_ms REAL,
        p99_ms REAL,
        errors INTEGER,
        invalid TEXT NOT NULL,
        PRIMARY KEY (run, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE comparisons (
        run TEXT NOT NULL,
        metric TEXT NOT NULL,
        store TEXT NOT NULL,
        baseline TEXT NOT NULL,
        workload TEXT NOT NULL,
        host_class TEXT NOT NULL,
        rounds INTEGER NOT NULL,
        ratio REAL,
        low REAL,
        high REAL,
        p REAL,
        floor REAL,
        detectable REAL,
        better INTEGER,
        verdict TEXT NOT NULL,
        PRIMARY KEY (run, metric, store)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE noise (
        run TEXT NOT NULL,
        host_class TEXT NOT NULL,
        load TEXT NOT NULL,
        metric TEXT NOT NULL,
        floor REAL NOT NULL,
        measured TEXT NOT NULL,
        PRIMARY KEY (run, metric)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE trials ADD COLUMN clients INTEGER",
    "ALTER TABLE trials ADD COLUMN rate REAL",
    "ALTER TABLE trials ADD COLUMN held INTEGER",
    """
    CREATE TABLE capacities (
        run TEXT NOT NULL,
        store TEXT NOT NULL,
        engine TEXT NOT NULL,
        version TEXT NOT NULL,
        workload TEXT NOT NULL,
        load TEXT NOT NULL,
        host_class TEXT NOT NULL,
        percentile TEXT NOT NULL,
        ms REAL NOT NULL,
        rounds INTEGER NOT NULL,
        capacity REAL,
        low REAL,
        high REAL,
        PRIMARY KEY (run, store)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE scheduled (
        run TEXT PRIMARY KEY,
        schedule TEXT NOT NULL,
        started TEXT NOT NULL,
        outcome TEXT NOT NULL,
        benchmark TEXT NOT NULL,
        workload TEXT NOT NULL,
        conditions TEXT NOT NULL,
        findings TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE figures (
        run TEXT NOT NULL,
        store TEXT NOT NULL,
        metric TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (run, store, metric)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE scheduled ADD COLUMN calendar TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE figures ADD COLUMN rounds TEXT NOT NULL DEFAULT '[]'",
)


@dataclass(frozen=True)
class Record:
    """A run in the list. Without `status` it is running, or was killed."""

    id: str
    verb: str
    started: datetime
    finished: datetime | None
    status: str | None


def begin(run_id: str, verb: str, started: datetime) -> None:
    """List a run that begins."""
    with transaction() as connection:
        connection.execute("INSERT INTO runs (id, verb, started) VALUES (?, ?, ?)", (run_id, verb, started.isoformat()))


def finish(run_id: str, status: str, finished: datetime) -> None:
    """Note what came of a run."""
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET status = ?, finished = ? WHERE id = ?", (status, finished.isoformat(), run_id)
        )


def remove(run_id: str) -> None:
    """Take a run off the list, with its trials and what they came to."""
    with transaction() as connection:
        connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        for table in ("trials", "comparisons", "capacities", "noise"):
            connection.execute(f"DELETE FROM {table} WHERE run = ?", (run_id,))


def records(verb: str | None = None, limit: int = 50) -> list[Record]:
    """The last runs, newest first."""
    with transaction() as connection:
        rows = connection.execute(
            "SELECT id, verb, started, finished, status FROM runs WHERE ?1 IS NULL OR verb = ?1 "
            "ORDER BY started DESC, id DESC LIMIT ?2",
            (verb, limit),
        ).fetchall()
    return [_record(*row) for row in rows]


def find(run_id: str) -> Record:
    """The run with that id, or the only one whose id ends so. Raises ResultsError."""
    found = [record for record in records(limit=-1) if record.id == run_id or record.id.endswith(f"-{run_id}")]
    if len(found) != 1:
        many = f"{len(found)} runs" if found else "no run"
        raise ResultsError(f"{_path()} has {many} {run_id}. `benchfly results` lists those there are")
    return found[0]


def latest(verb: str) -> Record | None:
    """The last run of a verb."""
    return next(iter(records(verb, limit=1)), None)


def _record(run_id: str, verb: str, started: str, finished: str | None, status: str | None) -> Record:
    ended = datetime.fromisoformat(finished) if finished else None
    return Record(run_id, verb, datetime.fromisoformat(started), ended, status)


def _path() -> Path:
    return paths.home() / "results.sqlite"


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """One short transaction; writers wait for each other. Raises ResultsError that names the file."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _upgrade(connection, path)
            yield connection
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise ResultsError(f"{path} cannot be used: {error}. Move it away; the runs themselves are in runs/") from error


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise ResultsError(f"{path} was written by a newer benchfly. Upgrade benchfly, or set BENCHFLY_HOME elsewhere")
    for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
        connection.execute(migration)
        connection.execute(f"PRAGMA user_version = {number}")
