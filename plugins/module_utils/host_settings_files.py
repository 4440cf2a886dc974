"""A host's settings where they are: files of the kernel, drop-in files, and the journal of what was there before."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.host_settings import (
    DROP_INS,
    Found,
    Plan,
    SettingsError,
    kernel_file,
    shown,
)

JOURNAL = "/var/lib/benchfly/host.json"
# In this order the first file of a name counts (sysctl.d(5), tmpfiles.d(5)).
FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
KINDS = ("sysctl.d", "tmpfiles.d")


@dataclass(frozen=True)
class Host:
    """The host whose file system begins at `root`."""

    root: Path = Path("/")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def find(self, names: Iterable[str]) -> Found:
        """What there is of these settings, and of those that are journalled. Raises SettingsError, OSError."""
        journal = self.journal()
        running = {name: self.running(name) for name in {*names, *journal["running"]}}
        known = [name for name, value in running.items() if value is not None]
        return Found(
            running=running,
            read_only=frozenset(name for name in known if not os.access(self.path(kernel_file(name)), os.W_OK)),
            drop_ins=self.drop_ins(),
            ours={path: self.file(path) for path in DROP_INS.values()},
            journal=journal,
        )

    def running(self, name: str) -> str | None:
        try:
            return shown(self.path(kernel_file(name)).read_text())
        except OSError:
            return None

    def drop_ins(self) -> dict[str, str]:
        """Path and text of all that the next boot reads."""
        answer = {}
        for kind in KINDS:
            seen = set()
            for folder in FOLDERS:
                for file in sorted(self.path(folder).joinpath(kind).glob("*.conf")):
                    if file.name not in seen and file.is_file():
                        answer["{0}/{1}/{2}".format(folder, kind, file.name)] = file.read_text(
                            encoding="utf-8", errors="replace"
                        )
                    seen.add(file.name)  # a link to /dev/null hides the later ones
        return answer

    def file(self, path: str) -> dict[str, Any] | None:
        """Text and mode of a file, as the journal keeps them."""
        file = self.path(path)
        if not file.is_file():
            return None
        return {
            "text": file.read_text(encoding="utf-8", errors="surrogateescape"),
            "mode": file.stat().st_mode & 0o7777,
        }

    def journal(self) -> dict[str, dict[str, Any]]:
        try:
            return json.loads(self.path(JOURNAL).read_text())
        except FileNotFoundError:
            return {"running": {}, "files": {}}
        except ValueError as error:
            remedy = "It tells what the host was before; restore it from a backup, or remove it to forget that"
            raise SettingsError("{0} is not valid JSON ({1}). {2}".format(JOURNAL, error, remedy)) from error

    def remember(self, journal: dict[str, dict[str, Any]]) -> None:
        """Keep the journal, or remove it, with its folder if that is empty, when nothing is left to put back."""
        file = self.path(JOURNAL)
        if any(journal.values()):
            if not file.parent.exists():
                file.parent.mkdir()
                file.parent.chmod(0o755)  # the stores' users pass through it
            replace_file(file, json.dumps(journal, indent=1).encode() + b"\n", 0o600)
        elif file.exists():
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()

    def set_running(self, name: str, value: str) -> None:
        self.path(kernel_file(name)).write_text(value + "\n")

    def set_file(self, path: str, file: dict[str, Any] | None) -> None:
        """Put a file there as file() tells of one; an owner that it has stays."""
        if file is None:
            self.path(path).unlink()
        else:
            replace_file(self.path(path), file["text"].encode("utf-8", "surrogateescape"), file["mode"])

    def apply(self, found: Found, plan: Plan) -> None:
        """Carry the plan out, whole or not at all: what the kernel refuses, it refuses only when it is tried.

        Raises SettingsError when all was taken back, OSError when even that failed; the journal then still has it.
        """
        was, former = found.journal["running"], found.journal["files"]
        self.remember({"running": {**plan.journal["running"], **was}, "files": {**plan.journal["files"], **former}})
        steps = [(self.set_running, name, found.running[name], value) for name, value in plan.running.items()]
        steps += [(self.set_file, path, found.ours[path], file) for path, file in plan.files.items()]
        for number, (put, name, _, after) in enumerate(steps):
            try:
                put(name, after)
            except OSError as error:
                for put_back, done, before, _ in reversed(steps[:number]):
                    put_back(done, before)
                self.remember(found.journal)
                what, remedy = name, "Mend that, then run again"
                if name in plan.running:
                    what = "{0}: {1} does not take {2}".format(name, kernel_file(name), after)
                    remedy = "Declare a value that it takes"
                raise SettingsError("{0} ({1}). {2}".format(what, error.strerror, remedy)) from error
        self.remember(plan.journal)
