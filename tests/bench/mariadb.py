"""A real MariaDB for one site of a test, on a free port of the loopback and in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.standin import SITE, StandinBench
from tests.stores.servers import free_port

PASSWORD = "s3cret of the site"
_SERVER = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
MISSING = not (_SERVER and shutil.which("mariadb-install-db") and shutil.which("my_print_defaults"))
REASON = "mariadb-server-core and mariadb-client-core are not installed"
_NOBODY = 65534  # mariadbd does not like to be root, and a test may be


class MariaDB:
    """`mariadbd` with a database and a user for the stand-in's site; ended with the block."""

    def __init__(self, bench: StandinBench) -> None:
        self._config = bench.path / f"sites/{SITE}/site_config.json"
        self.port = free_port()
        # The folders of tests are closed to others.
        self.folder = Path(tempfile.mkdtemp(prefix="benchfly-mariadb-"))
        self._as: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def __enter__(self) -> MariaDB:
        config = json.loads(self._config.read_text())
        name = config["db_name"]
        (self.folder / "init.sql").write_text(
            f"CREATE DATABASE `{name}`;\nCREATE USER `{name}`@`%` IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON `{name}`.* TO `{name}`@`%`;\n"
        )
        if self._as:
            os.chown(self.folder, _NOBODY, _NOBODY)
        common = ["--no-defaults", f"--datadir={self.folder}/data", "--innodb-log-file-size=8M"]
        self._prepare(common)
        command = [str(_SERVER), *common, f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid", f"--init-file={self.folder}/init.sql"]
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, **self._as)
        self._wait()
        address = {"db_host": "127.0.0.1", "db_port": self.port, "db_password": PASSWORD}
        self._config.write_text(json.dumps({**config, **address}, indent=1))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder)

    def _prepare(self, common: list[str]) -> None:
        command = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, **self._as)
        assert done.returncode == 0, done.stdout + done.stderr

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError(f"no answer from MariaDB at port {self.port}")
