"""What tests of labs want alike: an account behind a front, the command, and hosts that stand in for EC2's."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from demo.standin.environment import ensure_env
from tests.ec2.conftest import REGION
from tests.ec2.fleet import operator
from tests.ec2.front import Front, everything, front
from tests.stores.binaries import STANDIN
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

from benchfly import cli

PROGRAM = [sys.executable, "-c", "from benchfly.cli import main; main()"]
# moto knows the images of Amazon Linux, and what such an instance has of processors and memory.
BED = ("--ssh-from", "203.0.113.7/32", "--image", "amazon-linux-2023", "--store-type", "c7g.medium")


@dataclass
class Account:
    """An account whose every call goes through `front`; `before` is what was in it."""

    front: Front
    ec2: Any
    before: Mapping[str, Any]

    def left(self) -> dict[str, Any]:
        """What is there now and was not before."""
        now = everything(self.ec2, self.front.groups)
        return {kind: found for kind, found in now.items() if found != self.before[kind]}


@pytest.fixture
def cloud(account: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    """The account of moto's server, where commands reach it through a front, and nothing is known here of labs."""
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    with front(account) as gate:
        ec2 = operator("ec2", REGION)
        monkeypatch.setenv("AWS_ENDPOINT_URL", gate.url)
        # moto has 17 regions, and makes each of them anew for every test.
        regions = "".join(f"<item><regionName>{name}</regionName></item>" for name in ("us-east-1", REGION))
        gate.replies["DescribeRegions"] = f"<regionInfo>{regions}</regionInfo>"
        gate.prices = {"c7g.medium": 0.25, "c7g.2xlarge": 1.0}  # no prices of AWS's: round, to be reckoned with
        yield Account(gate, ec2, everything(ec2, gate.groups))


def benchfly(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command in this process; its exit code, output and errors."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def begin(*words: str) -> BaseProcess:
    """The same in a process that may be killed, made from one that has loaded what takes long."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchfly.cli.app", "boto3"])
    process = context.Process(target=_run, args=(words, dict(os.environ)))
    process.start()
    return process


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    cli.main(words)


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    """The same as a shell would run it."""
    return subprocess.Popen(
        [*PROGRAM, *words],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


@contextmanager
def standins() -> Iterator[Path]:
    """Variables (-e @file) with which this machine stands in for all hosts of a lab, as a supervisord of its own.

    Nothing of benchfly knows of it: these are variables that any inventory may set.
    """
    with supervisord() as folder:
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "ansible_remote_tmp": str(folder / "ansible"),
            "ansible_async_dir": str(folder / "async"),
            "lab_address": "127.0.0.1",
            "lab_port": free_port(),
            "lab_processes": 1,
            "lab_booted": str(folder / "supervisord.conf"),
            "store_service_process_manager": "supervisor",
            "store_service_base_dir": str(folder / "stores"),
            "store_service_supervisor_socket": str(folder / "supervisor.sock"),
            "store_service_supervisor_config_dir": str(folder / "supervisor.d"),
            "redis_install": "none",
            "dragonfly_binary": str(STANDIN),
            "load_generator_packages": [],
        }
        path = folder / "standins.json"
        path.write_text(json.dumps(variables))
        yield path


def environment() -> dict[str, str]:
    """What has the programs that the stand-ins run."""
    return {**os.environ, **ensure_env().variables}
