"""docs/tuning.md is what the space, the rules and the playbook say today, and its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.tuning_reference import PAGE, page

from benchfly import cli
from benchfly.playbook import runner

PLAYBOOKS = Path(__file__).parents[1] / "data/playbooks/verbs"
COMMANDS = re.findall(r"^\$ benchfly (.*)$", PAGE.read_text(), re.MULTILINE)


def test_the_page_is_as_generated_now() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_taken(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a playbook that does nothing: what the real one does is tested in tests/stores."""
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path))
    monkeypatch.setattr(runner, "playbook", lambda verb: PLAYBOOKS / f"{verb}.yml")
    words = [{"inventories/mine": str(PLAYBOOKS / "hosts.yml")}.get(word, word) for word in shlex.split(command)]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*words, "--yes"])
    assert "On shop-cache" in capsys.readouterr().out or "--restore" in words


def test_there_are_as_many_as_it_shows() -> None:
    assert len(COMMANDS) == 4
