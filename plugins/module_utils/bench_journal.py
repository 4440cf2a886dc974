"""The move of a bench as its hosts remember it: where it came from, where it goes, and how far it got.

A phase is idempotent, so the journal does not say what to skip. It keeps what the bench's configuration can no
longer tell after the switch: the former URLs, the former bytes of every touched file, which consumers ran, and the
time each phase took. It holds passwords (in URLs), so it is 0600 in a 0700 folder and no module returns an URL.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    BenchError,
    read_json_object,
    redact,
    replace_file,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import TOKEN
from ansible_collections.benchfly.stores.plugins.module_utils.journal_copy import JournalCopy
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import Release

JOURNAL, LOCK, BACKUPS = "journal.json", "lock", "backups"
SWEEP = "Sweep"
FACT = "journal.fact"  # the journal without passwords, for Ansible's local facts


class Journal:
    """The journal of one bench on one host.

    `moves` is a list of
    `{id, verb, state: open|done|reversed, started, finished, from: {key: url}, to: {key: url}, written: {path: sha256},
    consumers: [process name], phases: [{phase, what, state, started, seconds, ...}], overrides: {rule: reason}}`;
    times are unix seconds. `lease` is `{name, machine, pid, token, run, since, seen}` while somebody moves the bench.
    A move that retired the bench's own redis programs also has `retired: {programs: {name: {key, program, url, data}},
    files: {path: sha256}, links: {path: target}, restored}`, and one of a release of Kubernetes `release: {external,
    held}` (`helm_release.ReleaseMove`); the journal of such a bench is in its namespace, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL
        self.moves: list[dict[str, Any]] = []
        self.lease: dict[str, Any] = {}
        release = Release.of(folder)
        self._copy = JournalCopy(folder, release) if release else None
        self._read()

    def _read(self) -> None:
        if self.path.exists():
            content = read_json_object(self.path)
            self.moves, self.lease = content["moves"], content.get("lease", {})

    @property
    def last(self) -> dict[str, Any] | None:
        return self.moves[-1] if self.moves else None

    @property
    def open(self) -> dict[str, Any]:
        """The move in progress. Raises BenchError when there is none."""
        if self.last is None or not self.in_progress:
            raise BenchError(f"{self.path} has no move in progress")
        return self.last

    @property
    def in_progress(self) -> bool:
        return self.last is not None and self.last["state"] == "open"

    @property
    def reversing(self) -> bool:
        """Whether the open move takes back one that was cut short."""
        return len(self.moves) > 1 and self.moves[-2]["state"] == "reversed"

    @property
    def sweeps(self) -> int:
        """How often the sweep of the open move was begun."""
        return sum(entry["phase"] == SWEEP for entry in self.open["phases"])

    def unfinished(self, name: str, what: str) -> set[str]:
        """Processes that such a step acted on and did not come to its end, in this move or the one it takes back."""
        return {
            process
            for move in self.moves[-2 if self.reversing else -1 :]
            for entry in move["phases"]
            if (entry["phase"], entry["what"]) == (name, what) and entry["state"] != "done"
            for process in entry.get("processes", ())
        }

    def save(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps({"moves": self.moves, "lease": self.lease}, indent=1).encode()
        if self._copy:
            self._copy.write(content)
        replace_file(self.path, content, mode=0o600)
        shown = {"moves": [redacted(move) for move in self.moves]}
        replace_file(self.folder / FACT, json.dumps(shown, indent=1).encode(), mode=0o600)

    def begin(self, move_id: str, verb: str, source: dict[str, str], target: dict[str, str]) -> bool:
        """Open a move from `source` to `target`, or resume the open one that goes there. True when one was opened.

        An open move may be resumed or reversed; a third destination is refused (BenchError), because part of the
        bench's data may be in either of the first two.
        """
        last = self.last
        if last is not None and last["state"] == "open":
            if last["to"] == target:
                return False
            if last["from"] != target:
                raise BenchError(
                    f"a {last['verb']} to {_addresses(last['to'])} is in progress. Finish it with the stores it was "
                    "started with, or take it back with `benchfly rollback`, before moving anywhere else"
                )
            source = last["to"]
            last.update(state="reversed", finished=time.time())
        consumers = last["consumers"] if last is not None and last["state"] == "reversed" else []
        self._append(move_id, verb, source, target, consumers)
        self.save()
        return True

    def _append(
        self, move_id: str, verb: str, source: dict[str, str], target: dict[str, str], consumers: list[str]
    ) -> None:
        self.moves.append(
            {
                "id": move_id,
                "verb": verb,
                "state": "open",
                "started": time.time(),
                "from": source,
                "to": target,
                "written": {},
                "consumers": consumers,
                "phases": [],
            }
        )

    def join(self, verb: str, other: dict[str, Any], today: dict[str, str]) -> None:
        """Take part in what `verb` does about `other`, a move open on another host of the bench; without saving.

        Phases are barriers across all hosts, so none stays out. A move that was closed here already is open again. A
        rollback of one that never began here leads to where the host is `today`.
        """
        last = self.last
        if last is not None and last["state"] == "open":
            return
        mine = redacted(last) if last is not None else {"verb": "", "to": {}}
        same = (mine["verb"], mine["to"]) == (other["verb"], other["to"])
        if last is not None and (same or (verb == mine["verb"] == "migrate" and other["verb"] == "rollback")):
            last["state"] = "open"
        elif verb == "rollback" and (mine["verb"] != "migrate" or other["verb"] == "migrate"):
            self._append(other["id"], verb, today, today, [])

    def take(self, controller: dict[str, Any], run: str, replaces: str) -> None:
        """Give the lease of the bench to a controller. Raises BenchError when another one has it.

        `replaces` is the token of a lease that is over, or that is taken over.
        """
        if self.lease and self.lease["token"] not in (controller["token"], replaces):
            raise BenchError(f"{self.lease['name']} began to move this bench a moment ago. Wait until that has ended")
        now = time.time()
        self.lease = {**controller, "run": run, "since": now, "seen": now}
        self.save()

    def _hold(self) -> None:
        """Note that the holder of the lease is alive. Raises BenchError when this step belongs to another run."""
        token = os.environ.get(TOKEN)
        if token and self.lease.get("token") != token:
            taken = f"was taken over by {self.lease['name']}" if self.lease else "is no longer being moved"
            raise BenchError(
                f"this bench {taken}; nothing more is done by this run. `benchfly status` says where it is"
            )
        if self.lease:
            self.lease["seen"] = time.time()

    @contextmanager
    def not_taken(self) -> Iterator[bool]:
        """Whether no other run moves the bench; while this is held none begins to."""
        with locked(self.folder):
            self._read()
            yield not self.lease or self.lease["token"] == os.environ.get(TOKEN)

    def way_back(self) -> dict[str, str]:
        """The URLs that `rollback` returns to. Raises BenchError when there is nothing to take back."""
        last = self.last
        if last is None:
            raise BenchError(f"{self.path}: this bench was never moved, so there is nothing to take back")
        if last["verb"] == "rollback":
            if last["state"] == "open":
                return dict(last["to"])
            raise BenchError(f"{self.path}: the last move was already taken back at {_utc(last['finished'])}")
        return dict(last["from"])

    def backup(self, path: Path) -> None:
        """Keep the bytes of a file as they are before the open move touches it (once per move)."""
        if not self.kept_at(path, self.open).exists():
            self.keep(path, self.open)

    def keep(self, path: Path, move: dict[str, Any]) -> None:
        """Keep the bytes of a file as they are now, instead of those kept for that move before."""
        copy = self.kept_at(path, move)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(path, f"{copy}.part")
        os.chmod(f"{copy}.part", 0o600)
        os.replace(f"{copy}.part", copy)

    def kept_at(self, path: Path, move: dict[str, Any]) -> Path:
        return self.folder / BACKUPS / move["id"] / path.name

    def wrote(self, path: Path) -> None:
        """Remember what the open move made of a file, so that a later edit by somebody else is noticed."""
        self.open["written"][str(path)] = digest(path)
        self.save()

    def retired(self) -> list[dict[str, Any]]:
        """The bench's own redis programs that are retired now, each with the files that it was taken out of."""
        records = [move.get("retired", {}) for move in self.moves]
        return [
            {**program, "files": list(record["files"])}
            for record in records
            if "restored" not in record
            for program in record.get("programs", {}).values()
        ]

    def former(self, path: Path) -> bytes | None:
        """The bytes that a rollback restores: those from before the move that it takes back.

        None when the file was edited after that move; then only the URLs may be put back.
        """
        for move in reversed(self.moves[:-1]):
            if move["verb"] == "rollback":
                return None
            copy = self.kept_at(path, move)
            if copy.exists() and move["from"] == self.open["to"]:
                written = move["written"].get(str(path))
                untouched = written is None or written == digest(path)
                return copy.read_bytes() if untouched else None
        return None

    @contextmanager
    def phase(self, name: str, what: str, processes: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Record a step of a phase of the open move: started, and then done or failed with the seconds it took.

        `name` is what the tasks call the phase, `what` the part of it, `processes` those that it acts on. Yields the
        entry, to which the phase adds what it did. Holds the bench's lock on this host meanwhile.
        """
        with locked(self.folder):
            self._read()  # the holder before us may have written
            self._hold()
            entry: dict[str, Any] = {"phase": name, "what": what, "state": "started", "started": time.time()}
            if processes:
                entry["processes"] = list(processes)
            self.open["phases"].append(entry)
            self.save()
            try:
                yield entry
            except BaseException:
                entry["state"] = "failed"
                raise
            else:
                entry["state"] = "done"
            finally:
                entry["seconds"] = round(time.time() - entry["started"], 3)
                self.save()

    def drop(self) -> bool:
        """Forget the open move, if it has not written anything yet. True when it was forgotten."""
        if self.last is None or not self.in_progress or self.last["written"]:
            return False
        self.moves.pop()
        self.lease = {}
        self.save()
        return True

    def finish(self) -> bool:
        """Close the open move. True when there was one."""
        if self.last is None or not self.in_progress:
            return False
        self._hold()
        self.last.update(state="done", finished=time.time())
        self.lease = {}
        self.save()
        return True


@contextmanager
def locked(folder: Path, patience: float = 30) -> Iterator[None]:
    """Hold the bench's lock on this host; the kernel lets go of it if the holder is killed.

    A step whose controller was killed still runs to its end, so the lock is waited for: BenchError after `patience`
    seconds.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as stream:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise BenchError(
                        f"another move holds {folder / LOCK} (fuser -v shows whose it is); run again when it has ended"
                    ) from error
                time.sleep(0.1)
        yield


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def redacted(move: dict[str, Any]) -> dict[str, Any]:
    """A move for people and events: without passwords."""
    urls = {side: {key: redact(url) for key, url in move[side].items()} for side in ("from", "to")}
    programs = {
        name: {**program, "url": redact(program["url"])}
        for name, program in move.get("retired", {}).get("programs", {}).items()
    }
    shown = {**move, **urls, **({"retired": {**move["retired"], "programs": programs}} if programs else {})}
    shown.pop("release", None)  # what a release's values were
    return shown


def _addresses(urls: dict[str, str]) -> str:
    return ", ".join(f"{key} {redact(url)}" for key, url in sorted(urls.items()))


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
