"""Runs one case: a move under load, a fault in it, the way out, and the account."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_census import DEAF
from tests.faults.breaking import Breaking, Run
from tests.faults.cases import OTHER, PHASES, STEPS, Case
from tests.faults.ledger import Ledger
from tests.faults.load import JOBS_PER_SECOND, Load, longest_gaps
from tests.faults.planted import Planted
from tests.faults.scene import APPS, LATEST, STORES, Scene
from tests.fleet.hosts.processes import ROOT, wait_until

ATTEMPTS = 3
WARM_UP = 2.0  # seconds of load before the move, and after it
# A rollback says this where the fault came before anything had begun.
NOTHING = re.compile(r"was never moved|was already taken back")


@dataclass
class Outcome:
    """What came of the move that was broken, of the way out, and of the jobs."""

    broke: str  # what the broken run did: finished, failed or killed
    broke_after: float  # seconds from the fault to the end of that run
    attempts: int  # runs that the way out took
    recovered: float  # seconds from the fault until the bench was whole again
    amiss: list[str]
    restarted: bool = False  # whether socketio and workers had to be restarted by hand, as verify said


def commit() -> str:
    """Of the code that was tried, with `-dirty` where the checkout differs from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


class CaseRun:
    def __init__(self, scene: Scene, planted: Planted, case: Case, folder: Path) -> None:
        self.scene, self.planted, self.case, self.folder = scene, planted, case, folder
        self.breaking = Breaking(scene, case)
        self.outcome = Outcome("", 0, 0, 0, [])
        self.struck = 0.0
        self.untouched = False  # whether there was nothing to take back or to resume
        self.stopped = False  # whether the broken run came to the consumers, and not to its end
        self.verified = False  # by the way out itself, as its last phase

    def run(self) -> dict[str, Any]:
        """The case's row. Raises what the harness itself could not do."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.planted.trim(self.scene.at())
        ledger = Ledger(self.scene)
        hosts = {host: self.scene.host(host).address for host in APPS}
        load = Load(self.scene.fleet, hosts, self.scene.port)
        load.start()
        try:
            time.sleep(WARM_UP)
            self._break()
            self._way_out()
            time.sleep(WARM_UP)
        finally:
            self.breaking.heal()
            answers = load.stop()
            load.write(self.folder / "requests.jsonl")
        at = self._hold()
        account = ledger.account(answers, at, self.breaking.killed, self.untouched)
        self.outcome.amiss += self.planted.differences(at)
        for name in ("lost", "twice", "waiting"):
            if jobs := getattr(account, name):
                self.outcome.amiss.append(f"{len(jobs)} jobs {name}")
        row = {
            "case": self.case.name,
            **asdict(self.case),
            "commit": commit(),
            "outcome": "; ".join(self.outcome.amiss) or "whole",
            "broke": self.outcome.broke,
            "rate": JOBS_PER_SECOND,
            "acknowledged": account.acknowledged,
            "lost": len(account.lost),
            "twice": len(account.twice),
            "killed_running": len(account.killed),
            "failed": len(account.failed),
            "refused": account.refused,
            "attempts": self.outcome.attempts,
            "restarted": self.outcome.restarted,
            "run_ended_after_s": round(self.outcome.broke_after, 1),
            "recovery_s": round(self.outcome.recovered, 1),
            "gaps_s": longest_gaps(answers),
        }
        (self.folder / "row.json").write_text(json.dumps({**row, "account": asdict(account)}, indent=1))
        if self.outcome.amiss:
            self.keep_evidence()
        return row

    def _break(self) -> None:
        case, dice = self.case, self.case.dice
        self.breaking.before()
        run = Run(self.scene, case.verb, self.folder / f"1-{case.verb}.log", **self.breaking.variables)
        phase = re.compile(rf"TASK \[.*(?:{PHASES[case.phase]})")
        if run.wait_for(phase.search, LATEST):
            self._wait_for_step(run)
            time.sleep(dice.choice((0.0, dice.uniform(0, 1.5))))
        self.struck = time.time()
        self.breaking.strike(run)
        # It heals soon, when the run may not have noticed yet, or after the run has ended.
        code = run.wait(dice.choice((3.0, 90.0)))
        self.breaking.heal()
        if code is None:
            code = run.wait(LATEST)
        if code is None:
            self.outcome.amiss.append(f"the broken run did not end within {LATEST} s")
            run.kill()
        self.outcome.broke_after = time.time() - self.struck
        self.outcome.broke = {0: "finished", -9: "killed"}.get(code or 0, "failed")
        self.stopped = code != 0 and "Stop consumers |" in (self.folder / f"1-{case.verb}.log").read_text()

    def _wait_for_step(self, run: Run) -> None:
        """Until the first host's journal says that the step has begun, where the case is of a step within a task."""
        deadline = time.monotonic() + LATEST
        while self.case.phase in STEPS and run.process.poll() is None and time.monotonic() < deadline:
            if any(entry["what"] == self.case.phase for entry in self.scene.journal(APPS[0])[-1]["phases"]):
                break
            time.sleep(0.02)

    def _way_out(self) -> None:
        case = self.case
        verb = case.verb if case.way == "resume" else OTHER[case.verb]
        for attempt in range(1, ATTEMPTS + 1):
            self.outcome.attempts = attempt
            run = Run(self.scene, verb, self.folder / f"{attempt + 1}-{verb}.log")
            code = run.wait(LATEST)
            output = run.finish()
            self.verified = code == 0 and "Verify | Refuse to call it good" in output
            # A rollback that had finished before the fault has nothing left to resume.
            asked = case.way == "take back" or self.outcome.broke == "finished"
            refused = bool(code) and asked and self._nothing_had_begun(output)
            self.untouched = refused or (code == 0 and not self.verified and not self.stopped)
            if code == 0 or refused:
                break
            if code is None:
                run.kill()
        else:
            self.outcome.amiss.append(f"{verb} failed {ATTEMPTS} times")
        self.outcome.recovered = time.time() - self.struck

    def _nothing_had_begun(self, output: str) -> bool:
        """A refusal to take back is right where no host had a move in progress."""
        states = [moves[-1]["state"] for host in APPS if (moves := self.scene.journal(host))]
        return bool(NOTHING.search(" ".join(output.split()))) and "open" not in states

    def _hold(self) -> str:
        """See that the bench is whole, and where it is meant to be; where it is."""
        case, at = self.case, self.scene.at()
        goal = "new" if (case.verb == "migrate") == (case.way == "resume") else "old"
        amiss = self.outcome.amiss
        if at != goal:
            amiss.append(f"the bench is at its {at} stores")
        if not self.verified:
            wait_until(self.scene.works, 60)  # what was put back starts once its store answers again
            verified = self.scene.play("verify")
            if verified.returncode and case.target in STORES and DEAF in " ".join(verified.stdout.split()):
                self.outcome.restarted = True
                self.scene.restart_clients()
                verified = self.scene.play("verify")
            (self.folder / "verify.log").write_text(verified.stdout)
            if verified.returncode:
                amiss.append("verify does not call it good")
        for host in APPS:
            moves, files = self.scene.journal(host), self.scene.files(host)
            if moves and moves[-1]["state"] != "done":
                amiss.append(f"{host}: the journal's last move is {moves[-1]['state']}")
            for file, content in self.scene.original[host].items():
                expected = content
                if at == "new" and file == "sites/common_site_config.json":
                    for purpose in ("cache", "queue"):
                        expected = expected.replace(self.scene.url("old1", purpose), self.scene.url("new1", purpose))
                if files.get(file) != expected:
                    amiss.append(f"{host}: {file} is not what it was")
        if not self.scene.works():
            amiss.append(f"not everything runs: {[self.scene.processes(host) for host in APPS]}")
        return at

    def keep_evidence(self) -> None:
        """Journals and logs of the hosts, as they are after a case that is not whole."""
        for host in STORES:
            done = self.scene.host(host).exec(["journalctl", "--no-pager", "-n", "400", "-u", "store-*"], check=False)
            (self.folder / f"logs-{host}.txt").write_text(done.stdout)
        for host in APPS:
            (self.folder / f"journal-{host}.json").write_text(json.dumps(self.scene.journal(host), indent=1))
            script = f"cd {self.scene.bench.path} && tail -n 400 logs/*.log ../supervisord.log"
            done = self.scene.host(host).exec(["sh", "-c", script], check=False)
            (self.folder / f"logs-{host}.txt").write_text(done.stdout)
