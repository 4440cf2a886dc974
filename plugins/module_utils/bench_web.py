"""A web process of a bench that nobody but us can reach: the bench's own gunicorn, Frappe and configuration."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError

_READY = "/api/method/ping"
_START_SECONDS = 90
_REQUEST_SECONDS = 120  # what bench's own configuration gives a request


def refuse_other_users(bench: Path) -> None:
    """Raises BenchError unless we are who the bench belongs to, or root, who can act as that user.

    What anybody else's Frappe writes into the bench's logs, the bench's own could not write to any more.
    """
    owner = (bench / "sites").stat().st_uid
    if os.geteuid() not in (0, owner):
        raise BenchError(f"{bench} belongs to {_name(owner)}: have Ansible log in as that user, or become it or root")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


class Web:
    """One gunicorn with one worker for a site, on a unix socket in a folder of its own, for the time of a block.

    redis_cache: the store that it is to use in place of the configuration's, which Frappe takes from v15 on.
    """

    def __init__(self, bench: Path, site: str, redis_cache: str = "", authorization: str = "") -> None:
        self._bench, self._redis_cache = bench, redis_cache
        self._headers = {"Host": site, "X-Frappe-Site-Name": site}
        if authorization:
            self._headers["Authorization"] = authorization

    def __enter__(self) -> Web:
        owner = (self._bench / "sites").stat()
        self._folder = Path(tempfile.mkdtemp(prefix="benchfly-web-"))
        self._socket, self._log = self._folder / "web.sock", self._folder / "web.log"
        program = [str(self._bench / "env/bin/gunicorn"), "--bind", f"unix:{self._socket}", "--workers", "1"]
        program += ["--timeout", str(_REQUEST_SECONDS), "frappe.app:application"]
        # Without it a killed module leaves a gunicorn that serves on.
        dying = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        with self._log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [*dying, *program],
                    cwd=self._bench / "sites",
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    **self._as_owner(owner),
                )
            except OSError as error:
                shutil.rmtree(self._folder)
                raise BenchError(f"{program[0]} cannot be started: {error}") from error
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its worker ends when it misses it
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def get(self, path: str) -> int:
        """The status that a GET of the path is answered with, once the answer is here whole. Raises OSError."""
        connection = _UnixConnection(self._socket)
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except http.client.HTTPException as error:
            raise OSError(f"GET {path}: {type(error).__name__} {error}") from error
        finally:
            connection.close()

    def _wait(self) -> None:
        """Until it answers. Raises BenchError with the end of what it said when it does not."""
        deadline, said = time.monotonic() + _START_SECONDS, "nothing"
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                status = self.get(_READY)
                if status == 200:
                    return
                said = f"{status} to {_READY}"
            except OSError as error:
                said = str(error)
            time.sleep(0.05)
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchError(f"a web process of {self._bench} does not come up: {said}; {'; '.join(lines[-3:])}")

    def _environment(self) -> dict[str, str]:
        """The store's URL may have a password in it, so it is not in the command line. HOME may be root's."""
        chosen = {"FRAPPE_REDIS_CACHE": self._redis_cache} if self._redis_cache else {}
        return {**{name: value for name, value in os.environ.items() if name != "HOME"}, **chosen}

    def _as_owner(self, owner: os.stat_result) -> dict[str, Any]:
        """As root, to act as that user."""
        if owner.st_uid == os.geteuid():
            return {}
        os.chown(self._folder, owner.st_uid, owner.st_gid)
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_REQUEST_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
