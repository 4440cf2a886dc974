"""The command line: help, inventory, exit codes, messages, options. No playbook runs in here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchfly import __version__
from benchfly.cli import main, schedule
from benchfly.cli.help import EXIT_CODES, INTERRUPTED
from benchfly.cli.locks import locked
from benchfly.cli.options import Options
from benchfly.cli.plan import deploy_hosts, deploy_plan, migrate_plan, rollback_plan
from benchfly.cli.run import Verb, verdict
from benchfly.cli.verbs import COMMANDS
from benchfly.errors import RefusedError
from benchfly.fleet.loader import load
from benchfly.playbook.outcome import Failure, HostCounts, Outcome, PhaseTime, Status
from benchfly.results import Run

ROOT = Path(__file__).parents[2]
INVENTORY = str(ROOT / "tests/data/playbooks/verbs/hosts.yml")
WRONG = str(ROOT / "tests/data/inventories/wrong/many_problems.yml")

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BENCHFLY_DEBUG", raising=False)
    return tmp_path / "home"


@pytest.fixture
def benchfly(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; returns exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_help_teaches_by_example_and_lists_the_exit_codes(benchfly: Command) -> None:
    code, out, _ = benchfly("--help")
    assert code == 0
    assert "benchfly migrate -i inventories/prod --bench shop" in out
    for number, meaning in EXIT_CODES.items():
        assert f"{number:>3}  {meaning}" in out


NAMES = [command.verb.name for command in COMMANDS]


@pytest.mark.parametrize("name", [*NAMES, "inventory", "report", "results", "schedule", "history", "lab"])
def test_every_command_has_examples(benchfly: Command, name: str) -> None:
    code, out, _ = benchfly(name, "--help")
    assert code == 0
    assert f"benchfly {name}" in out.partition("Examples")[2]


def test_every_verb_is_a_playbook_of_the_same_name() -> None:
    playbooks = {path.stem.replace("_", "-") for path in (ROOT / "playbooks").glob("*.yml")}
    assert playbooks == {*NAMES, schedule.VERB.name, "lab"}


def test_version(benchfly: Command) -> None:
    assert benchfly("--version") == (0, f"benchfly {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["migrat"], ["migrate", "--nope"], ["results", "show"], []])
def test_a_wrong_command_line_ends_with_2(benchfly: Command, arguments: list[str]) -> None:
    assert benchfly(*arguments)[0] == 2


def test_inventory_shows_the_fleet(benchfly: Command) -> None:
    code, out, err = benchfly("inventory", "-i", INVENTORY)
    assert (code, err) == (0, "")
    for text in ("shop-cache", "valkey", "127.0.0.1:6381", "1mb", "/home/frappe/erp", "stays"):
        assert text in out
    assert "hunter2" not in out


def test_inventory_as_json_is_one_object_without_passwords(benchfly: Command) -> None:
    code, out, err = benchfly("inventory", "-i", INVENTORY, "--json")
    data = json.loads(out)
    assert (code, err, data["status"], data["exit_code"]) == (0, "", "ok", 0)
    assert data["stores"]["shop-cache"]["spec"]["port"] == 6381
    assert data["benches"]["shop"]["hosts"] == ["web"]
    assert "hunter2" not in out


def test_a_wrong_inventory_is_refused_with_all_its_problems(benchfly: Command) -> None:
    code, out, err = benchfly("migrate", "-i", WRONG, "--yes")
    assert (code, out) == (3, "")
    assert "The inventory is wrong (7 problems); nothing was changed." in err
    assert "many_problems.yml:6: s1: stores.shop-cache.port: 'nope' is undefined. Define it" in err
    code, out, err = benchfly("migrate", "-i", WRONG, "--json")
    data = json.loads(out)
    assert (code, err, data["status"], data["exit_code"]) == (3, "", "refused", 3)
    assert {"where", "host", "key", "reason", "remedy"} == set(data["problems"][0])
    assert len(data["problems"]) == 7


def test_an_unknown_bench_is_refused_with_the_nearest_name(benchfly: Command) -> None:
    code, _, err = benchfly("check", "-i", INVENTORY, "--bench", "shopp")
    assert code == 3
    assert "there is no such bench. Did you mean shop" in err


def test_a_verb_for_benches_is_refused_without_any(benchfly: Command) -> None:
    stores_only = str(ROOT / "tests/data/inventories/good/10-stores.yml")
    code, _, err = benchfly("migrate", "-i", stores_only, "--yes")
    assert code == 3
    assert "There is no bench to migrate" in err


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("name", ["migrate", "rollback", "deploy"])
def test_what_changes_hosts_is_refused_when_nobody_can_be_asked(
    benchfly: Command, name: str, options: Iterable[str], home: Path
) -> None:
    code, out, err = benchfly(name, "-i", INVENTORY, *options)
    assert code == 3
    assert "Repeat it with --yes" in (err or json.loads(out)["message"])
    assert not (home / "runs").exists()


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHFLY_DEBUG", "")  # put back what --debug sets
    with pytest.raises(RefusedError):
        main(["--debug", "inventory", "-i", WRONG])


def test_a_broken_ansible_cfg_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults\n")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    command = [sys.executable, "-c", "from benchfly.cli import main; main()", "status"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith("Ansible cannot start: Error reading config file")


def outcome(status: Status, *failures: Failure, **fields: Any) -> Outcome:
    given: dict[str, Any] = {
        "hosts": {"h": HostCounts()},
        "phases": (),
        "data": {},
        "seconds": 1.0,
        "log": Path("/run/ansible.log"),
    }
    return Outcome(status=status, failures=failures, **(given | fields))


FAILURE = Failure("web", "Sweep | Move", "a client is left")
LOOKED = (PhaseTime("Look", 1.0), PhaseTime("Check", 1.0))
MOVED = (*LOOKED, PhaseTime("Stop consumers", 1.0))
ENDS = [
    (outcome("ok"), 0, ""),
    (outcome("ok", hosts={}), 3, "nothing was done"),
    (outcome("failed", FAILURE, phases=MOVED), 4, "migrate failed.\nweb: Sweep | Move: a client is left\n"),
    (outcome("failed", FAILURE, phases=LOOKED), 3, "migrate was refused.\nweb: Sweep | Move: a client is left\n"),
    (outcome("unreachable", FAILURE, phases=MOVED), 5, "could not reach a host"),
    (outcome("interrupted", phases=MOVED), INTERRUPTED, "was interrupted"),
]


@pytest.mark.parametrize(("came_of_it", "code", "words"), ENDS)
def test_each_end_of_a_run_has_an_exit_code_and_a_message(came_of_it: Outcome, code: int, words: str) -> None:
    given, message = verdict(Verb("migrate", way_back="rollback"), Options(), came_of_it)
    assert given == code
    assert given in EXIT_CODES
    assert words in message
    assert ("/run/ansible.log" in message) == (came_of_it.status != "ok")


def test_a_failed_migration_says_how_to_go_on_and_how_to_go_back() -> None:
    options = Options(
        ["inv/prod a"], ["@vars.yml", "password=hunter2 port=1", '{"token": "hunter2"}'], ["shop"], yes=True
    )
    _, message = verdict(Verb("migrate", way_back="rollback"), options, outcome("failed", FAILURE, phases=MOVED))
    end = "-i 'inv/prod a' -e @vars.yml -e 'password=…' -e 'port=…' -e 'token=…' --bench shop"
    assert f"`benchfly migrate {end}` resumes it; `benchfly rollback {end}` takes it back." in message
    _, refused = verdict(Verb("migrate", way_back="rollback"), options, outcome("failed", FAILURE, phases=LOOKED))
    assert f"This run changed nothing. If an earlier one was cut short, `benchfly rollback {end}` takes it" in refused
    assert "hunter2" not in message
    assert "hunter2" not in repr(options)


def test_a_lock_is_refused_to_others_and_names_its_holder(home: Path) -> None:
    with locked(["shop", "erp"], "`benchfly migrate`"):
        with pytest.raises(RefusedError, match=rf"shop is in use by `benchfly migrate`, process {os.getpid()}, since"):
            locked(["shop"], "another").__enter__()
        with locked(["crm"], "another"):
            pass
    with locked(["shop"], "another"):
        assert (home / "locks/shop.lock").read_text().startswith("another, process")


def shown(table: Any) -> list[list[str]]:
    return [[str(cell) for cell in column.cells] for column in table.columns]


def test_the_plan_of_a_move_says_from_where_to_where(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    config = {"redis_queue": "redis://127.0.0.1:11000", "redis_cache": "redis://:secret@127.0.0.1:6381"}
    (tmp_path / "sites/common_site_config.json").write_text(json.dumps(config))
    fleet = load([INVENTORY], [f"folder={tmp_path}"])
    benches = [fleet.benches["shop"]]
    bench, hosts, moves, source, target = shown(migrate_plan(fleet, benches))
    assert (bench, hosts, moves) == (["shop"] * 2, ["web"] * 2, ["cache", "queue"])
    assert source == ["shop-cache (valkey at 127.0.0.1:6381)", "127.0.0.1:11000"]
    assert target == ["shop-cache (valkey at 127.0.0.1:6381)", "shop-queue (redis at 127.0.0.1:6380)"]
    assert shown(rollback_plan(fleet, benches))[3] == source
    assert shown(migrate_plan(fleet, [fleet.benches["erp"]]))[3] == ["not configured"]


def test_a_deployment_is_of_all_stores_or_of_the_hosts_of_the_named_benches_stores() -> None:
    fleet = load([INVENTORY])
    benches = list(fleet.benches.values())
    assert shown(deploy_plan(fleet, benches[:1]))[0] == ["shop-queue", "shop-cache"]
    assert shown(deploy_plan(fleet, benches))[0] == ["shop-queue", "shop-cache", "erp-queue"]
    assert deploy_hosts(fleet, benches) == ["s1", "s2"]
    without_stores = replace(fleet.benches["erp"], queue_store=None)
    with pytest.raises(RefusedError, match="no store to deploy"):
        deploy_hosts(fleet, [without_stores])


def test_results_lists_runs_and_shows_one(benchfly: Command, home: Path) -> None:
    assert benchfly("results")[1] == "There are no runs yet.\n"
    run = Run.create("migrate", {"benches": ["shop"]})
    run.finish({"status": "failed", "message": "a client is left", "phases": [{"name": "Sweep", "seconds": 1.25}]})
    for arguments in (["results"], ["results", "list", "--verb", "migrate"]):
        code, out, _ = benchfly(*arguments)
        assert code == 0
        assert run.id in out
        assert "failed" in out
    code, out, _ = benchfly("results", "show", run.id[-4:])
    assert code == 0
    for text in ("a client is left", "Sweep", "1.2 s", str(run.folder)):
        assert text in out
    data = json.loads(benchfly("results", "show", run.id, "--json")[1])
    assert data["run"]["inputs"]["benches"] == ["shop"]
    assert benchfly("results", "show", "nope")[0] == 6


def test_a_run_that_left_nothing_has_no_report(benchfly: Command) -> None:
    assert benchfly("report")[0] == 6
    run = Run.create("migrate", {})
    code, _, err = benchfly("report", run.id)
    assert code == 6
    assert "nothing moved in it" in err
