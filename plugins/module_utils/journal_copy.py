"""The journal of a release's moves, in a Secret of its namespace: what another controller resumes from."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError, replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import ClusterError, Release

_KEY, _VERSION = "journal.json", "journal.version"


class JournalCopy:
    """The Secret `benchfly-<release>`. A Secret, because a journal's URLs have passwords.

    It is written before the file on this host, so it is never behind. The API refuses a write by somebody who has not
    read what is there now; so two controllers cannot write over each other.
    """

    def __init__(self, folder: Path, release: Release) -> None:
        self._folder, self._release, self._name = folder, release, f"benchfly-{release.name}"

    def read(self) -> bytes | None:
        """What the namespace has; None when this release was never moved."""
        found = self._release.kubectl("get", "secret", self._name, "--ignore-not-found", "--output", "json")
        if not found.strip():
            self._seen("")
            return None
        secret = json.loads(found)
        self._seen(secret["metadata"]["resourceVersion"])
        return base64.b64decode(secret["data"][_KEY])

    def write(self, content: bytes) -> None:
        """Raises BenchError when another controller has written meanwhile."""
        version = self._folder / _VERSION
        known = version.read_text(encoding="ascii") if version.exists() else ""
        data = {_KEY: base64.b64encode(content).decode()}
        try:
            secret = self._change(known, data) if known else self._create(data)
        except ClusterError as error:
            if "Conflict" in str(error) or "AlreadyExists" in str(error):
                raise BenchError(
                    f"secret {self._name} in {self._release.namespace}, the journal, was written by somebody else "
                    "meanwhile. `benchfly status` says who is moving this bench"
                ) from error
            raise
        self._seen(secret["metadata"]["resourceVersion"])

    def _change(self, version: str, data: dict[str, str]) -> Any:
        return self._release.patch("secret", self._name, {"metadata": {"resourceVersion": version}, "data": data})

    def _create(self, data: dict[str, str]) -> Any:
        labels = {"app.kubernetes.io/managed-by": "benchfly", "app.kubernetes.io/instance": self._release.name}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name, "labels": labels},
            "data": data,
        }
        arguments = ("create", "--validate=false", "--filename", "-", "--output", "json")
        return json.loads(self._release.kubectl(*arguments, stdin=json.dumps(secret).encode()))

    def _seen(self, version: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._folder / _VERSION, version.encode(), mode=0o600)
