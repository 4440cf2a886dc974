"""The image for AWX has what the package needs."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "execution-environment.yml"


def test_its_versions_are_those_of_the_package() -> None:
    needed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    given = yaml.safe_load(FILE.read_text())["dependencies"]
    assert {given["ansible_core"]["package_pip"], given["ansible_runner"]["package_pip"]} <= needed


def test_the_builder_takes_it(tmp_path: Path) -> None:
    builder = shutil.which("ansible-builder")
    if not builder:
        pytest.skip("there is no ansible-builder")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/benchfly-0.1.0-py3-none-any.whl").touch()  # what `make dist` makes
    shutil.copy(FILE, tmp_path)
    command = [builder, "create", "--file", FILE.name, "--context", "context", "--output-filename", "Containerfile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "context/_build/wheel/benchfly-0.1.0-py3-none-any.whl").is_file()
    steps = (tmp_path / "context/Containerfile").read_text()
    assert steps.index("COPY _build/wheel /tmp/wheel") < steps.index(
        "pip install --no-cache-dir /tmp/wheel/benchfly-*.whl"
    )
