"""A bench's own redis programs after it has moved away: stopped, kept from coming back, and ready to be brought up.

Where they are named, by bench's templates: config/supervisor.conf, the units of systemd, and Procfile (`bench start`).
supervisord restarts a whole group when one of its programs changes. So the group `<bench>-redis` leaves
config/supervisor.conf once none of it is used any more; until then a retired program of it is only stopped.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    Bench,
    BenchError,
    redact,
    replace_file,
    same_store,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal, digest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_own_redis import (
    PROGRAMS,
    OwnStore,
    in_use,
    is_local,
    names_program,
    redis_settings,
    without_lines,
    without_sections,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import BenchProcess, bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError, connect
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from ansible_collections.benchfly.stores.plugins.module_utils.systemd import MASK, Systemd, unit_file

ENDED = {"STOPPED", "EXITED", "FATAL"}
_PATIENCE = 60.0  # seconds for a redis to save and stop, or to load and answer


class Retirement:
    """What of a bench's own redis programs a move retires or brings back, on this host."""

    def __init__(self, bench: Bench, manager: ProcessManager, journal: Journal) -> None:
        self.bench, self.manager, self.journal = bench, manager, journal
        self.group = f"{bench.path.name}-redis"
        self.supervisor_conf = bench.path / "config/supervisor.conf"

    # -- away ----------------------------------------------------------------------------------------------------

    def retire(self, move: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Retire what `move` has left; returns what was retired, and for each that must stay why it must.

        The journal knows before anything is stopped, so a killed run can be resumed or taken back.
        """
        retired, kept = [], []
        for store in self._left(move):
            reason = self._in_use(store)
            if reason:
                kept.append(f"{store.described} stays: {reason}")
            else:
                retired.append(store)
        if not retired:
            return [], kept
        record = move.setdefault("retired", {"programs": {}, "files": {}, "links": {}})
        record["programs"].update({store.program: vars(store) for store in retired})
        record.pop("restored", None)
        self.journal.save()
        stopped = [self._stop(store.program) for store in retired]
        changed = self._take_out(move, retired) or any(stopped)
        self._tell_manager(record)
        if self._told(record) & {store.program for store in retired}:
            kept.append(
                "supervisord still knows them: it does not read config/supervisor.conf, but a copy. Take the programs "
                f"of group {self.group} out of that, or they come back with the next boot"
            )
        return [_with_data(store) for store in retired] if changed else [], kept

    def _left(self, move: dict[str, Any]) -> Iterator[OwnStore]:
        """The bench's own programs on this host that the former URLs name and the new ones do not."""
        before = move.get("retired", {}).get("programs", {})
        for process in self._own():
            program = process.name.partition(":")[2]
            key = next((key for key, name in PROGRAMS.items() if program.endswith(f"-{name}")), None)
            url = move["from"].get(key)
            if not key or not url or any(same_store(url, new) for new in move["to"].values()):
                continue
            settings = redis_settings(self.bench, key)
            served = settings.get("port") == _port(url) and is_local(urlsplit(url).hostname or "")
            if served or program in before:  # `bench setup redis` gives it the port of the new store
                yield OwnStore(key, program, url, f"{settings.get('dir', '')}/{settings.get('dbfilename', '')}")

    def _own(self) -> list[BenchProcess]:
        return bench_processes(self.bench.path, self.manager)

    def _in_use(self, store: OwnStore) -> str:
        """Why it must not be stopped; empty when nothing speaks against it."""
        if not any(one.name.endswith(f":{store.program}") and one.state == "RUNNING" for one in self._own()):
            return ""
        port = redis_settings(self.bench, store.key).get("port")
        try:
            client = connect(store.url if port == _port(store.url) else f"redis://127.0.0.1:{port}")
        except StoreError as error:
            return str(error)
        return in_use(client, self.bench, store.key)

    def _take_out(self, move: dict[str, Any], retired: list[OwnStore]) -> bool:
        """Take programs out of the files that would start them; each file is kept as it was just before."""
        changed = False
        for path, content in self._files({store.key for store in retired}):
            if content != path.read_bytes():
                self.journal.keep(path, move)
                move["retired"]["files"][str(path)] = hashlib.sha256(content).hexdigest()
                self.journal.save()
                replace_file(path, content)
                changed = True
        for store in retired:
            path = self.bench.path / "config" / f"{store.key}.conf"
            if redis_settings(self.bench, store.key).get("port") == _port(store.url):
                self.journal.keep(path, move)
            link = unit_file(store.program)
            if isinstance(self.manager, Systemd) and not is_masked(link):
                self._mask(link, move)
                changed = True
        return changed

    def _files(self, keys: set[str]) -> Iterator[tuple[Path, bytes]]:
        """Each file that names programs, and what it is to be without those of `keys`."""
        procfile, supervisor = self.bench.path / "Procfile", self.supervisor_conf
        if procfile.is_file():
            yield procfile, without_lines(procfile.read_bytes(), keys)
        gone = keys | {program["key"] for program in self.journal.retired()}
        if isinstance(self.manager, Supervisor) and supervisor.is_file() and gone >= set(PROGRAMS):
            programs = {f"program:{self.bench.path.name}-{name}" for name in PROGRAMS.values()}
            yield supervisor, without_sections(supervisor.read_bytes(), {*programs, f"group:{self.group}"})

    def _mask(self, link: Path, move: dict[str, Any]) -> None:
        """What `systemctl mask` does, which refuses where bench has put a link or a file of its own."""
        if link.is_symlink():
            move["retired"]["links"][str(link)] = os.readlink(link)
        elif link.exists():
            self.journal.keep(link, move)
            move["retired"]["links"][str(link)] = ""
        self.journal.save()
        link.unlink(missing_ok=True)
        link.symlink_to(MASK)

    def _stop(self, program: str) -> bool:
        names = {one.name for one in self._own() if one.name.endswith(f":{program}") and one.state not in ENDED}
        for name in names:
            self.manager.stop(name)
        if self.manager.wait(names, ENDED, _PATIENCE):
            raise BenchError(f"{program} did not stop within {_PATIENCE:g} s; its log is in the bench's logs/")
        return bool(names)

    def _tell_manager(self, record: dict[str, Any]) -> None:
        """Have the process manager read what was changed of its configuration."""
        if isinstance(self.manager, Systemd) and record["links"]:
            for program in record["programs"]:
                self.manager.forget_stop(f"{self.group}:{program}")
            self.manager.reload()
        if isinstance(self.manager, Supervisor) and self._leaves(record):
            self.manager.update(only={self.group}, timeout=_PATIENCE)

    def _leaves(self, record: dict[str, Any]) -> bool:
        return str(self.supervisor_conf) in record["files"]

    def _told(self, record: dict[str, Any]) -> set[str]:
        """Programs that supervisord has although its configuration does not name them any more."""
        return {one.name.partition(":")[2] for one in self._own()} if self._leaves(record) else set()

    # -- back ----------------------------------------------------------------------------------------------------

    def restore(self, move: dict[str, Any]) -> list[str]:
        """Bring back what `move` retired, every file byte for byte, and wait until it answers; return them."""
        record = move.get("retired", {})
        if not record.get("programs") or "restored" in record:
            return []
        stores = [OwnStore(**program) for program in record["programs"].values()]
        for path in map(Path, record["files"]):
            self._put_back(path, move, {store.key for store in stores})
        for link, target in record["links"].items():
            self._unmask(Path(link), target, move)
        for store in stores:
            path = self.bench.path / "config" / f"{store.key}.conf"
            if redis_settings(self.bench, store.key).get("port") != _port(store.url):
                replace_file(
                    path, self.journal.kept_at(path, move).read_bytes()
                )  # `bench setup redis` has written the new port there
        self._tell_manager(record)
        self._start(stores)
        record["restored"] = time.time()
        self.journal.save()
        return [store.described for store in stores]

    def _put_back(self, path: Path, move: dict[str, Any], keys: set[str]) -> None:
        content = path.read_bytes() if path.exists() else b""
        if digest(path) == move["retired"]["files"][str(path)]:
            replace_file(path, self.journal.kept_at(path, move).read_bytes())
        elif not all(names_program(content, self.bench, key) for key in keys):
            raise BenchError(
                f"{path} was edited since the move and does not name the bench's own redis programs, which the way "
                f"back needs. Put them back from {self.journal.kept_at(path, move)}, then run rollback again"
            )

    def _unmask(self, link: Path, target: str, move: dict[str, Any]) -> None:
        if not is_masked(link):
            return
        link.unlink()
        if target:
            link.symlink_to(target)
        else:
            replace_file(link, self.journal.kept_at(link, move).read_bytes(), mode=0o644)

    def _start(self, stores: list[OwnStore]) -> None:
        programs = {store.program for store in stores}
        still = {program["program"] for program in self.journal.retired()} - programs
        for one in self._own():
            program = one.name.partition(":")[2]
            if program in programs and one.state in ENDED:
                self.manager.start(one.name)
        if still:  # the group may have come back whole, and starts only after a moment
            self.manager.wait({one.name for one in self._own() if one.role == "redis"}, {"RUNNING", "FATAL"}, 10)
        for program in still:
            self._stop(program)
        for store in stores:
            _wait_for_answer(store.url)


# -- what is seen ------------------------------------------------------------------------------------------------


def amiss(bench: Bench, manager: ProcessManager, journal: Journal) -> list[str]:
    """What is not as the journal says, after somebody ran `bench setup ...` or `bench update` since the move."""
    found = [*_renamed(bench, journal)]
    running = {one.name.partition(":")[2]: one.state for one in bench_processes(bench.path, manager)}
    for program in journal.retired():
        name, where = program["program"], []
        if running.get(name, "STOPPED") not in ENDED:
            where.append("it runs")
        files = [path for path in map(Path, program["files"]) if path.is_file()]
        where += [f"{path} names it" for path in files if names_program(path.read_bytes(), bench, program["key"])]
        if isinstance(manager, Systemd) and not is_masked(unit_file(name)):
            where.append(f"{unit_file(name)} is not masked")
        if where:
            found.append(
                f"{name} was retired and is back ({', '.join(where)}): a later bench setup or bench update did that. "
                "Run benchfly migrate: it retires it again and moves nothing else"
            )
    return found


def _renamed(bench: Bench, journal: Journal) -> Iterator[str]:
    """Keys of the configuration that name another store than the one that the last move went to."""
    last, config = journal.last, bench.config()
    if last is None or last["state"] != "done":
        return
    for key, url in last["to"].items():
        today = str(config.get(key, ""))
        if today != url:
            yield (
                f"sites/common_site_config.json names {redact(today)} as {key}, the last {last['verb']} went to "
                f"{redact(url)}: processes that start now use the former. Put the URL of the latter back (it is in the "
                f"journal, {journal.path}) and restart them"
            )


def _with_data(store: OwnStore) -> str:
    return store.described + (f" (what it still had is in {store.data})" if os.path.isfile(store.data) else "")


def _port(url: str) -> str:
    return str(urlsplit(url).port or 6379)


def is_masked(link: Path) -> bool:
    return link.is_symlink() and os.readlink(link) == MASK


def _wait_for_answer(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connect(url)
            return
        except StoreError as error:  # it starts, or loads
            if time.monotonic() > deadline:
                raise BenchError(f"{error}; it was started again for the way back, its log is in logs/") from error
            time.sleep(0.1)
