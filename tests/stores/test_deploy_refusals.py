"""The verb deploy refuses wrong stores before anything on the host changes, and says all that is wrong at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.stores.servers import free_port
from tests.unit.test_store_refusals import CACHE, FLY, FLY_QUEUE, QUEUE, WRONG

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests/standins/dragonfly"
pytestmark = pytest.mark.stores


def deploy(folder: Path, stores: dict[str, object], *options: str, **variables: object) -> str:
    """What the playbook says, in one line; asserts that it refused and that no task changed anything."""
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "store_service_base_dir": str(folder / "stores"),
        "store_service_process_manager": "supervisor",
        "store_service_supervisor_socket": str(folder / "supervisor.sock"),
        "store_service_supervisor_config_dir": str(folder / "supervisor.d"),
        "stores": stores,
        **variables,
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"stores": {"hosts": {"here": host}}}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *options]
    env = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [*command, str(ROOT / "playbooks/deploy.yml")], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "changed=0 " in done.stdout
    assert "changed: [" not in done.stdout
    return " ".join((done.stdout + done.stderr).split())


def numbered(wrong: list[tuple[dict[str, object], str]]) -> tuple[dict[str, object], list[str]]:
    stores: dict[str, object] = {f"shop{number}": given for number, (given, _) in enumerate(wrong)}
    return stores, [f"shop{number}.{message}" for number, (_, message) in enumerate(wrong)]


def test_all_that_is_wrong_is_said_and_nothing_is_touched(tmp_path: Path) -> None:
    stores, messages = numbered(WRONG[:50])  # what the host does not have comes after them
    said = deploy(tmp_path, stores)
    assert [message for message in messages if message not in said] == []
    assert "s3cret" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.yml"]


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ({"a": {**FLY, "eviction": "volatile-lru"}, "b": {**FLY_QUEUE, "persistence": "aof"}},
         ["a.eviction: 'volatile-lru' cannot be chosen on Dragonfly", "b.persistence: 'aof' does not exist"]),
        ({"a": {**CACHE, "memory": "100tb"}, "b": {**QUEUE, "memory": "100tb", "port": 13000}},
         ["a.memory, b.memory: the stores may take", "b.persistence: the files of the stores may take",
          "b.port: 13000 is also the port of a"]),
        ({"a": {**CACHE, "cpus": "4000"}, "b": {**CACHE, "port": 2, "backlog": 65535, "threads": 100}},
         ["a.cpus: '4000' has a CPU that the host has not", "b.threads: 100 are more than the host's CPUs"]),
    ],
)  # fmt: skip
def test_what_the_engine_or_the_host_cannot_do_is_refused_too(
    tmp_path: Path, stores: dict[str, object], words: list[str]
) -> None:
    said = deploy(tmp_path, stores)
    assert [each for each in words if each not in said] == []
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.yml"]


HALF_SAID = {"dragonfly_install": "archive", "dragonfly_version": "1.40.0", "dragonfly_url": "/nowhere.tar.gz"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (HALF_SAID, "Nothing was changed: dragonfly_install archive needs dragonfly_sha256"),
        ({"dragonfly_binary": str(STAND_IN), "dragonfly_version": "1.2.3"}, "Give the path of that version"),
        ({"dragonfly_binary": "/nowhere"}, "Install dragonfly, or give its path in dragonfly_binary"),
    ],
)
def test_a_server_that_cannot_be_had_keeps_the_stores_of_other_engines_waiting(
    tmp_path: Path, said: dict[str, str], words: str
) -> None:
    stores: dict[str, object] = {"good": {**CACHE, "port": free_port()}, "bad": {**FLY, "port": free_port()}}
    assert words in deploy(tmp_path, stores, **said)
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.yml"]


def test_a_server_that_cannot_be_had_is_refused_before_the_kernel_is_set(tmp_path: Path) -> None:
    """In check mode, so that this machine's kernel stays as it is whatever comes of it."""
    said = deploy(tmp_path, {"bad": FLY}, "--check", store_service_process_manager="systemd", **HALF_SAID)
    assert "needs dragonfly_sha256" in said
    assert "Set the kernel" not in said
