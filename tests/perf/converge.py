"""What a converge that changes nothing costs, against the role that most people use: python -m tests.perf.converge

One Debian 13 host with a store; both take turns, and the ratio of the medians is the result. The peer is the role
geerlingguy.redis: its folder is given in PEER_ROLE, else `ansible-galaxy` is asked for it; without it only ours is
measured. Then 20 and 100 hosts, which are this machine under as many names, each with a store under one supervisord.
The processor's time is told too, controller and hosts together: other work on the machine changes it little.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import yaml
from demo.standin.environment import ensure_env
from tests.fleet.hosts import Fleet, reason_not_possible
from tests.perf.figures import keep
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

ROOT = Path(__file__).parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
ROUNDS = 5
FLEETS = [int(count) for count in os.environ.get("HOSTS", "20 100").split()]
PEER = "geerlingguy.redis"
ENVIRONMENT = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Cost:
    """Of one converge of one host that changes nothing."""

    seconds: float  # median of the rounds
    tasks: int  # that were not skipped
    connections: int  # commands over SSH


def cost(run: Run, playbook: Path, seconds: list[float]) -> Cost:
    """Its cost, given the wall times; one more run, not timed, tells the rest."""
    output = converged(run, playbook, "-vvv").stdout
    tasks = sum(map(int, re.findall(r"\bok=(\d+)", output)))
    return Cost(round(median(seconds), 2), tasks, len(re.findall(r"SSH: EXEC", output)))


def converged(run: Run, playbook: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = run(PLAYBOOK, playbook, *words)
    if done.returncode or not re.search(r"changed=0 ", done.stdout):
        raise SystemExit(f"{playbook} failed or changed something:\n{done.stdout}{done.stderr}")
    return done


def peer_role(folder: Path) -> Path | None:
    """Where the peer's role is, or None."""
    if os.environ.get("PEER_ROLE"):
        return Path(os.environ["PEER_ROLE"]).resolve()
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    done = subprocess.run([galaxy, "role", "install", "-p", folder, PEER], env=ENVIRONMENT, capture_output=True)
    return folder / PEER if done.returncode == 0 else None


def one_host(folder: Path) -> dict[str, object]:
    """Ours against the peer's on one real host over SSH."""
    store = {"engine": "redis", "purpose": "cache", "port": 6381, "memory": "64mb", "password": "secret"}
    inventory = folder / "stores.yml"
    inventory.write_text(yaml.safe_dump({"stores": {"hosts": {"perf1": {"stores": {"perf-cache": store}}}}}))
    playbooks = {"benchfly": ROOT / "playbooks/deploy.yml"}
    role = peer_role(folder)
    if role:
        play = {"hosts": "stores", "become": True, "roles": [{"role": str(role)}]}
        playbooks = {"peer": folder / "peer.yml"} | playbooks
        playbooks["peer"].write_text(yaml.safe_dump([play]))
    fleet = Fleet(Path(os.environ.get("FLEET_FOLDER") or ROOT / ".benchfly/fleet"), "perf")
    try:
        fleet.up({"perf1": "debian-13"})

        def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
            argv = [words[0], "-i", fleet.inventory_file, "-i", inventory, *words[1:]]
            return fleet.controller(argv, cwd=ROOT, env=ENVIRONMENT, timeout=600)

        for playbook in playbooks.values():
            first = run(PLAYBOOK, playbook)
            if first.returncode:
                raise SystemExit(f"{playbook} failed:\n{first.stdout}{first.stderr}")
        seconds: dict[str, list[float]] = {name: [] for name in playbooks}
        for _ in range(ROUNDS):
            for name, playbook in playbooks.items():
                start = time.monotonic()
                converged(run, playbook)
                seconds[name].append(time.monotonic() - start)
        costs = {name: cost(run, playbook, seconds[name]) for name, playbook in playbooks.items()}
    finally:
        fleet.down(fast=True)
    ratio = round(costs["benchfly"].seconds / costs["peer"].seconds, 2) if "peer" in costs else None
    return {**{name: asdict(each) for name, each in costs.items()}, "ratio": ratio}


def many_hosts(count: int) -> dict[str, float]:
    """Seconds of a converge that changes nothing, of all hosts and for each, by the clock and of the processor."""
    with supervisord() as folder:
        hosts = {}
        for number in range(count):
            store = {"engine": "redis", "purpose": "cache", "port": free_port(), "memory": "8mb"}
            hosts[f"host{number}"] = {"stores": {f"cache-{number}": store}}
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "redis_install": "none",
            "store_service_process_manager": "supervisor",
            "store_service_base_dir": str(folder / "stores"),
            "store_service_supervisor_socket": str(folder / "supervisor.sock"),
            "store_service_supervisor_config_dir": str(folder / "supervisor.d"),
        }
        inventory = folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"stores": {"hosts": hosts, "vars": variables}}))

        def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
            command = [words[0], "-i", inventory, "--forks", "20", *words[1:]]
            return subprocess.run(
                command, env={**ENVIRONMENT, **ensure_env().variables}, capture_output=True, text=True
            )

        first = run(PLAYBOOK, ROOT / "playbooks/deploy.yml")
        if first.returncode:
            raise SystemExit(f"the first converge of {count} hosts failed:\n{first.stdout[-3000:]}{first.stderr}")
        start, used = time.monotonic(), cpu_seconds()
        converged(run, ROOT / "playbooks/deploy.yml")
        seconds, used = time.monotonic() - start, cpu_seconds() - used
    per_host = {"seconds_per_host": round(seconds / count, 2), "cpu_seconds_per_host": round(used / count, 2)}
    return {"seconds": round(seconds, 1), **per_host}


def cpu_seconds() -> float:
    """Of the processor, that the processes this one has started and seen end have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reason = reason_not_possible("debian-13")
        one = {"skipped": reason} if reason else one_host(Path(folder))
    keep("converge", {"one": one, "fleets": {str(count): many_hosts(count) for count in FLEETS}})


if __name__ == "__main__":
    main()
