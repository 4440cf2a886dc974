"""Every role says what it takes: argument_specs equal to defaults, prefixed names, and no variable without a use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def texts(role: Path) -> str:
    """All that may use a variable: the role's own files and the playbooks."""
    files = [path for path in role.rglob("*") if path.is_file() and path.name != "argument_specs.yml"]
    return "\n".join(path.read_text() for path in [*files, *(ROOT / "playbooks").glob("*.yml")])


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_argument_specs_equal_defaults(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    required = [name for name, option in options.items() if "default" not in option]
    assert all(options[name].get("required") for name in required), f"neither a default nor required: {required}"
    assert all(option.get("description") for option in options.values())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_names_are_prefixed_and_used(role: Path) -> None:
    defaults, private = load(role / "defaults/main.yml"), load(role / "vars/main.yml")
    assert [name for name in defaults if not name.startswith(f"{role.name}_")] == []
    assert [name for name in private if not name.startswith(f"_{role.name}_")] == []
    text = texts(role)
    unused = [name for name in [*defaults, *private] if len(re.findall(rf"\b{name}\b", text)) < 2]
    assert unused == [], "declared and never used"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_registered_and_set_names_are_private(role: Path) -> None:
    text = "\n".join(path.read_text() for path in (role / "tasks").glob("*.yml"))
    names = re.findall(r"^\s*register: (\S+)", text, re.MULTILINE)
    assert [name for name in names if not name.startswith(f"_{role.name}_")] == []


def test_every_verb_is_documented_and_names_its_phases() -> None:
    for playbook in sorted((ROOT / "playbooks").glob("*.yml")):
        assert playbook.read_text().startswith("---\n# "), f"{playbook.name} does not begin by saying what it does"
