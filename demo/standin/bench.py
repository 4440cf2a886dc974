"""A bench that behaves like a real one: laid out by frappe-bench itself, run by a supervisord of its own.

    <root>/                     everything of one stand-in; made by lay_out, and safe to delete once stopped
        standin.json            marks the folder as ours: name of the bench and its environment
        supervisord.{conf,log,pid,started}, supervisor.sock
        supervisor.d/*.conf     programs of others (stores) that the same supervisord is to run
        <name>/                 the bench: apps, config, env, logs, sites

Real are frappe-bench's templates and `bench` command, rq and its workers, gunicorn, redis-server and supervisord. Only
the package `frappe` is a stand-in, see standin/frappe. `bench worker`, `schedule` and `socketio` are the real CLI: it
takes 0.1 s and no network to exec env/bin/python -m frappe.utils.bench_helper, as on any bench.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin.environment import BenchEnv, ensure_env
from demo.standin.layout import make_bench, make_supervisord_conf
from demo.standin.processes import Started, end

from benchfly.errors import RefusedError

_MARKER = "standin.json"
# An environment variable with the root, that every process of a stand-in inherits.
_MARK = "BENCHFLY_STANDIN"
# supervisord first binds <socket>.<pid>, then renames it; the path of a unix socket has at most 107 bytes.
_LONGEST_SOCKET = 107 - len(".4194304")


@dataclass(frozen=True)
class Execution:
    """One line of executed.log or scheduled.log: job number `n` was executed (or enqueued) at `time`, unix seconds."""

    n: int
    job_id: str
    time: float
    pid: int


class StandinBench:
    """One stand-in bench, from `lay_out` (new) or `at` (existing). As a context manager it runs inside the block."""

    def __init__(self, root: Path, name: str, env: BenchEnv) -> None:
        self.root = root
        self.name = name
        self.env = env

    @classmethod
    def lay_out(
        cls,
        root: Path,
        *,
        frappe: str = "15",
        env: BenchEnv | None = None,
        name: str = "frappe-bench",
        web_workers: int = 2,
        background_workers: int = 1,
        workers: dict[str, dict[str, int]] | None = None,
    ) -> Self:
        """Make a new bench `root`/`name` on free ports, of the shape of a major version of Frappe, nothing running yet.

        `background_workers` is bench's own number: so many short,default and so many long,default,short workers.
        `workers` is bench's own too: queue -> {"timeout": seconds, "background_workers": number}, each a queue that is
        worked on alone. An earlier stand-in in `root` is stopped and replaced. Raises RefusedError when `root` holds
        anything else.
        """
        root = root.resolve()
        if any(character.isspace() or character == "%" for character in str(root)):
            raise RefusedError(f"{root}: bench's templates take no path with a space or a % in it. Choose another.")
        if (root / _MARKER).is_file():
            cls.at(root).stop()
            shutil.rmtree(root)
        elif root.exists() and any(root.iterdir()):
            raise RefusedError(f"{root}: is not empty, and not a stand-in bench. Choose another folder.")
        bench = cls(root, name, env or ensure_env(frappe=frappe))
        root.mkdir(parents=True, exist_ok=True)
        (root / _MARKER).write_text(
            json.dumps({"name": name, "frappe": bench.env.frappe, "env": str(bench.env.folder)})
        )
        numbers = {"gunicorn_workers": web_workers, "background_workers": background_workers}
        make_bench(bench.path, bench.env, **numbers, workers=workers or {})
        make_supervisord_conf(root, bench.path, bench.supervisor_socket)
        return bench

    @classmethod
    def at(cls, root: Path) -> Self:
        """The stand-in that was laid out in `root`. Raises RefusedError when there is none."""
        root = root.resolve()
        try:
            marker = json.loads((root / _MARKER).read_text())
        except FileNotFoundError:
            raise RefusedError(f"{root}: holds no stand-in bench. Make one: python -m demo.standin up {root}") from None
        return cls(root, marker["name"], BenchEnv(Path(marker["env"]), marker["frappe"]))

    @property
    def path(self) -> Path:
        """The bench's own folder."""
        return self.root / self.name

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config()['webserver_port']}"

    @property
    def supervisord_conf(self) -> Path:
        return self.root / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """In `root`, or in a private folder of the system's temporary one where that path is too long for a socket."""
        path = self.root / "supervisor.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"benchfly-{os.getuid()}-{digest}" / "supervisor.sock"

    def config(self) -> dict[str, Any]:
        """sites/common_site_config.json as it is now."""
        config: dict[str, Any] = json.loads((self.path / "sites/common_site_config.json").read_text())
        return config

    def executions(self) -> list[Execution]:
        """Every execution of a job so far, in the order in which they ended."""
        return list(_read_log(self.path / "logs/executed.log"))

    def scheduled(self) -> list[Execution]:
        """Every job that the scheduler has enqueued so far."""
        return list(_read_log(self.path / "logs/scheduled.log"))

    def processes(self) -> list[Process]:
        """What its supervisord runs; empty when that is not up."""
        try:
            return Supervisor(str(self.supervisor_socket)).processes()
        except OSError:
            return []

    def start(self, timeout: float = 60) -> None:
        """Start everything, and return when the web answers, workers are registered and socketio is subscribed.

        What an earlier run left running is stopped first. Raises RefusedError, with everything stopped again, when it
        is not ready within `timeout` seconds.
        """
        self.stop()
        self._make_socket_folder()
        supervisord = [str(self.env.bin / "supervisord"), "--configuration", str(self.supervisord_conf)]
        variables = self.env.variables | {_MARK: str(self.root)}
        done = subprocess.run(supervisord, env=variables, cwd=self.root, capture_output=True, text=True, check=False)
        missing = f"supervisord: {done.stderr.strip()}"
        deadline = time.monotonic() + timeout
        while not done.returncode and time.monotonic() < deadline:
            missing = self._missing()
            if not missing:
                return
            time.sleep(0.1)
        self.stop()
        raise RefusedError(
            f"{self.path}: the stand-in bench did not start: {missing}. "
            f"Read {self.path}/logs/*.error.log and {self.root}/supervisord.log."
        )

    def stop(self, patience: float = 30) -> None:
        """Stop everything, warm for `patience` seconds and then hard; also what a killed run left. May be repeated."""
        end(self._leader(), f"{_MARK}={self.root}", patience)
        self._record.unlink(missing_ok=True)
        self.supervisor_socket.unlink(missing_ok=True)
        if self.supervisor_socket.parent != self.root and self.supervisor_socket.parent.exists():
            self.supervisor_socket.parent.rmdir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _record(self) -> Path:
        """Pid and start time of supervisord."""
        return self.root / "supervisord.started"

    def _leader(self) -> Started | None:
        try:
            return Started(**json.loads(self._record.read_text()))
        except FileNotFoundError:
            return None

    def _missing(self) -> str:
        """What is not up yet; empty when all is."""
        if not self._record.exists():
            try:
                leader = Started.of(int((self.root / "supervisord.pid").read_text()))
            except (FileNotFoundError, ValueError, ProcessLookupError):
                return "supervisord has not started"
            self._record.write_text(json.dumps(vars(leader)))
        programs = [program for program in self.processes() if program.group.startswith(f"{self.name}-")]
        late = [f"{program.name} is {program.state}" for program in programs if program.state != "RUNNING"]
        if late or not programs:
            return ", ".join(late) or "supervisord does not answer"
        try:
            return self._missing_web() or self._missing_consumers(programs)
        except (OSError, http.client.HTTPException, redis.RedisError) as error:
            return str(error)

    def _missing_web(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.config()["webserver_port"], timeout=5)
        try:
            connection.request("GET", "/api/method/ping")
            status = connection.getresponse().status
        finally:
            connection.close()
        return "" if status == http.HTTPStatus.OK else f"{self.url}/api/method/ping answers {status}"

    def _missing_consumers(self, programs: list[Process]) -> str:
        config = self.config()
        realtime = config["redis_queue" if int(self.env.frappe) >= 15 else "redis_socketio"]
        with (
            redis.Redis.from_url(config["redis_queue"], decode_responses=True) as queue,
            redis.Redis.from_url(realtime) as channels,
        ):
            # rq:workers may also hold workers of an earlier run: a worker's name has its pid in it.
            registered = {name.split(".")[-2] for name in queue.smembers("rq:workers")}
            workers = {str(program.pid) for program in programs if "-worker-" in program.program}
            if not workers <= registered:
                return f"workers with pid {', '.join(sorted(workers - registered))} are not in rq:workers"
            return "" if channels.pubsub_numsub("events")[0][1] else "socketio has not subscribed to events"

    def _make_socket_folder(self) -> None:
        folder = self.supervisor_socket.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder != self.root and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise RefusedError(f"{folder}: belongs to somebody else or is open to others. Remove it, then run again.")


def _read_log(path: Path) -> Iterator[Execution]:
    for line in path.read_text().splitlines() if path.exists() else []:
        n, job_id, moment, pid = line.split()
        yield Execution(int(n), job_id, float(moment), int(pid))
