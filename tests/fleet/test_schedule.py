"""Scheduled benchmarks on a real control host: its timer fires, what came of it is recorded and told, and it stays so.

The host's clock is the machine's own and cannot be set; what a clock set back, or a host that was off, leaves behind is
planted instead (the time stamp of systemd's timer, and that of the last run).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.fleet.conftest import ROOT, ansible, apt_install
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until
from tests.fleet.standin import carry, release, write

pytestmark = pytest.mark.fleet

if release() is None:
    pytest.skip("no host has this version of Python", allow_module_level=True)
HOSTS = {"control1": str(release())}
ENV = ROOT / ".benchfly/schedule-env"
SECRET = "webhooksecretwebhook"
DIR, HOME, UNITS = "/etc/benchfly-schedules", "/var/lib/benchfly", "/etc/systemd/system"
PORTS = {"reference": 7001, "shop": 7002}
SERVER = """
[Service]
ExecStart=/usr/bin/redis-server --port %i --save ''
[Install]
WantedBy=multi-user.target
"""
STORES = {name: {"engine": "redis", "purpose": "cache", "port": port, "memory": "64mb"} for name, port in PORTS.items()}
# As small as a benchmark can be. Other work on this machine shows as the host's own, so that its processors are not
# looked at.
SMALL = {"benchmark_rounds": 1, "benchmark_rounds_most": 1, "benchmark_seconds": 0.2, "benchmark_warm_up": 0}
SCHEDULE = {"stores": ["reference", "shop"], "scale": 0.001, "variables": SMALL, "busy_cpu": 0, "notify_always": True}
NEVER = "*-01-01 00:00"
LAST_TWO = f"""import json, sqlite3
rows = sqlite3.connect("{HOME}/results.sqlite").execute("select started, finished from runs where verb = 'benchmark'")
print(json.dumps(sorted(rows, reverse=True)[:2]))"""
DATE_BACK = f"""import sqlite3
with sqlite3.connect("{HOME}/results.sqlite") as connection:
    then = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', '-3 days')"
    connection.execute(f"update scheduled set started = {{then}}, calendar = '02:30'")"""
Converge = Callable[..., str]


class Hook:
    """A webhook on the fleet's controller; `told` has the titles and texts that it was sent."""

    def __init__(self, fleet: Fleet) -> None:
        hook = self
        self.told: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.told.append((sent["title"], sent["message"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        with fleet.inside():
            self.server = ThreadingHTTPServer((f"10.99.{fleet.net}.1", 0), Handler)
        self.url = f"json://10.99.{fleet.net}.1:{self.server.server_port}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self) -> list[tuple[str, str]]:
        """What it was told since it was last asked."""
        taken, self.told = self.told, []
        return taken


@pytest.fixture(scope="module")
def hook(fleet: Fleet) -> Iterator[Hook]:
    hook = Hook(fleet)
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture(scope="module")
def command() -> Path:
    """benchfly as an operator installs it: this checkout with its extras, in an environment of its own."""
    pip = [sys.executable, "-m", "pip", "--no-input"]
    if not ENV.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENV], check=True)
    pins = ENV / "pins.txt"
    pins.write_text(subprocess.run([*pip, "freeze", "--exclude-editable"], text=True, stdout=-1, check=True).stdout)
    install = [*pip, "--python", f"{ENV}/bin/python", "install", "--quiet", "--constraint", str(pins)]
    subprocess.run([*install, "--force-reinstall", "--no-deps", f"{ROOT}"], check=True)
    subprocess.run([*install, f"{ROOT}[analysis,schedule]"], check=True)
    return ENV / "bin/benchfly"


@pytest.fixture(scope="module")
def host(fleet: Fleet, command: Path) -> Host:
    """With two stores, benchfly, and an inventory of its own."""
    host = fleet["control1"]
    apt_install(host, "redis-server", "redis-tools", "tzdata")
    carry(host, [ENV])
    be_in(host, "Etc/UTC")
    write(host, f"{UNITS}/plain-redis@.service", SERVER)
    host.exec(["systemctl", "enable", "--now", *(f"plain-redis@{port}" for port in PORTS.values())])
    local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "stores": STORES}
    write(host, "/etc/stores.json", json.dumps({"stores": {"hosts": {"control1": local}}}))
    return host


@pytest.fixture(scope="module")
def before(host: Host) -> list[str]:
    return state(host)


