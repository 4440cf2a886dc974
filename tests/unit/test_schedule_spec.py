"""A schedule as the inventory says it: what is filled in, and every way in which it can be wrong."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.filter import schedules
from ansible_collections.benchfly.stores.plugins.module_utils.schedule_spec import KEYS, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError
from jinja2 import Template
from rich.console import Console

from benchfly.cli.plan import schedule_plan
from benchfly.errors import InventoryError, RefusedError
from benchfly.fleet.loader import load
from benchfly.fleet.table import fleet_table
from benchfly.schedule import settings

GOOD = {"calendar": "Mon..Fri 02:30", "stores": ["reference", "shop-cache"]}
SECRET = "slack://token-a/token-b"
ROLE = Path(__file__).parents[2] / "roles/benchmark_schedule"


def test_what_is_left_out_is_filled_in() -> None:
    spec = schedules.schedule_specs({"nightly": GOOD})["nightly"]
    assert set(spec) == set(KEYS)
    assert spec["workload"] == "frappe-site" and spec["keep"] == 90 and spec["timer"] is True
    assert parse("nightly", spec).mapping == spec, "what is complete stays as it is"
    assert schedules.schedule_calendars({"nightly": GOOD}) == {"nightly": "Mon..Fri 02:30"}


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"calender": "daily"}, "nightly.calender", "Did you mean calendar"),
        ({"calendar": ""}, "nightly.calendar", "is missing"),
        ({"calendar": "daily\nExecStart=/bin/sh"}, "nightly.calendar", "more than one line"),
        ({"stores": []}, "nightly.stores", "is missing"),
        ({"stores": "shop-cache"}, "nightly.stores", "is no list"),
        ({"stores": ["a", "a"]}, "nightly.stores", "twice"),
        ({"stores": [7]}, "nightly.stores", "no line of text"),
        ({"keep": 0}, "nightly.keep", "no number from 1"),
        ({"keep": True}, "nightly.keep", "no number"),
        ({"scale": 2}, "nightly.scale", "no number from 1e-06 to 1"),
        ({"busy_cpu": "20"}, "nightly.busy_cpu", "no number from 0 to 100"),
        ({"timer": "yes"}, "nightly.timer", "neither true nor false"),
        ({"variables": ["x"]}, "nightly.variables", "is no dict"),
        ({"blackout": ["Mon-Fri 08:00-19:00 Nowhere"]}, "nightly.blackout[0]", "no time zone"),
        ({"notify": ["hooks.example/x"]}, "nightly.notify", "no URL"),
        ({"notify": ["Bearer token-a https://hooks.example/x"]}, "nightly.notify", "no URL"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(change: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse("nightly", {**GOOD, **change})
    (problem,) = refused.value.problems
    assert problem.key == key and words in str(problem)


def test_no_problem_shows_where_to_notify() -> None:
    with pytest.raises(SpecError) as refused:
        parse("nightly", {**GOOD, "notify": [SECRET, SECRET]})
    assert "token" not in str(refused.value)
    urls = {"variables": {"benchmark_urls": {"old": "redis://:token@10.0.0.9"}}}
    assert "token" not in repr(parse("nightly", {**GOOD, **urls, "notify": [SECRET]}))


@pytest.mark.parametrize("name", ["a b", "../x", "", "-x", "a@b"])
def test_a_name_is_one_of_a_unit(name: str) -> None:
    with pytest.raises(SpecError, match="is no name of a schedule"):
        parse(name, GOOD)


def inventory(tmp_path: Path, **schedule: object) -> str:
    store = {"engine": "redis", "purpose": "cache", "port": 6390, "memory": "1mb"}
    hosts = {"s1": {"stores": {"reference": store, "shop-cache": {**store, "port": 6391}}}}
    control = {"admin": {"benchmark_schedules": {"nightly": {**GOOD, **schedule}}}}
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"stores": {"hosts": hosts}, "control": {"hosts": control}}))
    return str(path)


def test_the_fleet_knows_its_schedules_and_tells_no_secret(tmp_path: Path) -> None:
    fleet = load([inventory(tmp_path, notify=[SECRET])])
    (schedule,) = fleet.schedules["admin"]
    assert schedule.notify == (SECRET,)
    assert "token" not in json.dumps(fleet.as_dict(), default=str)
    text = io.StringIO()
    Console(width=200, file=text).print(schedule_plan(fleet, []), fleet_table(fleet))
    assert text.getvalue().count("Mon..Fri 02:30") == 2 and "token" not in text.getvalue()


def test_an_unknown_store_is_a_problem_of_the_inventory(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as refused:
        load([inventory(tmp_path, stores=["reference", "shop-cach"])])
    (problem,) = refused.value.problems
    assert (problem.host, problem.key) == ("admin", "benchmark_schedules.nightly.stores")
    assert problem.remedy == "Did you mean shop-cache"


def test_stores_given_by_url_are_known_and_their_passwords_not_told(tmp_path: Path) -> None:
    urls = {"old": "redis://:storepassword@10.0.0.9"}
    fleet = load([inventory(tmp_path, stores=["old"], variables={"benchmark_urls": urls, "benchmark_rounds": 3})])
    assert fleet.schedules["admin"][0].variables["benchmark_urls"] == urls
    shown = json.dumps(fleet.as_dict(), default=str)
    assert "storepassword" not in shown and "benchmark_rounds" in shown


def test_without_a_control_host_there_is_nothing_to_install() -> None:
    fleet = load([str(Path(__file__).parents[1] / "data/playbooks/verbs/hosts.yml")])
    with pytest.raises(RefusedError, match="group `control`"):
        schedule_plan(fleet, [])


@pytest.mark.parametrize("minutes", [0, 60.5, 24 * 60])
def test_systemd_waits_for_as_long_as_a_run_may_wait_and_measure(minutes: float) -> None:
    specs = schedules.schedule_specs({"one": {**GOOD, "wait_minutes": minutes}, "other": {**GOOD, "wait_minutes": 0}})
    longest = yaml.safe_load((ROLE / "vars/main.yml").read_text())["_benchmark_schedule_wait_minutes"]
    wait = Template(longest).render(benchmark_schedule_schedules=specs)
    template = Template((ROLE / "templates/benchfly-schedule@.service.j2").read_text())
    unit = template.render(_benchmark_schedule_wait_minutes=wait)
    (found,) = re.findall(r"^TimeoutStartSec=(\d+)min$", unit, re.MULTILINE)
    assert int(found) >= 3 * minutes + 12 * 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the role writes."""
    monkeypatch.setenv(settings.VARIABLE, str(tmp_path))
    others = {"inventory": "/etc/stores", "home": str(tmp_path / "home"), "metrics_dir": ""}
    (tmp_path / "nightly.json").write_text(json.dumps({**parse("nightly", GOOD).mapping, **others}))
    (tmp_path / "nightly.notify").write_text(f"{SECRET}\n\n")
    (tmp_path / "nightly.notify").chmod(0o600)
    return tmp_path


def test_the_control_host_reads_what_the_role_wrote(folder: Path) -> None:
    found = settings.read("nightly")
    assert found.schedule == parse("nightly", GOOD) and found.notify == (SECRET,)
    assert "token" not in repr(found)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "nightly.json").unlink(), "is not there. Schedules of this host: none"),
        (lambda folder: (folder / "nightly.json").write_text('{"calendar": '), "cannot be used"),
        (lambda folder: (folder / "nightly.json").write_text("[]"), "cannot be used"),
        (lambda folder: (folder / "nightly.json").write_text("{}"), "has no 'inventory'"),
        (lambda folder: (folder / "nightly.notify").chmod(0o644), "chmod 0600"),
    ],
)
def test_files_that_are_not_right_are_refused_by_name(folder: Path, spoil: Any, words: str) -> None:
    spoil(folder)
    with pytest.raises(RefusedError, match="nightly") as refused:
        settings.read("nightly")
    assert words in str(refused.value)
