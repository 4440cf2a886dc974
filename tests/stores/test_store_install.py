"""Archives on this machine, without root: a server comes into its own folder, or nothing does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo.standin.environment import ensure_env

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: benchfly.stores.store_install
        tasks_from: "{{ tasks_from | default('main') }}"
    - ansible.builtin.debug:
        var: store_install_servers.redis
"""


@dataclass
class Install:
    folder: Path
    wanted: dict[str, Any]

    @property
    def target(self) -> Path:
        return self.folder / "opt"

    def run(self, *options: str, tasks_from: str = "main", **wanted: Any) -> tuple[int, str, int]:
        """Exit code, output with its blanks made one, and how many tasks changed something."""
        (self.folder / "play.yml").write_text(PLAYBOOK)
        given = {
            "ansible_python_interpreter": sys.executable,
            "ansible_remote_tmp": str(self.folder / "tmp"),
            "tasks_from": tasks_from,
            "store_install_dir": str(self.target),
            "store_install_engine": "redis",
            "store_install_stores": {},
            "store_install_wanted": {**self.wanted, **wanted},
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", *options]
        done = subprocess.run(
            [*command, "-e", json.dumps(given), str(self.folder / "play.yml")],
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        output = " ".join((done.stdout + done.stderr).split())
        changed = re.search(r"changed=(\d+)", output)
        assert changed, output
        return done.returncode, output, int(changed[1])


@pytest.fixture(scope="module")
def server() -> tuple[Path, str]:
    """This machine's redis-server, and its version."""
    path = ensure_env().redis_server
    banner = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=(\S+)", banner)
    assert version
    return path, version[1]


@pytest.fixture
def install(tmp_path: Path, server: tuple[Path, str]) -> Install:
    archive = tmp_path / "redis.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(server[0].resolve(), "redis/bin/redis-server")
    wanted = {"method": "archive", "version": server[1], "url": f"file://{archive}", "binary": "", "packages": []}
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Install(tmp_path, {**wanted, "sha256": sha256, "repository": {}})


def test_an_archive_is_unpacked_once_and_removed(install: Install, server: tuple[Path, str]) -> None:
    code, output, announced = install.run("--check")
    assert (code, announced) == (0, 1), output
    assert not install.target.exists(), "check mode leaves nothing"
    code, output, changed = install.run()
    assert (code, changed) == (0, announced), output
    path = install.target / f"redis-{server[1]}" / "redis/bin/redis-server"
    assert re.search(rf"path: {path} .*version: {server[1]}", output)
    assert [file.name for file in install.target.iterdir()] == [f"redis-{server[1]}"]
    assert install.run(url="file:///gone")[2] == 0, "what is there is not fetched"
    other = install.target / "redis-1.2.3"
    other.mkdir()
    assert install.run(tasks_from="remove")[0] == 0
    assert not install.target.exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sha256": ""}, "Nothing was changed: redis_install archive needs redis_sha256: what sha256sum prints"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"version": ""}, "needs redis_version"),
        ({"url": ""}, "needs redis_url"),
        ({"sha256": "0" * 64}, "did not match"),
        ({"version": "1.2.3"}, "and redis_version is 1.2.3. Archives of sources are not compiled"),
        ({"url": "/gone.tar.gz"}, "/gone.tar.gz is not on the controller"),
        ({"method": "repository"}, "needs redis_repository: its uris"),
    ],
)
def test_what_is_refused_leaves_nothing(install: Install, said: dict[str, str], words: str) -> None:
    code, output, changed = install.run(**said)
    assert (code, changed) == (2, 0)
    assert words in output
    assert not install.target.exists()


def test_a_file_of_the_controller_is_held_against_its_checksum(install: Install) -> None:
    path, wrong = install.wanted["url"].removeprefix("file://"), "0" * 64
    code, output, changed = install.run(url=path, sha256=wrong)
    assert (code, changed) == (2, 0)
    assert f"{path} has sha256 {install.wanted['sha256']}, and redis_sha256 is {wrong}" in output


def test_a_server_of_another_version_than_the_pinned_is_refused(install: Install, server: tuple[Path, str]) -> None:
    code, output, _ = install.run(binary=str(server[0]), version="1.2.3")
    assert code == 2
    assert "and redis_version is 1.2.3. Give the path of that version in redis_binary" in output
    code, output, _ = install.run(binary=str(server[0]))
    assert code == 0, output
