"""What docs/schedule.md shows is so: its commands run, its inventory is read, its tables are those of the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import KEYS, Schedule
from tests.unit.test_schedule_run import hook, nightly

from benchfly import cli
from benchfly.fleet.loader import load
from benchfly.schedule import settings
from benchfly.schedule.changes import CONFIRMED, ERROR_RATE
from benchfly.schedule.findings import Code

__all__ = ["hook", "nightly"]  # fixtures
pytest.importorskip("otava", reason="Apache Otava is not installed")
pytest.importorskip("apprise", reason="Apprise is not installed")

TEXT = (Path(__file__).parents[2] / "docs/schedule.md").read_text()
COMMANDS = re.findall(r"^\$ benchfly (.*)$", TEXT, re.MULTILINE)


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    """The one that is shown, with the stores that it names."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    shown = yaml.safe_load(block)
    store = {"engine": "redis", "purpose": "cache", "memory": "1mb"}
    stores = {"reference": {**store, "port": 6390}, "shop-cache": {**store, "port": 6391}}
    vault = {"vault_slack_url": "slack://a/b/c", "vault_mail": "user:pass@example.org"}
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    shown |= {"stores": {"hosts": {"store1": {"stores": stores}}}, "all": {"vars": {**vault, **local}}}
    path = tmp_path / "prod.json"
    path.write_text(json.dumps(shown))
    return str(path)


def test_its_commands_run(
    nightly: settings.Settings,
    inventory: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(settings.VARIABLE, str(tmp_path / "etc"))
    (tmp_path / "etc").mkdir()
    others = {"inventory": nightly.inventory, "home": nightly.home, "metrics_dir": ""}
    (tmp_path / "etc/nightly.json").write_text(json.dumps({**nightly.schedule.mapping, **others}))
    for command in COMMANDS:
        words = shlex.split(command.replace("inventories/prod", inventory))
        with pytest.raises(SystemExit, match="0"):
            cli.main(words)
        assert capsys.readouterr().out, command
    assert len(COMMANDS) == 8


def test_its_inventory_is_read(inventory: str) -> None:
    (schedule,) = load([inventory]).schedules["admin1"]
    assert schedule.blackout and len(schedule.notify) == 2


def test_its_keys_and_defaults_are_those_of_a_schedule() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]*)\|", TEXT, re.MULTILINE)
    told = {key: value.strip() for keys, value in rows for key in re.findall(r"`(\w+)`", keys)}
    assert set(told) == set(KEYS)
    empty = Schedule("nightly", "daily", ("shop-cache",)).mapping
    plain = {key: value for key, value in empty.items() if isinstance(value, bool | int | float) and key != "scale"}
    assert {key: told[key] for key in plain} == {key: str(value).lower() for key, value in plain.items()}


def test_every_exit_code_is_told() -> None:
    assert set(map(int, re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE))) == {*Code, 3}
    assert f"p < {ERROR_RATE:.5f}" in TEXT
    assert CONFIRMED == 3 and "lasted three runs" in " ".join(TEXT.split())