@pytest.fixture(scope="module")
def converge(
    fleet: Fleet, hook: Hook, command: Path, before: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Converge:
    """Run the playbook with these schedules."""
    folder = tmp_path_factory.mktemp("inventory")

    def run(*words: str, **schedules: Any) -> str:
        whole = {name: {**SCHEDULE, "notify": [hook.url], **one} for name, one in schedules.items()}
        said = {
            "stores": STORES,
            "benchmark_schedules": whole,
            "benchmark_schedule_command": str(command),
            "benchmark_schedule_inventory": "/etc/stores.json",
        }
        inventory = folder / "control.json"
        groups = {name: {"hosts": {"control1": None}} for name in ("stores", "control")}
        inventory.write_text(json.dumps({**groups, "all": {"vars": said}}))
        words = words or ("playbooks/schedule.yml", "--diff")
        return ansible(fleet, "ansible-playbook", "-i", inventory, *words).stdout

    return run


def be_in(host: Host, zone: str) -> None:
    """Give the host another time zone, as timedatectl does."""
    host.exec(["ln", "-sfn", f"/usr/share/zoneinfo/{zone}", "/etc/localtime"])


def state(host: Host) -> list[str]:
    """What of the host a role could leave changed."""
    look = f"find /etc /usr/local -printf '%p %y %m %u\n' | sort; find {HOME} -maxdepth 0; systemctl list-timers --all"
    lines = host.exec(["sh", "-c", look], check=False).stdout.splitlines()
    return [line for line in lines if line.startswith(("/etc", "/usr", HOME)) or "benchfly" in line]


def changed(output: str) -> list[str]:
    """Tasks that changed something, without handlers, which run once in check mode too."""
    return re.findall(r"^TASK \[(?:\S+ : )?(.+?)\] \**\n(?:(?!^(?:TASK|RUNNING)).*\n)*?changed: ", output, re.MULTILINE)


def listed(host: Host, command: Path) -> dict[str, dict[str, str]]:
    found = json.loads(host.exec([str(command), "schedule", "list", "--json"]).stdout)["schedules"]
    return {one["schedule"]: one for one in found}


def start(host: Host, name: str, *options: str) -> int:
    """Run a schedule as its timer would; the exit code of the command that its service ran."""
    unit = f"benchfly-schedule@{name}.service"
    host.exec(["systemctl", "start", *options, unit], check=False, timeout=400)
    return int(shown(host, unit, "ExecMainStatus"))


def shown(host: Host, unit: str, name: str) -> str:
    return host.exec(["systemctl", "show", "-P", name, unit]).stdout.strip()


def ran(host: Host) -> list[dict[str, Any]]:
    """Outcomes of all runs of the schedules, oldest first."""
    read = f"cd {HOME}/runs && for run in *-schedule-*; do cat $run/outcome.json | tr '\\n' ' '; echo; done"
    return [json.loads(line) for line in host.exec(["sh", "-c", read]).stdout.splitlines() if line.strip()]


@pytest.mark.usefixtures("before")
def test_check_mode_says_what_a_run_then_does(host: Host, converge: Converge, before: list[str]) -> None:
    announced = converge("playbooks/schedule.yml", "--check", "--diff", often={"calendar": NEVER})
    assert state(host) == before
    done = converge(often={"calendar": NEVER})
    assert changed(announced) == changed(done) != []
    assert SECRET not in announced + done
    assert shown(host, "benchfly-schedule@often.service", "TimeoutStartUSec") == "15h", "3 * wait_minutes, and 12 h"
    again = converge(often={"calendar": NEVER})
    assert changed(again) == [] and "changed=0" in again


def test_the_timer_fires_records_and_notifies(host: Host, converge: Converge, command: Path, hook: Hook) -> None:
    converge(often={"calendar": "*-*-* *:*:00"})
    assert wait_until(lambda: hook.told, 240), host.exec(["journalctl", "-q", "--no-pager", "-n", "50"]).stdout
    converge(often={"calendar": NEVER})
    title, text = hook.take()[0]
    assert (title, text) == ("benchfly often: measured", "The run measured. Nothing has changed.")
    assert listed(host, command)["often"]["outcome"] == "measured"
    wait_until(lambda: shown(host, "benchfly-schedule@often.service", "ActiveState") != "activating", 240)
    page = host.exec(["cat", f"{HOME}/history.html"]).stdout
    assert "shop against reference" in page


def test_two_at_once_run_one_after_the_other(host: Host, converge: Converge, hook: Hook) -> None:
    converge(one={"calendar": NEVER}, other={"calendar": NEVER})
    known = len(ran(host))
    names = [f"benchfly-schedule@{name}.service" for name in ("one", "other")]
    host.exec(["systemctl", "start", *names], timeout=400)
    assert {one["status"] for one in ran(host)[known:]} == {"ok"}
    (later, _), (_, earlier) = json.loads(host.exec(["python3", "-c", LAST_TWO]).stdout)
    assert earlier < later, "one ended before the other began"
    assert len(hook.take()) >= 2


def test_a_blackout_window_is_respected(host: Host, converge: Converge, command: Path) -> None:
    converge(nightly={"calendar": NEVER, "blackout": ["daily 00:00-24:00 UTC"]})
    assert start(host, "nightly") == 11
    assert shown(host, "benchfly-schedule@nightly.service", "Result") == "success"
    assert listed(host, command)["nightly"]["outcome"] == "put off"
    assert ran(host)[-1]["benchmark"] == ""


def test_it_is_missed_while_a_store_serves_others(host: Host, converge: Converge, hook: Hook) -> None:
    converge(nightly={"calendar": NEVER, "wait_minutes": 0})
    hook.take()
    load = ["redis-benchmark", "-p", str(PORTS["shop"]), "-n", "100000000", "-t", "get", "-q"]
    host.exec(["systemd-run", "--quiet", "--unit=neighbour", *load])
    try:
        assert start(host, "nightly") == 12
    finally:
        host.exec(["systemctl", "stop", "neighbour"])
    ((title, text),) = hook.take()
    assert title == "benchfly nightly: missed" and "shop serves" in text
    assert shown(host, "benchfly-schedule@nightly.service", "Result") == "exit-code"


def test_a_killed_run_is_told_by_the_next(host: Host, hook: Hook) -> None:
    unit, known = "benchfly-schedule@nightly.service", len(ran(host))
    host.exec(["systemctl", "start", "--no-block", unit])
    assert wait_until(lambda: begun(host) > known, 60)
    host.exec(["systemctl", "kill", "--signal=KILL", unit])
    assert wait_until(lambda: shown(host, unit, "ActiveState") == "failed", 60)
    hook.take()
    assert start(host, "nightly") == 0
    ((title, text),) = hook.take()
    assert title == "benchfly nightly: failed" and "was cut short" in text


def begun(host: Host) -> int:
    return len(host.exec(["sh", "-c", f"ls -d {HOME}/runs/*-schedule-*"]).stdout.splitlines())


def test_where_to_notify_is_seen_nowhere(host: Host) -> None:
    seen = host.ssh("ps -eww -o args; systemctl cat 'benchfly-schedule@*'; sudo journalctl -q --no-pager")
    assert SECRET not in seen.stdout
    without = " ".join(f"--exclude-dir={name}" for name in ("proc", "sys", "dev", "usr", ENV.name))
    search = f"grep -rl {SECRET} / {without} 2>/dev/null | xargs ls -l"
    found = host.exec(["sh", "-c", search], timeout=200).stdout.splitlines()
    assert [line.split()[0] + line.split()[-1] for line in found] == [f"-rw-------{DIR}/nightly.notify"]


def test_it_goes_by_the_hosts_clock_and_zone(host: Host, converge: Converge) -> None:
    converge(nightly={"calendar": "02:30"})
    timer = "benchfly-schedule@nightly.timer"
    be_in(host, "Asia/Kolkata")
    assert wait_until(lambda: " 02:30:00 IST" in shown(host, timer, "NextElapseUSecRealtime"), 20)
    be_in(host, "Etc/UTC")
    assert wait_until(lambda: " 02:30:00 UTC" in shown(host, timer, "NextElapseUSecRealtime"), 20)
    # A clock that was ahead when it last fired, and was set back.
    host.exec(["touch", "-d", "+3 days", f"/var/lib/systemd/timers/stamp-{timer}"])
    host.exec(["systemctl", "restart", timer])
    soon = shown(host, timer, "NextElapseUSecRealtime")
    seconds = int(host.exec(["date", "-d", soon, "+%s"]).stdout) - time.time()
    assert 0 < seconds <= 86400


def test_what_was_due_while_the_host_was_off_is_done_and_told(host: Host, hook: Hook) -> None:
    known = len(ran(host))
    host.exec(["python3", "-c", DATE_BACK])
    host.exec(["touch", "-d", "-3 days", "/var/lib/systemd/timers/stamp-benchfly-schedule@nightly.timer"])
    hook.take()
    host.stop()
    host.start()
    assert wait_until(lambda: len(ran(host)) > known and hook.told, 240)
    ((title, text),) = hook.take()
    assert title == "benchfly nightly: missed"
    assert text.count("02:30 UTC") == 2, text
    assert ran(host)[-1]["status"] == "ok", "and it has measured now"


def test_removal_leaves_the_host_as_it_was(host: Host, converge: Converge, before: list[str]) -> None:
    assert changed(converge()) != []
    host.exec(["rm", "-r", HOME])  # results stay until somebody removes them
    assert state(host) == before
    assert changed(converge()) == []
