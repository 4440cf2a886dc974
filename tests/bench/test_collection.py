"""The tree is an Ansible collection: it can be built, installed, and its playbooks run by their full names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.bench.conftest import BIN, ROOT, Moving

pytestmark = pytest.mark.bench


def galaxy(*arguments: str) -> None:
    command = [str(BIN / "ansible-galaxy"), "collection", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


def test_a_playbook_runs_from_the_installed_collection(moving: Moving, tmp_path: Path) -> None:
    galaxy("build", "--output-path", str(tmp_path))
    (archive,) = tmp_path.glob("benchfly-stores-*.tar.gz")
    galaxy("install", "--force", "--no-deps", "--collections-path", str(tmp_path / "installed"), str(archive))
    installed = tmp_path / "installed/ansible_collections/benchfly/stores"
    assert {path.name for path in installed.iterdir()} >= {"playbooks", "plugins", "roles", "meta"}
    assert not {"tests", "toolkit", "demo", ".git"} & {path.name for path in installed.iterdir()}

    # From another folder, and with the checkout nowhere among the places that Ansible searches.
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "ansible/tmp"),
    }
    command = [str(BIN / "ansible-playbook"), "-v", "-i", str(moving.inventory), "benchfly.stores.check"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"verdict": "go"' in done.stdout
    assert str(ROOT / "playbooks") not in done.stdout
