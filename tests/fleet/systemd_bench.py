"""A bench that systemd runs on a test host, by the units of `bench setup systemd`, and a host with stores for it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import redis
from demo.standin import StandinBench, ensure_env
from tests.faults.scene import BENCH, PORTS, Scene
from tests.fleet import standin
from tests.fleet.conftest import apt_install
from tests.fleet.hosts.namespaces import in_network

APP, STORE = "app1", "new1"
OWN = tuple(f"{BENCH}-redis-{purpose}" for purpose in PORTS)
# For all units of the host, as nothing is to be added to bench's own: it asks for git when it is imported, and does not
# need it; and what does not stop is killed after 5 seconds, since tests do not wait for systemd's 90.
MANAGER = '[Manager]\nDefaultEnvironment="GIT_PYTHON_REFRESH=quiet"\nDefaultTimeoutStopSec=5s\n'
# All of the bench that a move may touch: files, units, and what systemd has made of them.
STATE = f"""
cd {{bench}}
sha256sum Procfile config/*.conf config/systemd/* sites/*.json sites/*/*.json
find /etc/systemd/system /run/systemd/system -path '*/{BENCH}*' -printf '%p %l\\n' | sort
systemctl list-unit-files --no-legend '{BENCH}*'
systemctl list-units --all --plain --no-legend '{BENCH}*'
"""


class SystemdScene(Scene):
    """One host with the bench and its own redis, which are its old stores, and one with the new ones."""

    apps = (APP,)
    stores = (STORE,)

    def set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fleet.up(dict.fromkeys((APP, STORE), standin.release() or "debian-12"), disk="2G")
        self.lay_out_bench()
        self.write_inventory()
        self.deploy_stores()
        app = self.host(APP)
        apt_install(app, "redis-server")
        standin.carry(app, [self.bench.env.folder, self.bench.root])
        app.exec(["mkdir", "-p", "/etc/systemd/system.conf.d"])
        standin.write(app, "/etc/systemd/system.conf.d/bench.conf", MANAGER)
        app.exec(["systemctl", "daemon-reexec"])
        self.bench_setup("--yes", "--user", "root")
        # There is no nginx: the web is open to the fleet.
        web = self.bench.path / f"config/systemd/{BENCH}-frappe-web.service"
        app.exec(["sed", "-i", "s/-b 127.0.0.1:/-b 0.0.0.0:/", str(web)])
        self.bench_setup("--create-symlinks")
        app.exec(["systemctl", "enable", "--now", "--quiet", f"{BENCH}.target"])
        self.start_scheduler()
        self.wait_until_it_works()

    def lay_out_bench(self) -> None:
        env = ensure_env(frappe=self.frappe)
        self.bench = StandinBench.lay_out(self.folder / "bench", env=env, name=BENCH, background_workers=2)
        config = self.bench.config() | {"bench_id": BENCH}
        (self.bench.path / "sites/common_site_config.json").write_text(json.dumps(config, indent=1))
        self.own = {purpose: config[f"redis_{purpose}"] for purpose in PORTS}

    def bench_setup(self, *words: str) -> None:
        variables = f"PATH={self.bench.env.bin}:/usr/sbin:/usr/bin:/sbin:/bin GIT_PYTHON_REFRESH=quiet"
        command = f"cd {self.bench.path} && {variables} bench setup systemd {' '.join(words)}"
        self.host(APP).exec(["sh", "-c", command])

    def start_scheduler(self) -> None:
        """None of bench's targets wants it: it does not start with the host."""
        self.host(APP).exec(["systemctl", "start", f"{BENCH}-frappe-schedule"])

    def process_manager(self) -> dict[str, str]:
        return {"frappe_bench_process_manager": "systemd"}

    def url(self, host: str, purpose: str) -> str:
        return super().url(host, purpose) if host == STORE else self.own[purpose]

    def store(self, host: str, purpose: str) -> Any:
        if host == STORE:
            return super().store(host, purpose)
        with in_network(Path(f"/proc/{self.host(APP).leader()}/ns/net")):
            client = redis.Redis.from_url(self.url(host, purpose), single_connection_client=True, socket_timeout=10)
            client.ping()
        return client

    def processes(self, host: str) -> dict[str, str]:
        """Unit -> state in supervisor's words; of the bench's own redis only while the bench is at it."""
        lines = self.systemctl("list-units", "--all", "--plain", "--no-legend", "--type=service", f"{BENCH}-*")
        states = {unit.removesuffix(".service"): sub for unit, _, _, sub, *_ in map(str.split, lines.splitlines())}
        at_new = self.at() == "new"
        return {
            unit: "RUNNING" if state == "running" else state
            for unit, state in states.items()
            if not (at_new and unit in OWN)
        }

    def systemctl(self, *words: str) -> str:
        return self.host(APP).exec(["systemctl", *words], check=False).stdout

    def state(self) -> list[str]:
        return self.host(APP).exec(["sh", "-c", STATE.format(bench=self.bench.path)]).stdout.splitlines()

    def drop_ins(self) -> str:
        return self.host(APP).exec(["find", "/run/systemd/system", "-path", f"*/{BENCH}*"]).stdout

    def enqueue(self, seconds: float) -> str:
        """Id of a job that takes so long, of the long worker's queue."""
        url = f"http://{self.host(APP).address}:{self.port}/api/method/enqueue?n=0&queue=long&sleep={seconds}"
        with self.fleet.inside(), urllib.request.urlopen(url, data=b"", timeout=20) as answer:
            (job,) = json.load(answer)["message"]["job_ids"]
        return str(job)

    def moment(self, job: str, log: str) -> float:
        """When the job was `started` or `executed`, unix seconds; 0 when it was not."""
        lines = map(str.split, self.read(APP, self.bench.path / f"logs/{log}.log").splitlines())
        return next((float(line[2]) for line in lines if line[1] == job), 0)
