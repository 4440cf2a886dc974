"""docs/gate.md, made of the needs and checks that the gate asks.

python -m tests.gate_reference    writes it anew
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from ansible_collections.benchfly.stores.plugins.module_utils.gate import bench, hosts
from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import PURPOSES, Need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.needs import NEEDS
from tests.store_reference import table

PAGE = Path(__file__).parents[1] / "docs/gate.md"
TEMPLATE = Path(__file__).with_name("gate_reference.md")


def page() -> str:
    """The whole page."""
    return Template(TEMPLATE.read_text()).substitute(
        needs=table(("need", "used by", "asked of", "if not", "remedy"), map(need_row, NEEDS)),
        bench=table(("looked for", "because"), ((check.looks_for, check.why) for check in bench.CHECKS)),
        hosts=table(("looked for", "verdict", "because"), hosts.CHECKS),
    )


def need_row(need: Need) -> tuple[str, ...]:
    purposes = "both" if need.purposes == PURPOSES else need.purposes[0]
    asked = purposes if need.when.text == "every bench" else f"{purposes}; {need.when.text}"
    how = " ".join((need.ask.__doc__ or "").split())
    return (f"{need.need}. {how}", need.used_by, asked, f"`{need.otherwise}`", need.remedy)


if __name__ == "__main__":
    PAGE.write_text(page())
