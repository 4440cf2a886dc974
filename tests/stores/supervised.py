"""A supervisord of a test's own, in a folder that goes with it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin.environment import ensure_env

CONFIGURATION = """
[unix_http_server]
file = {folder}/supervisor.sock
[supervisord]
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {folder}/supervisor.d/*.conf
"""


@contextmanager
def supervisord(*prefix: str) -> Iterator[Path]:
    """The folder with its supervisor.sock and supervisor.d; asserts at the end that no process is left.

    prefix: a command that runs another elsewhere, such as in a network namespace.
    """
    folder = Path(tempfile.mkdtemp(prefix="bf-"))  # short, since the path of a unix socket is limited
    (folder / "supervisor.d").mkdir()
    (folder / "supervisord.conf").write_text(CONFIGURATION.format(folder=folder))
    env = ensure_env()
    command = [*prefix, str(env.bin / "supervisord"), "--nodaemon", "--configuration", str(folder / "supervisord.conf")]
    process = subprocess.Popen(command, cwd=folder, env=env.variables, stdout=subprocess.DEVNULL)
    pids = []
    try:
        deadline = time.monotonic() + 30
        while not (folder / "supervisor.sock").exists():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "supervisord.log").read_text()
            time.sleep(0.05)
        yield folder
        pids = [each.pid for each in Supervisor(str(folder / "supervisor.sock")).processes() if each.pid]
    finally:
        process.terminate()
        process.wait(30)
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    shutil.rmtree(folder)
