"""What a load generator is: a program that plays a workload on a store, and the reading of what it printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload


class OutputError(Exception):
    """A generator did not do its work, or what it printed cannot be read; the message quotes it."""


@dataclass(frozen=True)
class Target:
    """Where a store listens, and how to log in."""

    host: str
    port: int
    database: int
    user: str
    password: str = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> Target:
        """Raises ValueError for anything but redis://[[user]:password@]host[:port][/database]."""
        parts = urlsplit(url)
        if parts.scheme != "redis" or not parts.hostname:
            raise ValueError("only redis://host:port/database can be benchmarked")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, parts.port or 6379, int(parts.path.strip("/") or 0), user, password)


@dataclass(frozen=True)
class Load:
    """What one process is to do: `clients` connections for about `seconds`, in a closed loop if `rate` is 0.

    `rate` is in operations per second of all its clients, `expected` what a warm-up reached in a closed loop (or 0).
    The items it asks for begin with `first` (counted from 0) where every item is asked for once.
    """

    seconds: float
    clients: int
    rate: float = 0.0
    expected: float = 0.0
    first: int = 0
    items: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Measurement:
    """What one trial came to. Latencies are in milliseconds; `errors` counts error replies and lost connections.

    `histogram` is of all latencies in microseconds, as HdrHistogram's compressed base64; empty if there is none.
    """

    operations: int
    seconds: float
    ops_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    p999_ms: float | None = None
    max_ms: float | None = None
    histogram: str = ""


@dataclass(frozen=True)
class Reading:
    """What one process measured. `series` has its operations second by second, if it tells them.

    Where connections that are behind send later (and not at once, as those they stand for would), `interval_us` is how
    often each should have sent; 0 where nothing was left out.
    """

    measurement: Measurement
    series: tuple[int, ...] = ()
    interval_us: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """What a trial left: the command lines as typed, and what each printed, by file name."""

    command_lines: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    """A generator found on this host."""

    path: str
    version: str


class Generator(ABC):
    """A load generator. `first_item` and `item_format` are how it numbers items, so that it finds those filled in."""

    name: str
    caveat: str = ""  # what a reader of its figures must know
    takes_password: bool = False  # other than on its command line, where every user of the host can read it
    first_item: int = 0
    item_format: str = "%012d"

    @abstractmethod
    def find(self, path: str = "") -> Program | None:
        """The program at `path`, or on PATH; None when there is none that works."""

    @abstractmethod
    def objection(self, workload: Workload) -> str:
        """Why it cannot play this workload, or an empty string."""

    def approximations(self, workload: Workload) -> list[str]:
        """What it plays other than the workload says; a reader of its figures must know."""
        return []

    @abstractmethod
    def run(self, program: Program, target: Target, workload: Workload, load: Load) -> Output:
        """Play the workload. Raises OutputError when it cannot be started or does not come to an end."""

    @abstractmethod
    def parse(self, output: Output) -> Reading:
        """Read what a process left. Raises OutputError for what is empty, cut off or of another program."""


def find_program(name: str, path: str, version: str) -> Program | None:
    """A program whose `--version` prints something that matches the regular expression `version`."""
    found = shutil.which(path or name)
    if not found:
        return None
    try:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(version, answer.stdout + answer.stderr)
    return Program(found, match.group(1)) if match else None


def run_program(argv: list[str], stdin: str, folder: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a generator to its end. One that takes longer than `timeout` seconds is killed: OutputError."""
    try:
        return subprocess.run(
            argv,
            input=stdin,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise OutputError(f"{argv[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or b"").decode(errors="replace")
        raise OutputError(f"{argv[0]} did not end within {timeout:g} s and was killed. {last_line(said)}") from error


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for a generator's files, removed afterwards."""
    return tempfile.TemporaryDirectory(prefix="benchfly-")


def read(folder: str, name: str) -> str:
    """A file a generator should have written there, or an empty string."""
    path = Path(folder, name)
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def command_line(argv: list[str]) -> str:
    """As a shell would take it."""
    return " ".join(shlex.quote(word) for word in argv)


def value(size: int) -> str:
    """A value of so many bytes."""
    return "x" * size


def last_line(text: str) -> str:
    """The last thing a program said, for a message."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[-1][:300] if lines else "It said nothing"
