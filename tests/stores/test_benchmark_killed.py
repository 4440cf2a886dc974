"""A benchmark whose controller, load generator or store is killed on the way: nothing half counts, and it can go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.orphans import descendants, end
from tests.stores.servers import Server
from tests.stores.test_benchmark import ROOT, command, own_keys, pair, play, urls, wait_for

from benchfly.benchmark import Benchmark

__all__ = ["pair"]  # a fixture

pytestmark = [pytest.mark.stores, pytest.mark.timeout(900)]  # a busy machine takes its time for so many tasks

# The tasks at whose beginning (for the so-manieth time, rounds that are kept included) the controller is killed.
STAGES = (
    ("TASK [Fill | Write the data]", 1),
    ("TASK [Warm up | ", 1),
    ("TASK [Measure | Play]", 3),
    ("TASK [Measure | Keep the round]", 2),
    ("TASK [Watch | End on the hosts that make load]", 1),
    ("TASK [Publish | Keep what was printed", 1),
)
FEW = (STAGES[3], STAGES[5])  # `make evidence TOPICS=killed` takes all of them


class Running:
    """ansible-playbook in a session of its own, with what it printed so far."""

    def __init__(self, folder: Path, variables: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self.log = folder / "stdout"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                command(folder, variables), cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_for(lambda: self.log.read_text().count(text) >= times or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """As a machine dies: the controller and its workers at once; what they began elsewhere goes on to its end."""
        workers = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        end(workers)

    def ended(self) -> int:
        try:
            return self.process.wait(timeout=400)
        finally:
            self.kill() if self.process.poll() is None else None


def rounds(folder: Path) -> list[dict[str, Any]]:
    """The whole rounds that a run kept."""
    return [json.loads(path.read_text()) for path in sorted((folder / "rounds").glob("*.json"))]


def kill_at(folder: Path, servers: tuple[Server, Server], stages: Sequence[tuple[str, int]]) -> Benchmark:
    """A benchmark whose controller is killed at each stage, and which then comes to its end."""
    variables = {**urls(*servers), "benchmark_generator": "python-client", "benchmark_seconds": 0.3}
    variables |= {"benchmark_rounds": 3, "benchmark_rounds_most": 3, "benchmark_twin": False}
    kept: list[dict[str, Any]] = []
    before = ""
    for number, (task, times) in enumerate(stages):
        running = Running(folder / str(number), {**variables, "benchmark_resume": before})
        try:
            running.wait_for(task, max(1, times - len(kept)))
        finally:
            running.kill()
        before = str(folder / str(number))
        wait_for(lambda: all(len(server.client.client_list()) <= 2 for server in servers))  # its trial goes on
        assert not (folder / str(number) / "benchmark.json").exists()
        assert rounds(folder / str(number))[: len(kept)] == kept
        kept = rounds(folder / str(number))
        assert all(len(each["trials"]) == len(each["outputs"]) == 2 for each in kept)
    done = play(folder, {**variables, "benchmark_resume": before})
    assert done.returncode == 0, done.stdout
    measured = Benchmark.load(folder / "benchmark.json")
    assert [trial.round for trial in measured.trials] == [1, 1, 2, 2, 3, 3]
    began = [trial["started"] for each in kept for trial in each["trials"]]
    assert [trial.started for trial in measured.trials][: len(began)] == began
    assert all(trial.valid for trial in measured.trials)
    assert not (folder / "begun.json").exists() and not (folder / "rounds").exists()
    # What was seen of the hosts is of all that time, also before it was killed.
    assert all(sample.rows[0]["time"] < measured.trials[0].started for sample in measured.samples)
    assert [server.client.dbsize() for server in servers] == [0, 0]
    wait_for(lambda: all(len(server.client.client_list()) == 1 for server in servers))  # nobody watches any more
    return measured


def test_a_controller_that_is_killed_goes_on(tmp_path: Path, pair: tuple[Server, Server]) -> None:
    kill_at(tmp_path, pair, FEW)


def processes(running: Running, name: str) -> list[int]:
    """Those below the playbook that have this in their command line, the deepest last; no shell that waits for one."""
    found = []
    for pid in descendants(running.process.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if name.encode() in words and b"ansible-playbook" not in words and not words.startswith(b"/bin/sh"):
            found.append(pid)
    return found


@pytest.mark.parametrize(("generator", "number"), [("redis-benchmark", 1), ("python-client", 2)])
def test_a_load_generator_that_is_killed_costs_its_trial(
    tmp_path: Path, pair: tuple[Server, Server], generator: str, number: int
) -> None:
    if generator == "redis-benchmark" and shutil.which(generator) is None:
        pytest.skip("redis-benchmark is not installed")
    variables = {**urls(*pair), "benchmark_generator": generator, "benchmark_seconds": 3, "benchmark_twin": False}
    variables |= {"benchmark_rounds": 2, "benchmark_rounds_most": 2, "benchmark_processes": number}
    running = Running(tmp_path, variables)
    running.wait_for("TASK [Measure | Play]", 3)  # of the warm-up there were two
    program = generator if number == 1 else "benchmark_trial"
    # Of several processes the first is the one that the others are of.
    wait_for(lambda: len(processes(running, program)) > number - 1 and busy(pair))
    os.kill(processes(running, program)[-1], signal.SIGKILL)
    assert running.ended() == 0, running.log.read_text()
    measured = Benchmark.load(tmp_path / "benchmark.json")
    invalid = [trial for trial in measured.trials if not trial.valid]
    assert len(measured.trials) == 4 and len(invalid) == 1 and invalid[0].round == 1
    assert "killed" in invalid[0].invalid[0] or "no output of redis-benchmark" in invalid[0].invalid[0]
    assert [server.client.dbsize() for server in pair] == [0, 0]


def busy(servers: Sequence[Server]) -> bool:
    return any(server.client.info("stats")["instantaneous_ops_per_sec"] > 100 for server in servers)


def test_a_store_that_is_killed_ends_the_benchmark_which_goes_on_when_it_is_back(
    tmp_path: Path, pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    given = {**urls(*pair), "benchmark_generator": "python-client", "benchmark_seconds": 1, "benchmark_rounds": 2}
    given |= {"benchmark_rounds_most": 2, "benchmark_twin": False, "ansible_python_interpreter": sys.executable}
    with subprocess.Popen(benchfly("benchmark", "-e", json.dumps(given)), cwd=ROOT, **PRINTED) as running:
        kept = (tmp_path / "home/runs").glob
        wait_for(lambda: any(kept("*/rounds/00001.json")) or running.poll() is not None, 200)
        pair[1].kill()
        out = " ".join(running.communicate(timeout=400)[0].split())
    assert running.returncode == 4, out
    (folder,) = (tmp_path / "home/runs").iterdir()
    assert "store new: 127.0.0.1" in out and f"--resume {folder.name}` goes on with it." in out
    assert not (folder / "benchmark.json").exists() and len(rounds(folder)) == 1
    assert own_keys(pair[0]) == 0
    assert f"`benchfly benchmark --resume {folder.name}` goes on with it" in ended("report", folder.name)[1]
    pair[1].start()
    resumed = ("benchmark", "--resume", folder.name[-4:], "-e")
    code, refused = ended(*resumed, json.dumps({**given, "benchmark_seconds": 2}))
    assert code == 3 and "had another workload, seconds than this benchmark would have" in refused
    code, said = ended(*resumed, json.dumps(given))
    assert code == 0 and "Throughput of new and old: not judged: 2 rounds" in said
    assert [server.client.dbsize() for server in pair] == [0, 0]


PRINTED: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def benchfly(*words: str) -> list[str]:
    return [sys.executable, "-c", "from benchfly.cli import main; main()", *words]


def ended(*words: str) -> tuple[int, str]:
    """Exit code of a command, and what it printed, in one line."""
    done = subprocess.run(benchfly(*words), cwd=ROOT, **PRINTED, timeout=400, check=False)
    return done.returncode, " ".join(done.stdout.split())
