"""Stores of every engine on real hosts over SSH, from an empty host to an empty host: one cell is one engine in one
scenario. The hosts go through each scenario together, as a fleet would."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fleet.conftest import ROOT, ansible
from tests.fleet.hosts import Fleet, Host

pytestmark = pytest.mark.fleet

# Engine -> its host and that host's release. A real Dragonfly takes the stand-in's place when DRAGONFLY names one.
ENGINES = {"redis": "store1", "valkey": "store2", "dragonfly": "store3"}
HOSTS = {"store1": "debian-12", "store2": "debian-13", "store3": "debian-13"}
DRAGONFLY = os.environ.get("DRAGONFLY")
STAND_IN = ["tests/standins/dragonfly", "tests/data/dragonfly/helpfull.txt"]
PASSWORD = "s3cr%t-$PW!"
PORTS = {"cache": 6381, "queue": 6380}
# What of a host must be as before once all is removed: /etc (but what useradd keeps of former times in passwd- and its
# like), services and the kernel.
STATE = r"""
find /etc /var/lib/benchfly -printf '%p %y %m %U %G %l\n' 2>/dev/null | sort
find /etc -type f ! -name '*-' -print0 | sort -z | xargs -0 sha256sum
systemctl list-unit-files --no-legend | grep -v transient | awk '{print $1, $2}' | sort
cd /proc/sys; grep -rs . vm/overcommit_memory vm/swappiness net/core/somaxconn net/ipv4/tcp_keepalive_time | sort
"""


@dataclass
class Done:
    """One run of a playbook on all hosts."""

    code: int
    output: str
    seconds: float

    def changed(self, host: str) -> list[str]:
        """Tasks that changed something on that host, in order."""
        found, task = [], ""
        for line in self.output.splitlines():
            match = re.match(r"(?:TASK|RUNNING HANDLER) \[(?:[\w.]+ : )?(.*)\] \*", line)
            task = match.group(1) if match else task
            if re.match(rf"changed: \[{host}\]", line):
                found.append(task)
        return found

    def stats(self, name: str) -> Any:
        """What the playbook handed over with set_stats."""
        text = self.output.partition("\tRUN: ")[2]
        return json.loads(text[: text.index("\n\n")])[name]


@dataclass
class Stores:
    """Two stores of each engine, and the playbooks that an operator would run."""

    fleet: Fleet
    folder: Path
    before: dict[str, str] = field(default_factory=dict)
    ran: dict[str, dict[str, Any]] = field(default_factory=dict)
    change: dict[str, dict[str, Any]] = field(default_factory=lambda: {"cache": {}, "queue": {}})

    def host(self, engine: str) -> Host:
        return self.fleet[ENGINES[engine]]

    def play(self, verb: str, *words: str, **variables: Any) -> Done:
        inventory = self.folder / "stores.yml"
        hosts = {ENGINES[engine]: {"stores": self.declared(engine)} for engine in ENGINES}
        dragonfly = {"dragonfly_binary": DRAGONFLY or f"/opt/{STAND_IN[0]}"}
        inventory.write_text(yaml.safe_dump({"stores": {"hosts": hosts, "vars": dragonfly}}))
        argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", self.fleet.inventory_file]
        argv += ["-i", inventory, ROOT / f"playbooks/{verb}.yml", "--diff", "-e", json.dumps(variables), *words]
        env = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        start = time.monotonic()
        done = self.fleet.controller(argv, cwd=ROOT, env=env, timeout=300)
        return Done(done.returncode, done.stdout + done.stderr, time.monotonic() - start)

    def declared(self, engine: str) -> dict[str, Any]:
        memory = "256mb" if engine == "dragonfly" else "64mb"
        common = {"engine": engine, "memory": memory, "password": PASSWORD, "threads": 1}
        return {
            f"{engine}-{purpose}": {**common, "purpose": purpose, "port": port, **self.change[purpose]}
            for purpose, port in PORTS.items()
        }

    def ask(self, engine: str, purpose: str, *words: str) -> str:
        """The store's answer, by redis-cli on its host."""
        command = ["redis-cli", "-p", str(PORTS[purpose]), *words]
        return self.host(engine).exec(["env", f"REDISCLI_AUTH={PASSWORD}", *command]).stdout.strip()

    def pid(self, engine: str, purpose: str) -> str:
        show = ["systemctl", "show", "-P", "MainPID", f"store-{engine}-{purpose}"]
        return self.host(engine).exec(show).stdout.strip()

    def once(self, scenario: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a scenario the first time it is asked for; its engines share what came of it."""
        if scenario not in self.ran:
            self.ran[scenario] = {}
            self.ran[scenario] = run()
        assert self.ran[scenario], f"the scenario {scenario} failed for an engine before"
        return self.ran[scenario]


@pytest.fixture(scope="module")
def stores(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """The hosts with the engines' packages, and nothing that runs."""
    stores = Stores(fleet, tmp_path_factory.mktemp("stores"))
    packages = {
        "redis": "redis-server",
        "valkey": "valkey-server valkey-tools redis-tools",
        "dragonfly": "redis-server",
    }
    for engine, names in packages.items():
        units = "redis-server valkey-server"
        stores.host(engine).ssh(f"for unit in {units}; do sudo systemctl mask -q $unit; done", check=False)
        stores.host(engine).ssh(f"sudo apt-get -qq install -y --no-install-recommends {names} >/dev/null", timeout=300)
    if not DRAGONFLY:
        for path in STAND_IN:
            copied = f"src={ROOT / path} dest=/opt/{path} mode=0755"
            stores.host("dragonfly").exec(["mkdir", "-p", str(Path(f"/opt/{path}").parent)])
            ansible(fleet, "ansible", ENGINES["dragonfly"], "-b", "-m", "ansible.builtin.copy", "-a", copied)
    stores.before = {engine: stores.host(engine).exec(["sh", "-c", STATE]).stdout for engine in ENGINES}
    return stores


def cells(scenario: str) -> Callable[[Any], Any]:
    """Marks a test as one scenario, to be shown for each engine."""

    def mark(test: Any) -> Any:
        return pytest.mark.cell(scenario)(pytest.mark.parametrize("engine", ENGINES)(test))

    return mark


@cells("check mode tells the truth")
def test_check(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        announced, done = stores.play("deploy", "--check"), stores.play("deploy")
        assert (announced.code, done.code) == (0, 0), announced.output + done.output
        return {"announced": announced, "done": done}

    ran, host = stores.once("check", run), ENGINES[engine]
    assert ran["announced"].changed(host) == ran["done"].changed(host)
    assert "Deploy | Start the stores" in ran["done"].changed(host)
    assert PASSWORD not in ran["announced"].output + ran["done"].output


@cells("converge")
def test_converge(stores: Stores, engine: str) -> None:
    for purpose in PORTS:
        assert stores.ask(engine, purpose, "PING") == "PONG"
        unit = f"store-{engine}-{purpose}.service"
        show = stores.host(engine).exec(["systemctl", "show", "-P", "User", "-P", "UnitFileState", unit])
        assert show.stdout.split() == ["benchfly", "enabled"]
        score = stores.host(engine).exec(["systemd-analyze", "security", "--no-pager", unit]).stdout
        match = re.search(r"Overall exposure level for \S+: ([\d.]+)", score)
        assert match and float(match[1]) <= 3.0, score
    found = stores.host(engine).exec(["grep", "-rlF", PASSWORD, "/etc", "/var/lib/benchfly"], check=False).stdout
    secrets = {"dragonfly.env", "dragonfly-stand-in.conf"} if engine == "dragonfly" else {"auth.conf"}
    assert {Path(path).name for path in found.split()} == secrets
    modes = stores.host(engine).exec(["stat", "-c", "%a", *found.split()]).stdout.split()
    assert set(modes) == {"600"}
    assert PASSWORD not in stores.host(engine).exec(["ps", "axww"]).stdout


@cells("converge again")
def test_converge_again(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        for each in ENGINES:
            # The server rewrites what it takes for its configuration, which is a copy.
            stores.ask(each, "cache", "CONFIG", "REWRITE")
        return {"done": stores.play("deploy")}

    done = stores.once("again", run)["done"]
    assert done.code == 0, done.output
    assert done.changed(ENGINES[engine]) == []


@cells("change while it runs")
def test_live(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        pids = {each: [stores.pid(each, purpose) for purpose in PORTS] for each in ENGINES}
        stores.change["queue"]["max_clients"] = 3000
        announced, done = stores.play("deploy", "--check"), stores.play("deploy")
        assert done.code == 0, done.output
        return {"pids": pids, "announced": announced, "done": done}

    ran, host = stores.once("live", run), ENGINES[engine]
    assert ran["announced"].changed(host) == ran["done"].changed(host)
    assert f"{engine}-queue: maxclients 4000 -> 3000 (live)" in ran["announced"].output
    assert stores.ask(engine, "queue", "CONFIG", "GET", "maxclients").split() == ["maxclients", "3000"]


@cells("change by restart")
def test_restart(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        for each in ENGINES:
            stores.ask(each, "queue", "RPUSH", "kept", "job")
        pids = {each: {purpose: stores.pid(each, purpose) for purpose in PORTS} for each in ENGINES}
        stores.change["queue"]["databases"] = 8
        announced, done = stores.play("deploy", "--check"), stores.play("deploy")
        assert done.code == 0, done.output
        return {"pids": pids, "announced": announced, "done": done}

    ran, host = stores.once("restart", run), ENGINES[engine]
    assert ran["announced"].changed(host) == ran["done"].changed(host)
    assert stores.pid(engine, "queue") != ran["pids"][engine]["queue"]
    assert stores.pid(engine, "cache") == ran["pids"][engine]["cache"]
    assert stores.ask(engine, "queue", "LRANGE", "kept", "0", "-1") == "job"


@cells("drift is brought back")
def test_drift(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        pids = {each: stores.pid(each, "cache") for each in ENGINES}
        for each in ENGINES:
            stores.ask(each, "cache", "CONFIG", "SET", "maxclients", "77")
            stores.host(each).exec(["sh", "-c", f"echo '# by hand' >> /etc/systemd/system/store-{each}-queue.service"])
        status, done, again = stores.play("status"), stores.play("deploy"), stores.play("deploy")
        assert (status.code, done.code, again.code) == (0, 0, 0), status.output + done.output + again.output
        return {"pids": pids, "status": status, "done": done, "again": again}

    ran = stores.once("drift", run)
    drift = ran["status"].stats("stores")[ENGINES[engine]]["stores"]
    rows = [
        [row[way] for way in ("name", "declared", "on_disk", "running")] for row in drift[f"{engine}-cache"]["settings"]
    ]
    assert rows == [["maxclients", "4000", "4000", "77"]]
    assert (drift[f"{engine}-queue"]["settings"], drift[f"{engine}-queue"]["files"]) == ([], ["unit"])
    assert ran["status"].changed(ENGINES[engine]) == []
    assert stores.ask(engine, "cache", "CONFIG", "GET", "maxclients").split()[1] == "4000"
    assert stores.pid(engine, "cache") == ran["pids"][engine], "brought back while it ran"
    assert ran["again"].changed(ENGINES[engine]) == []


@cells("reboot")
def test_reboot(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        for each in ENGINES:
            stores.host(each).reboot()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answers = [stores.host(each).exec(["ss", "-ltn"]).stdout for each in ENGINES]
            if all(f":{port} " in answer for answer in answers for port in PORTS.values()):
                break
            time.sleep(0.5)
        return {"done": stores.play("deploy")}

    done = stores.once("reboot", run)["done"]
    assert stores.ask(engine, "queue", "LRANGE", "kept", "0", "-1") == "job"
    assert done.code == 0, done.output
    assert done.changed(ENGINES[engine]) == []


@cells("removal")
def test_removal(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        refused = stores.play("remove")
        removed = stores.play("remove", store_service_remove_data=True)
        assert removed.code == 0, removed.output
        return {"refused": refused}

    refused = stores.once("removal", run)["refused"]
    assert refused.code == 2
    assert f"{engine}-queue holds 1 keys" in " ".join(refused.output.split())
    assert refused.changed(ENGINES[engine]) == []
    after = stores.host(engine).exec(["sh", "-c", STATE]).stdout
    different = set(after.splitlines()) ^ set(stores.before[engine].splitlines())
    assert not different, "\n".join(sorted(different))
