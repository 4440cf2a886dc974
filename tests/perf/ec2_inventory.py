"""What it costs to list, group and check a fleet on EC2, against its plugin alone: python -m tests.perf.ec2_inventory

500 tagged instances in moto's server, a process of its own. `benchfly inventory` and `ansible-inventory`, which runs
the plugin with the same file and reads nothing else, take turns; the ratio of the medians is the result. Real EC2
answers in pages over a network: there the plugin's part, which both have, is the larger.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.ec2 import fleet
from tests.ec2.conftest import REGION
from tests.perf.figures import keep
from tests.stores.servers import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SIZE, ROUNDS = 500, 5


def account(folder: Path) -> dict[str, str]:
    """Where every process here finds the account, and nothing of this machine's own."""
    given = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    none = str(folder / "none")
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}
    files = {"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return {**given, **keys, **files, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}


def server(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """moto's server, once it answers."""
    port = environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
    started = subprocess.Popen(
        [BIN / "moto_server", "-H", "127.0.0.1", "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(300):
        try:
            fleet.keep_password(REGION)
        except Exception:
            time.sleep(0.1)
        else:
            return started
    started.kill()
    raise SystemExit("moto's server does not answer")


def timed(environment: dict[str, str], *command: str) -> tuple[float, float, str]:
    """Seconds of the clock and of the processor that a command took, and its output."""
    begun, cpu = time.monotonic(), _cpu()
    done = subprocess.run(
        [BIN / command[0], *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - begun, _cpu() - cpu, done.stdout


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        environment = account(Path(name))
        os.environ.update(environment)
        alone = Path(name) / "fleet.aws_ec2.yml"
        shutil.copy(ROOT / "inventories/ec2/fleet.aws_ec2.yml", alone)
        started = server(environment)
        try:
            fleet.launch(list(fleet.of(SIZE)), REGION)
            whole, plugin = [], []
            for _ in range(ROUNDS):
                plugin.append(timed(environment, "ansible-inventory", "-i", str(alone), "--list"))
                whole.append(timed(environment, "benchfly", "inventory", "-i", str(ROOT / "inventories/ec2"), "--json"))
        finally:
            started.terminate()
            started.wait()
    found = json.loads(whole[0][2])
    listed = json.loads(plugin[0][2])["_meta"]["hostvars"]
    if len(found["hosts"]) != SIZE or len(listed) != SIZE:
        raise SystemExit(f"not all are listed: {len(found['hosts'])} and {len(listed)}")
    seconds = {"benchfly": median(each[0] for each in whole), "plugin": median(each[0] for each in plugin)}
    cpu = {"benchfly": median(each[1] for each in whole), "plugin": median(each[1] for each in plugin)}
    figures = {
        "instances": SIZE,
        "rounds": ROUNDS,
        "groups": {"stores": len(found["stores"]), "benches": len(found["benches"])},
        "seconds": {key: round(value, 2) for key, value in seconds.items()},
        "cpu_seconds": {key: round(value, 2) for key, value in cpu.items()},
        "ratio": round(seconds["benchfly"] / seconds["plugin"], 2),
    }
    keep("ec2-inventory", figures)


if __name__ == "__main__":
    main()
