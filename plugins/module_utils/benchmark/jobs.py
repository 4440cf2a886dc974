"""Background jobs with the RQ of a bench, from the intended moment of enqueueing until they have run."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import recorder, rq_driver
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    OutputError,
    Target,
    last_line,
    scratch,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.recorder import Recorder
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.store import RQ_NAME
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload


def play(python: str, target: Target, workload: Workload, load: Load) -> dict[str, Any]:
    """An operation is one job; one that has not run in time is an error."""
    _rq_of(python)
    name = RQ_NAME + uuid.uuid4().hex[:12]
    with scratch() as folder, Path(folder, "workers.log").open("wb") as log:
        driver = Path(folder, "rq_driver.py")
        driver.write_text(inspect.getsource(rq_driver))
        environment = {**os.environ, "BENCHFLY_URL": _url(target), "PYTHONPATH": folder}
        argv = [python, str(driver)]
        workers = [
            subprocess.Popen([*argv, "worker", name], cwd=folder, env=environment, stdout=log, stderr=log)
            for _ in range(workload.number("workers"))
        ]
        try:
            given = {"name": name, "rate": load.rate, "seconds": load.seconds}
            given.update({key: workload.number(key) for key in ("bytes", "job_ms")})
            driven = subprocess.run(
                [*argv, "drive", json.dumps(given)],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=load.seconds * 2 + 60,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OutputError("RQ did not enqueue its jobs in twice the time, and was ended") from error
        finally:
            _end(workers)
    if driven.returncode:
        raise OutputError(f"RQ could not enqueue: {last_line(driven.stderr)}")
    return _result(json.loads(driven.stdout), load.seconds)


def _result(found: dict[str, Any], seconds: float) -> dict[str, Any]:
    mine = Recorder(found["started"])
    mine.errors = found["lost"]
    for due, done in found["jobs"]:
        mine.add(due, max(due, done))
    return recorder.result([mine], seconds, {"jobs": len(found["jobs"]) + found["lost"], "lost": found["lost"]})


def _rq_of(python: str) -> None:
    """Raises OutputError where that Python has no RQ."""
    asked = subprocess.run([python, "-c", "import rq"], capture_output=True, text=True, timeout=30, check=False)
    if asked.returncode:
        raise OutputError(
            f"{python} has no RQ. Set benchmark_generator: python-client and benchmark_generator_path to that of a "
            "bench: /home/frappe/frappe-bench/env/bin/python"
        )


def _url(target: Target) -> str:
    login = f"{quote(target.user, safe='')}:{quote(target.password, safe='')}@" if target.password else ""
    return f"redis://{login}{target.host}:{target.port}/{target.database}"


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    """A worker ends its job first; one that does not is killed."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(timeout=10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
