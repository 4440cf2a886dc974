"""docs/tuning.md, made of the space, the rules and the figures of benchfly.tuning.

python -m tests.tuning_reference    writes it anew
"""

from __future__ import annotations

from pathlib import Path
from string import Template

import yaml
from tests.store_reference import NAMES, table

from benchfly.tuning.change import shown
from benchfly.tuning.plan import ATTEMPTS
from benchfly.tuning.rules import Rule, rules
from benchfly.tuning.search import MANY
from benchfly.tuning.space import CPU_SETS, Setting, space
from benchfly.tuning.study import HOPELESS, LONGER, REPEATS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/tuning.md"
TEMPLATE = Path(__file__).with_name("tuning_reference.md")


def page() -> str:
    """The whole page."""
    told = yaml.safe_load((ROOT / "playbooks/tune.yml").read_text())[1]["vars"]
    head = ("setting", "values", "restarts", "why", "risk", "source")
    return Template(TEMPLATE.read_text()).substitute(
        workload=f"`{told['tune_workload']}`",
        scale=told["tune_scale"],
        smallest=f"{told['tune_smallest']:.0%}",
        tolerance=f"{told['tune_tolerance']:.0%}",
        many=MANY,
        repeats=REPEATS,
        hopeless=f"{HOPELESS:.0%}",
        longer=LONGER,
        attempts=ATTEMPTS,
        settings=table(head, (setting_row(each) for each in space() if each.tried)),
        others=table(
            ("setting", "why", "not tried, since", "source"), (left_row(each) for each in space() if each.left)
        ),
        rules=table(("rule", "about", "goes by", "expected", "source"), map(rule_row, rules())),
    )


def setting_row(setting: Setting) -> tuple[str, ...]:
    values = "CPU sets of the host" if setting.values == CPU_SETS else ", ".join(map(shown, setting.values))
    bound = f", up to the host's {setting.at_most}" if setting.at_most else ""
    return (named(setting), values + bound, engines(setting.restart), setting.why, setting.risk, setting.source)


def left_row(setting: Setting) -> tuple[str, ...]:
    return (named(setting), setting.why, setting.left, setting.source)


def rule_row(rule: Rule) -> tuple[str, ...]:
    about = ", ".join(f"`{name}`" for name in rule.about)
    return (f"`{rule.id}`", about, ", ".join(rule.inputs), rule.expected, rule.source)


def named(setting: Setting) -> str:
    """With the engines and purposes that have it, where these are not all."""
    only = "" if len(setting.engines) == len(NAMES) else f" ({engines(setting.engines)})"
    purpose = "" if len(setting.purposes) > 1 else f" of a {setting.purposes[0]}"
    return f"`{setting.name}`{purpose}{only}"


def engines(names: tuple[str, ...]) -> str:
    if not names:
        return "no"
    return "yes" if len(names) == len(NAMES) else ", ".join(NAMES[name] for name in names)


if __name__ == "__main__":
    PAGE.write_text(page())
