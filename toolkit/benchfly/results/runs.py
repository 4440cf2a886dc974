"""One execution of a verb, and the folder with all that it left."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchfly import paths
from benchfly.errors import ResultsError
from benchfly.results import database

_INPUTS, _OUTCOME = "inputs.json", "outcome.json"
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|private_key", re.IGNORECASE)


@dataclass(frozen=True)
class Run:
    """A run: `id` sorts by time; `folder` is readable by its owner alone. Without an outcome it runs, or was killed."""

    id: str
    folder: Path

    @classmethod
    def create(cls, verb: str, inputs: Mapping[str, Any]) -> Run:
        """Begin a run: make its folder with inputs.json, and list it.

        `inputs` is what was asked for (inventory, options); versions are added, and what looks like a secret is masked.
        """
        started = datetime.now(UTC)
        run = cls._with_folder(f"{started:%Y%m%d-%H%M%S}-{verb}")
        versions = {
            "python": platform.python_version(),
            **{name: version(name) for name in ("benchfly", "ansible-core")},
        }
        _write(run.folder / _INPUTS, {"verb": verb, "versions": versions, **_masked(inputs)})
        database.begin(run.id, verb, started)
        return run

    @classmethod
    def _with_folder(cls, name: str) -> Run:
        runs = paths.home() / "runs"
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            run_id = f"{name}-{secrets.token_hex(2)}"
            try:
                (runs / run_id).mkdir(mode=0o700)
            except FileExistsError:  # another run of the same second drew the same number
                continue
            return cls(run_id, runs / run_id)

    @classmethod
    def open(cls, run_id: str) -> Run:
        """A run of the past. Raises ResultsError when there is no such folder."""
        folder = paths.home() / "runs" / run_id
        if not folder.is_dir():
            raise ResultsError(f"There is no run {run_id} in {folder.parent}. `benchfly results` lists those there are")
        return cls(run_id, folder)

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Say what came of it, whole or not at all; `outcome["status"]` is one word, such as ok or failed."""
        _write(self.folder / _OUTCOME, _masked(outcome))
        database.finish(self.id, str(outcome["status"]), datetime.now(UTC))

    def note(self, name: str, content: Mapping[str, Any]) -> None:
        """Keep a JSON file in its folder, whole or not at all; what it held before is replaced."""
        _write(self.folder / name, _masked(content))

    @property
    def inputs(self) -> dict[str, Any]:
        """What was asked for. Raises ResultsError that names the file."""
        return _read(self.folder / _INPUTS)

    @property
    def outcome(self) -> dict[str, Any] | None:
        """What came of it, or None. Raises ResultsError that names the file."""
        path = self.folder / _OUTCOME
        return _read(path) if path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path} holds no JSON object; benchfly did not write it so")
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that after a crash the file is whole or absent."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
        json.dump(content, stream, indent=2, default=str)
        stream.flush()
        os.fsync(stream.fileno())
    Path(stream.name).replace(path)


def _masked(value: Any, name: str = "") -> Any:
    """The value without passwords: those in URLs, and those that their key says are secret."""
    if isinstance(value, Mapping):
        return {str(key): _masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, name) for item in value]
    if _SECRET_NAME.search(name) and value is not None:
        return "(not kept)"
    if isinstance(value, str):
        before, equals, _ = value.partition("=")
        if equals and _SECRET_NAME.search(before):  # an extra variable as typed
            return f"{before}=(not kept)"
        return _CREDENTIALS.sub("", value)
    return value
