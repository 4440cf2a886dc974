"""The inventory that docs/kubernetes.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_its_inventory_says_what_the_role_takes() -> None:
    text = (ROOT / "docs/kubernetes.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    variables = yaml.safe_load(block)["benches"]["children"]["shop"]["vars"]
    specs = yaml.safe_load((ROOT / "roles/frappe_bench/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    assert set(variables) <= set(options)
    assert variables["frappe_bench_process_manager"] in options["frappe_bench_process_manager"]["choices"]
