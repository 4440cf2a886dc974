"""Two hosts with one bench, its old and its new store host, and a controller: made once, used by all cases."""

from __future__ import annotations

import configparser
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import server
from demo.standin import SITE, StandinBench, ensure_env
from tests.fleet import servers, standin
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import ROOT, wait_until

FOLDER = ROOT / ".benchfly/faults"
APPS = ("app1", "app2")
STORES = ("old1", "new1")
PORTS = {"cache": 6381, "queue": 6380}
PASSWORD = "s3cret-PW"  # redis-py 3, of Frappe v14, decodes no %
BENCH = "shop"
# Of bench's own programs the second host runs only what a second host has.
ONLY_ON_FIRST = ("-frappe-schedule", "-node-socketio")
PERSISTENCE: dict[str, dict[str, Any]] = {
    "redis": {"persistence": "aof"},
    "dragonfly": {"persistence": "snapshot", "max_loss": 60},
}
LATEST = 240  # seconds after which a run of a verb hangs


class Scene:
    """`name` is the fleet's; scenes with different names do not meet."""

    apps: tuple[str, ...] = APPS
    stores: tuple[str, ...] = STORES  # hosts that `deploy` brings stores up on

    def __init__(self, name: str = "faults", frappe: str = "15", engine: str = "redis") -> None:
        self.name, self.frappe = name, frappe
        self.engines = {"old1": "redis", "new1": engine}
        self.folder = FOLDER / name
        self.fleet = Fleet(Path(os.environ.get("FLEET_FOLDER") or ROOT / ".benchfly/fleet"), name)
        self.bench: StandinBench
        self.original: dict[str, dict[str, str]] = {}  # host -> file -> content, before the first move

    # Making it

    def set_up(self) -> None:
        """Hosts, stores by playbooks/deploy.yml, the bench on both hosts, working at its old stores.

        Hosts that an earlier run has left up are taken over, with everything on them made anew but the stores.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fleet.up(dict.fromkeys((*APPS, *STORES), standin.release() or "debian-12"), disk="2G")
        self.fleet.heal()
        self.lay_out_bench()
        self.write_inventory()
        if not self._stores_answer():
            self.deploy_stores()
        for host in APPS:  # before the stores are emptied: it may be at work on either
            self.host(host).exec(["sh", "-c", f"systemctl stop supervisor; rm -rf {self.bench.root}"])
        for host in STORES:
            for purpose in PORTS:
                store = self.store(host, purpose)
                store.flushall()
                store.config_set("maxmemory", "256mb")
        programs = (self.bench.path / "config/supervisor.conf").read_text()
        for host in APPS:
            (self.bench.path / "config/supervisor.conf").write_text(_programs(programs, first=host == APPS[0]))
            standin.install(self.host(host), self.bench)
            standin.start(self.host(host))
        self.wait_until_it_works()
        self.original = {host: self.files(host) for host in APPS}

    def lay_out_bench(self) -> None:
        self.bench = StandinBench.lay_out(self.folder / "bench", env=ensure_env(frappe=self.frappe), name=BENCH)
        config = self.bench.config() | {f"redis_{purpose}": self.url("old1", purpose) for purpose in PORTS}
        config |= {"redis_socketio": config["redis_cache"], "rq_results_ttl": 20, "bench_id": BENCH}
        config |= {"workers": {"bulk": {"timeout": 300}}}
        (self.bench.path / "sites/common_site_config.json").write_text(json.dumps(config, indent=1))
        subprocess.run(
            [self.bench.env.bin / "bench", "setup", "supervisor", "--yes", "--skip-redis"],
            cwd=self.bench.path,
            env=self.bench.env.variables,
            check=True,
            capture_output=True,
        )

    def deploy_stores(self) -> None:
        done = self.play("deploy", seconds=900)
        if done.returncode:
            raise RuntimeError(f"the stores could not be deployed:\n{done.stdout}")

    def _stores_answer(self) -> bool:
        try:
            return all(
                server(self.store(host, purpose))["engine"] == self.engines[host]
                for host in STORES
                for purpose in PORTS
            )
        except redis.exceptions.RedisError:
            return False

    def write_inventory(self) -> None:
        declared = {
            host: {
                **self._archive(host),
                "stores": {
                    f"{host}-{purpose}": {
                        "engine": self.engines[host],
                        "purpose": purpose,
                        "port": port,
                        "memory": "256mb",
                        "bind": self.fleet[host].address,
                        "password": PASSWORD,
                        # A cache, too, so that nothing planted in it goes with the store's process.
                        **PERSISTENCE[self.engines[host]],
                    }
                    for purpose, port in PORTS.items()
                },
            }
            for host in self.stores
        }
        bench = {
            "frappe_bench_name": BENCH,
            "frappe_bench_path": str(self.bench.path),
            **self.process_manager(),
            "frappe_bench_cache_store": "new1-cache",
            "frappe_bench_queue_store": "new1-queue",
            "frappe_bench_ping_url": f"http://127.0.0.1:{self.port}/api/method/ping",
            "frappe_bench_stop_timeout": 40,
            "frappe_bench_quiet_timeout": 30,
        }
        benches = {BENCH: {"hosts": {host: {} for host in self.apps}, "vars": bench}}
        inventory = {"stores": {"hosts": declared}, "benches": {"children": benches}}
        (self.folder / "inventory.json").write_text(json.dumps({"all": {"children": inventory}}, indent=1))

    def _archive(self, host: str) -> dict[str, str]:
        """Where the host has its servers from, if not from its distribution: the Dragonfly that DRAGONFLY names."""
        return servers.real_dragonfly(self.folder, os.environ["DRAGONFLY"]) if self.engines[host] != "redis" else {}

    def process_manager(self) -> dict[str, str]:
        """What the inventory says of it."""
        return {"frappe_bench_supervisor_socket": str(self.bench.supervisor_socket)}

    # What there is

    @property
    def port(self) -> int:
        return int(self.bench.config()["webserver_port"])

    def url(self, host: str, purpose: str) -> str:
        return f"redis://:{quote(PASSWORD, safe='')}@{self.fleet[host].address}:{PORTS[purpose]}"

    def store(self, host: str, purpose: str) -> Any:
        """A client whose connection is made in the controller's network, now; not for other threads."""
        with self.fleet.inside():
            client = redis.Redis.from_url(self.url(host, purpose), single_connection_client=True, socket_timeout=10)
            client.ping()
        return client

    def at(self) -> str:
        """Whether the first host's configuration names the `old` or the `new` stores."""
        config = json.loads(self.read(self.apps[0], self.bench.path / "sites/common_site_config.json"))
        return "old" if config["redis_queue"] == self.url("old1", "queue") else "new"

    def read(self, host: str, path: Path, offset: int = 0) -> str:
        """A file of a host, from a byte on; nothing where there is none."""
        return self.fleet[host].exec(["tail", "-c", f"+{offset + 1}", str(path)], check=False).stdout

    def files(self, host: str) -> dict[str, str]:
        """What of the bench a move may touch, with its content."""
        script = f"cd {self.bench.path} && for f in sites/*.json sites/*/*.json config/*.conf; do sha256sum $f; done"
        lines = self.fleet[host].exec(["sh", "-c", script]).stdout.splitlines()
        found = dict(line.split()[::-1] for line in lines)
        found["sites/common_site_config.json"] = self.read(host, self.bench.path / "sites/common_site_config.json")
        return found

    def journal(self, host: str) -> list[dict[str, Any]]:
        text = self.read(host, self.bench.path / "config/benchfly/journal.json")
        moves: list[dict[str, Any]] = json.loads(text)["moves"] if text else []
        return moves

    def processes(self, host: str) -> dict[str, str]:
        """Name -> state, as supervisord says."""
        command = [f"{self.bench.env.bin}/supervisorctl", "-c", str(self.bench.supervisord_conf), "status"]
        lines = self.fleet[host].exec(command, check=False).stdout.splitlines()
        return {line.split()[0]: line.split()[1] for line in lines if ":" in line.split()[0]}

    def works(self) -> bool:
        """Whether everything runs and both webs answer."""
        for host in self.apps:
            states = set(self.processes(host).values())
            ping = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{self.port}/api/method/ping', timeout=5)"
            if states != {"RUNNING"} or self.fleet[host].exec(["python3", "-c", ping], check=False).returncode:
                return False
        return True

    def wait_until_it_works(self, seconds: float = 60) -> None:
        if not wait_until(self.works, seconds):
            raise RuntimeError(f"the bench does not work: {[self.processes(host) for host in self.apps]}")

    def restart_clients(self) -> None:
        """As an operator does when a store's host was without power: they wait on connections that are dead."""
        for host in self.apps:
            names = [name for name in self.processes(host) if "-worker" in name or name.endswith("socketio")]
            command = [f"{self.bench.env.bin}/supervisorctl", "-c", str(self.bench.supervisord_conf), "restart", *names]
            self.fleet[host].exec(command)
        self.wait_until_it_works()

    # Running verbs

    def begin(self, verb: str, **variables: Any) -> subprocess.Popen[str]:
        """Start a verb's playbook from the controller, in a session of its own, its output in one pipe."""
        argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", self.fleet.inventory_file]
        argv += ["-i", self.folder / "inventory.json", ROOT / f"playbooks/{verb}.yml"]
        argv += ["-e", json.dumps({"frappe_bench_canary": False, **variables})]
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            # A login takes long where all hosts share a busy machine; that is no fault of theirs.
            "ANSIBLE_TIMEOUT": "45",
            # As ansible.cfg has it, but that a silent host is given up after 6 seconds, not 15.
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s "
            "-o ServerAliveInterval=2 -o ServerAliveCountMax=3",
        }
        return subprocess.Popen(
            self.fleet.in_controller(argv),
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, verb: str, seconds: float = LATEST) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.begin(verb)
        output, _ = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(verb, process.returncode, output)

    def host(self, name: str) -> Host:
        return self.fleet[name]


def _programs(text: str, first: bool) -> str:
    """bench's supervisor.conf for one of the bench's hosts; the web is open to the fleet, as there is no nginx."""
    config = configparser.RawConfigParser()
    config.read_string(text)
    for section in config.sections():
        if section.startswith("program:") and not first and section.endswith(ONLY_ON_FIRST):
            config.remove_section(section)
        elif section.startswith("program:"):
            command = config[section]["command"].replace("-b 127.0.0.1:", "-b 0.0.0.0:")
            config[section]["command"] = command.replace("--queue bulk", "--queue bulk --no-fork")
        else:
            programs = config[section]["programs"].split(",")
            kept = [program for program in programs if first or not program.endswith(ONLY_ON_FIRST)]
            config[section]["programs"] = ",".join(kept)
    out = io.StringIO()
    config.write(out)
    return out.getvalue()


__all__ = ["APPS", "BENCH", "FOLDER", "SITE", "STORES", "Scene"]
