"""Modules say what they take in a form that ansible-doc can read; the linter passes over what it cannot."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))
TEXTS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_documentation_can_be_read(module: Path) -> None:
    texts = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in TEXTS
    }
    assert texts.keys() == TEXTS
    assert all(yaml.safe_load(text) for text in texts.values())
    assert yaml.safe_load(texts["DOCUMENTATION"])["module"] == module.stem
