"""The command `benchfly`, with the small playbooks of the tests in place of the collection's."""

from __future__ import annotations

from pathlib import Path

from benchfly.cli import main
from benchfly.playbook import runner

PLAYBOOKS = Path(__file__).parents[1] / "data/playbooks/verbs"

runner.playbook = lambda verb: PLAYBOOKS / f"{verb}.yml"

if __name__ == "__main__":
    main()
