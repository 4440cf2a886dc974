"""The process that holds a fleet's network: its namespace, with a bridge as the switch, is also the controller's.

Run by the harness as `python -m tests.fleet.hosts.switch <state folder>`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from tests.fleet.hosts.namespaces import NEW_NETWORK, OWN_NETWORK, unshare
from tests.fleet.hosts.network import BRIDGE, mac
from tests.fleet.hosts.proxy import Proxy
from tests.fleet.hosts.releases import machine_mirrors
from tests.fleet.hosts.state import CONTROLLER, State


def main(folder: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    state = State.load(folder)
    (state.group / "network").make().join()
    machine_network = os.open(OWN_NETWORK, os.O_RDONLY)
    unshare(NEW_NETWORK)
    for command in (
        "link set lo up",
        f"link add {BRIDGE} address {mac(CONTROLLER)} type bridge",
        f"address add {state.address(CONTROLLER)}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    state.packages.mkdir(parents=True, exist_ok=True)
    with Proxy(state.address(CONTROLLER), machine_mirrors(), state.packages, machine_network) as proxy:
        (folder / "switch.ready").touch()
        proxy.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
