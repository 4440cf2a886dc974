"""The runner with real playbooks on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchfly.playbook.outcome import Event, Outcome, Tally
from benchfly.playbook.runner import Invocation, run

PLAYBOOKS = Path(__file__).parents[1] / "data/playbooks"
HOSTS = str(PLAYBOOKS / "hosts.yml")


def run_playbook(name: str, folder: Path, **options: Any) -> Outcome:
    return run(Invocation(PLAYBOOKS / name, options.pop("inventory", [HOSTS]), **options), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 120
    while not (path.is_file() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} never said {text!r}"
        time.sleep(0.05)


def wait_until_gone(marker: str) -> None:
    """Wait until no process has that word on its command line."""
    deadline = time.monotonic() + 20
    while found := [command for command in commands() if marker in command]:
        assert time.monotonic() < deadline, f"still there: {found}"
        time.sleep(0.05)


def commands() -> Iterator[str]:
    """Command lines of all processes but this one."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.name != str(os.getpid()):
                yield (process / "cmdline").read_text(errors="replace")


def test_ok(folder: Path) -> None:
    outcome = run_playbook("ok.yml", folder, variables={"benchfly_run_id": "r1"}, extra_vars=["greeting='good day'"])
    assert outcome.status == "ok"
    assert outcome.data == {"migrate": {"run": "r1", "moved": 3}}
    assert set(outcome.hosts) == {"one", "two"}
    assert outcome.hosts["one"].changed == 2
    assert [phase.name for phase in outcome.phases] == ["Prepare", "Stop", "Sweep"]
    assert outcome.phases[1].seconds >= 0.4
    assert outcome.failures == ()
    log = outcome.log.read_text()
    assert "good day" in log
    assert "PLAY RECAP" in log
    assert "\x1b" not in log
    assert stat.S_IMODE(outcome.log.stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["ansible.log"], "what Ansible was given must not stay"


def test_options_reach_ansible(folder: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.yml"
    more.write_text("greeting: from a file")
    outcome = run_playbook(
        "ok.yml", folder, limit="two", extra_vars=["greeting=first", f"@{more}"], check=True, diff=True, verbosity=1
    )
    assert outcome.status == "ok"
    assert set(outcome.hosts) == {"two"}
    assert outcome.hosts["two"].changed == 0, "commands are skipped in check mode"
    assert "from a file" in outcome.log.read_text()


def test_tags_reach_ansible(folder: Path) -> None:
    outcome = run_playbook("ok.yml", folder, tags=["greet"])
    assert (outcome.hosts["one"].ok, outcome.data) == (1, {})


def test_failed(folder: Path) -> None:
    outcome = run_playbook("failed.yml", folder)
    assert outcome.status == "failed"
    assert [str(failure) for failure in outcome.failures] == [
        "two: Sweep | Move the jobs: store a has a client that is not ours",
        "two: Sweep | Move the jobs: store b has a client that is not ours",
    ]
    assert outcome.hosts["one"].rescued == 1
    assert outcome.hosts["two"].failed == 1


def test_unreachable(folder: Path) -> None:
    inventory = folder / "hosts.ini"
    inventory.write_text(
        "one ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'\n"
        "far ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_common_args='-F none'\n"
    )
    outcome = run_playbook("unreachable.yml", folder, inventory=[str(inventory)])
    assert outcome.status == "unreachable"
    assert [failure.host for failure in outcome.failures] == ["far"]
    assert outcome.hosts["far"].unreachable == 1


def test_a_playbook_that_ansible_cannot_read(folder: Path) -> None:
    outcome = run_playbook("broken.yml", folder)
    assert outcome.status == "failed"
    assert "no.such.module" in outcome.failures[0].message
    assert outcome.hosts == {}


def test_no_event_is_lost_when_the_display_is_slow(folder: Path) -> None:
    seen: list[str] = []

    def slow(event: Event, tally: Tally) -> None:
        seen.append(event["event"])
        if len(seen) in (1000, 5000):
            time.sleep(2)

    outcome = run(Invocation(PLAYBOOKS / "many_events.yml", [HOSTS]), folder, slow)
    assert outcome.status == "ok"
    assert seen.count("runner_item_on_skipped") == 5000
    assert seen[-1] == "playbook_on_stats"
    assert outcome.log.read_text().count("(item=") == 5000


def test_a_fault_in_the_display_costs_neither_log_nor_run(folder: Path) -> None:
    def faulty(event: Event, tally: Tally) -> None:
        raise ValueError("cannot draw")

    with pytest.raises(ValueError, match="cannot draw"):
        run(Invocation(PLAYBOOKS / "ok.yml", [HOSTS]), folder, faulty)
    assert "PLAY RECAP" in (folder / "ansible.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: signal.Signals, folder: Path) -> None:
    notes = folder / "notes"

    def interrupt() -> None:
        wait_for(notes, "started")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    before = signal.getsignal(number)
    thread.start()
    outcome = run_playbook("long.yml", folder, limit="one", variables={"notes": str(notes)})
    thread.join()
    assert outcome.status == "interrupted"
    assert outcome.failures == ()
    assert notes.read_text() == "started\n"
    assert signal.getsignal(number) is before
    wait_until_gone(str(notes))


@pytest.mark.parametrize("niceness", [0, 10])
def test_what_runs_on_this_host_is_as_nice_as_asked(folder: Path, niceness: int) -> None:
    play = folder / "nice.yml"
    play.write_text("- {hosts: one, gather_facts: false, tasks: [{command: nice, changed_when: false}]}")
    outcome = run(Invocation(play, [HOSTS], limit="one", niceness=niceness, verbosity=1), folder)
    assert outcome.status == "ok"
    (said,) = re.findall(r"stdout: '?(\d+)", (folder / "ansible.log").read_text())
    assert int(said) == os.nice(0) + niceness


def test_a_killed_controller_leaves_no_ansible_behind(folder: Path) -> None:
    notes = folder / "notes"
    program = (
        "import sys\nfrom pathlib import Path\nfrom benchfly.playbook.runner import Invocation, run\n"
        "what = Invocation(Path(sys.argv[1]), [sys.argv[2]], variables={'notes': sys.argv[3]}, limit='one')\n"
        "run(what, Path(sys.argv[4]))"
    )
    arguments = [str(PLAYBOOKS / "long.yml"), HOSTS, str(notes), str(folder)]
    controller = subprocess.Popen([sys.executable, "-c", program, *arguments])
    try:
        wait_for(notes, "started")
    finally:
        controller.kill()
        controller.wait()
    wait_until_gone(str(folder))
    assert notes.read_text() == "started\n"


def test_secrets_stay_out_of_the_log_the_folder_and_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hunter2hunter2"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    seen: list[Event] = []
    commands: list[bytes] = []
    modes: set[int] = set()

    def watch(event: Event, tally: Tally) -> None:
        seen.append(event)
        if pid := event.get("pid"):
            commands.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        private = folder / "ansible"
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in [private, *private.glob("extra_vars_*")])

    invocation = Invocation(PLAYBOOKS / "secret.yml", [HOSTS], [f"password={secret}"], verbosity=3)
    outcome = run(invocation, folder, watch)
    assert outcome.status == "failed"
    assert "no_log" in outcome.failures[0].message
    assert commands
    assert modes == {0o700, 0o600}
    texts = [json.dumps(outcome.as_dict()), json.dumps(seen), *(command.decode() for command in commands)]
    texts += [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not [text for text in texts if secret in text]
