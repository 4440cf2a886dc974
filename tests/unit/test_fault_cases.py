"""The cases of `make faults`: each once, and always one that fits where the bench is."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from tests.faults.cases import MOVES, PHASES, TARGETS, WAYS, cases, choose
from tests.faults.load import Answer, longest_gaps


def test_every_target_is_broken_in_every_phase_both_ways() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names))
    assert {f"{fault}-{target}-{phase}-{verb}" for fault, target, phase, verb in product(
        ("kill", "cut"), TARGETS, PHASES, MOVES
    )} <= set(names)  # fmt: skip
    half = sum(case.way == WAYS[0] for case in cases())
    assert abs(half - len(names) / 2) <= 1
    assert [case.name for case in cases()] == names, "the order is always the same"


def test_a_case_is_chosen_that_leads_away_from_where_the_bench_is() -> None:
    at_old, at_new = choose(cases(), "old"), choose(cases(), "new")
    assert at_old and at_old.verb == "migrate"
    assert at_new and at_new.verb == "rollback"
    assert choose([at_new], "old") is None


def test_every_phase_is_known_by_tasks_that_there_are() -> None:
    root = Path(__file__).parents[2]
    files = [*root.glob("playbooks/**/*.yml"), *root.glob("roles/*/tasks/*.yml")]
    tasks = re.findall(r"- name: (.*)", "\n".join(file.read_text() for file in files))
    for phase, pattern in PHASES.items():
        for wanted in re.split(r"(?<!\\)\|", pattern):
            assert any(re.match(wanted, task) for task in tasks), (phase, wanted)


def test_gaps_are_between_answers_that_were_good() -> None:
    rows = [("app1", 1.0, ""), ("app2", 1.5, ""), ("app1", 2.0, "500"), ("app1", 4.0, "")]
    answers = [Answer(host, "bulk", came, came, error, () if error else ("job",)) for host, came, error in rows]
    assert longest_gaps(answers) == {"enqueue": 2.5, "web of app1": 3.0, "web of app2": 0.0}
