"""A real server for one test, on a free port of the loopback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import parse
from tests.stores.binaries import release


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """`redis-server` (or another binary of its family) in a folder, ended with the block; `client` speaks bytes."""

    def __init__(self, folder: Path, *options: str, binary: str = "redis-server", password: str | None = None) -> None:
        if shutil.which(binary) is None:
            pytest.skip(f"{binary} is not installed")
        self.folder, self.binary, self.port, self.password = folder, binary, free_port(), password
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", *self._fixed(), *options]
        self._log = (folder / "server.log").open("wb")
        self._process = self._started()
        self.client = redis.Redis.from_url(self.url, password=password)

    def _fixed(self) -> list[str]:
        return ["--save", "", "--dir", str(self.folder)]

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=self.folder, stdout=self._log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """End it as a machine that dies would, with what it held."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Have it back where it was."""
        self._process = self._started()
        self.__enter__()

    def stop(self) -> None:
        """Let it stand still, with its connections kept."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Server:
        for _ in range(400):
            try:
                self.client.ping()
                # Dragonfly does not say what a client did last, so one that only asked could be a writer.
                self.client.connection_pool.disconnect()
                return self
            except redis.exceptions.ConnectionError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.05)
        raise AssertionError(f"no answer from {self.url}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        self.kill()
        self._log.close()


class DragonflyServer(Server):
    """The same with the flags that the role gives a Dragonfly of that purpose, and no snapshots."""

    def __init__(
        self,
        folder: Path,
        binary: str,
        purpose: str = "queue",
        password: str | None = None,
        memory: str = "512mb",
    ) -> None:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.purpose, self.memory = purpose, memory
        options = [f"--requirepass={password}"] if password else []
        super().__init__(folder, *options, binary=binary, password=password)

    def _fixed(self) -> list[str]:
        said = {"engine": "dragonfly", "purpose": self.purpose, "port": self.port, "memory": self.memory}
        spec = parse("store", {**said, "persistence": "none"})
        flags = store_dragonfly.flags(spec, release(Path(self.binary), "dragonfly"), str(self.folder))
        return [f"--{name}={value}" for name, value in flags]


def server(folder: Path, binary: Path | None) -> Server:
    """A server of that binary, or of the machine's redis-server."""
    if binary and "dragonfly" in binary.name:
        return DragonflyServer(folder, str(binary))
    return Server(folder, binary=str(binary or "redis-server"))
