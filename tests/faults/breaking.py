"""Each fault: what befalls which host, and how it heals."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from tests.faults.cases import Case
from tests.faults.scene import APPS, Scene
from tests.fleet import standin
from tests.fleet.hosts.processes import wait_until
from tests.orphans import descendants, end

DELAY = 50  # milliseconds each way, of a slow network
SKEW = 90  # seconds by which a clock is wrong
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
LOADED, LOAD_DELAY = 20_000, 250  # keys that a store reads again, and microseconds for each
ENDLESS = 20  # seconds of the job that does not end, in a move that waits three


class Run:
    """A verb's playbook while it runs: its output goes to `log`, and is watched."""

    def __init__(self, scene: Scene, verb: str, log: Path, **variables: Any) -> None:
        self.log = log
        self.lines: list[str] = []
        self.process = scene.begin(verb, **variables)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for(self, pattern: Callable[[str], object], seconds: float) -> bool:
        """Whether such a line came; False when the run ended, or time was up, before one did."""
        deadline, seen = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            done = self.process.poll() is not None and not self._thread.is_alive()
            while seen < len(self.lines):
                seen += 1
                if pattern(self.lines[seen - 1]):
                    return True
            if done:
                return False
            time.sleep(0.02)
        return False

    def wait(self, seconds: float) -> int | None:
        """Its exit code, or None when it still runs then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the controller's processes at one moment, as its death would."""
        below = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        end(below)
        self.process.wait()

    def finish(self) -> str:
        self._thread.join(10)
        return "".join(self.lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream, self.log.open("w", buffering=1) as log:
            for line in stream:
                self.lines.append(line)
                log.write(f"{time.strftime('%H:%M:%S')} {line}")


class Breaking:
    """The fault of one case. `killed` is a bench host -> when its power was cut; `variables` are the broken run's."""

    def __init__(self, scene: Scene, case: Case) -> None:
        self.scene, self.case = scene, case
        self.killed: dict[str, float] = {}
        self.variables: dict[str, Any] = {}
        self._heal: list[Callable[[], object]] = []

    def before(self) -> None:
        """What is there before the move begins."""
        if self.case.fault == "endless job":
            ask = f"http://127.0.0.1:{self.scene.port}/api/method/enqueue?n=0&queue=long&sleep={ENDLESS}"
            self._host.exec(["python3", "-c", f"import urllib.request as u; u.urlopen('{ask}', data=b'', timeout=20)"])
            self.variables = {"frappe_bench_stop_timeout": 3}
            self._heal.append(self.scene.wait_until_it_works)
        elif self.case.fault == "slow network":
            self._host.delay(DELAY)
            self._heal.append(self._host.undelay)
        elif self.case.fault == "clock skew":
            self._host.exec(["apt-get", "-qq", "install", "-y", "libfaketime"])
            standin.write(self._host, "/etc/faketimerc", f"{SKEW:+d}\n")
            standin.write(self._host, "/etc/ld.so.preload", f"{FAKETIME}\n")
            self._heal.append(lambda: self._host.exec(["rm", "-f", "/etc/ld.so.preload", "/etc/faketimerc"]))

    def strike(self, run: Run) -> None:
        """It happens, now."""
        fault, target = self.case.fault, self.case.target
        if (fault, target) == ("kill", "controller"):
            run.kill()
        elif (fault, target) == ("cut", "controller"):
            for host in APPS:
                self.scene.fleet.partition("controller", host)
            self._heal.append(self.scene.fleet.heal)
        elif fault == "kill":
            if target in APPS:
                self.killed[target] = time.time()
            self._host.kill()
            self._heal.append(self._host.start)
        elif fault == "cut":
            self._host.cut()
            self._heal.append(self._host.plug)
        elif fault == "disk full":
            self._host.fill()
            self._heal.append(self._host.unfill)
        elif fault == "oom":
            store = self.scene.store(target, "queue")
            store.config_set("maxmemory", "1mb")
            self._heal.append(lambda: store.config_set("maxmemory", "256mb"))
        elif fault == "loading":
            self._let_it_load()
        elif fault == "second move":
            second = Run(self.scene, self.case.verb, run.log.with_name(f"second-{self.case.verb}.log"))
            self._heal.append(lambda: second.wait(240))

    def _let_it_load(self) -> None:
        """Restart the queue store so that it reads its data for some seconds, and says so to whoever asks."""
        unit = f"store-{self.case.target}-queue"
        store = self.scene.store(self.case.target, "queue")
        store.mset({f"filler:{number}": number for number in range(LOADED)})
        # What earlier cases have written to its log would take minutes more.
        store.bgrewriteaof()
        if not wait_until(lambda: not store.info("persistence")["aof_rewrite_in_progress"], 60):
            raise RuntimeError(f"{unit} does not come to an end with its append-only file")
        start = self._host.exec(["systemctl", "show", "-P", "ExecStart", unit]).stdout
        command = start.partition("argv[]=")[2].partition(" ;")[0]
        drop_in = Path(f"/run/systemd/system/{unit}.service.d/slow.conf")
        self._host.exec(["mkdir", "-p", str(drop_in.parent)])
        slow = f"[Service]\nExecStart=\nExecStart={command} --key-load-delay {LOAD_DELAY}\n"
        standin.write(self._host, drop_in, slow)
        self._host.exec(["sh", "-c", f"systemctl daemon-reload; systemctl restart --no-block {unit}"])
        self._heal.append(lambda: self._loaded(unit, drop_in))

    def _loaded(self, unit: str, drop_in: Path) -> None:
        self._host.exec(["sh", "-c", f"rm {drop_in}; systemctl daemon-reload"])

        def emptied() -> bool:
            try:
                self.scene.store(self.case.target, "queue").unlink(*(f"filler:{number}" for number in range(LOADED)))
            except redis.exceptions.ConnectionError:  # it still loads
                return False
            return True

        if not wait_until(emptied, 60):
            raise RuntimeError(f"{unit} does not come to an end with loading")

    def heal(self) -> None:
        while self._heal:
            self._heal.pop()()

    @property
    def _host(self) -> Any:
        return self.scene.host(self.case.target)
