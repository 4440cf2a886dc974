"""Test hosts at the command line: `python -m tests.fleet.hosts --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.fleet import DEFAULT_RELEASE, Fleet
from tests.fleet.hosts.host import Host
from tests.fleet.hosts.possible import reason_not_possible
from tests.fleet.hosts.processes import ROOT
from tests.fleet.hosts.releases import RELEASES

# Verbs of one host: how they are done, and the words they take.
HOST_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "start": (Host.start, ""),
    "stop": (Host.stop, ""),
    "kill": (Host.kill, ""),
    "reboot": (Host.reboot, ""),
    "freeze": (Host.freeze, ""),
    "thaw": (Host.thaw, ""),
    "cut": (Host.cut, ""),
    "plug": (Host.plug, ""),
    "delay": (lambda host, *numbers: host.delay(*map(float, numbers)), "<ms> [<jitter ms> [<loss in percent>]]"),
    "undelay": (Host.undelay, ""),
    "rate": (lambda host, rate: host.rate(None if rate == "none" else rate), "50mbit | none"),
    "fill": (Host.fill, ""),
    "unfill": (Host.unfill, ""),
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def status(fleet: Fleet) -> None:
    for host in fleet.hosts:
        memory = host.memory() if host.running else None
        used = f"{memory / 2**20:.0f} MB" if memory else "-"
        say(f"{host.name:<16} {host.address:<14} {host.release:<14} {'up' if host.running else 'off':<4} {used}")


def become(argv: list[str]) -> None:
    os.execvp(argv[0], argv)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.hosts", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchfly/fleet", help="default: %(default)s")
    parser.add_argument("--name", default="fleet", help="of the fleet; default: %(default)s")
    parser.add_argument("--net", type=int, default=0, help="hosts are at 10.99.<net>.11 and on; default: %(default)s")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="<verb>")
    verbs.add_parser("possible", help="say whether this machine can make hosts, of each release")
    up = verbs.add_parser("up", help="make hosts, or switch them on")
    up.add_argument("hosts", nargs="+", metavar="<host>")
    up.add_argument("--release", default=DEFAULT_RELEASE, help=f"{', '.join(RELEASES)}; default: %(default)s")
    up.add_argument("--disk", default="4G", help="its size; default: %(default)s")
    down = verbs.add_parser("down", help="shut all hosts down and remove them")
    down.add_argument("--all", action="store_true", help="every fleet of the folder")
    down.add_argument("--fast", action="store_true", help="cut the power instead")
    verbs.add_parser("status", help="hosts, addresses, memory in use")
    verbs.add_parser("inventory", help="the file with the inventory for Ansible")
    controller = verbs.add_parser("controller", help="run a command where the hosts can be reached")
    controller.add_argument("command", nargs=argparse.REMAINDER)
    for verb, how in (("ssh", "over SSH, as deploy"), ("exec", "without the network, as root")):
        inside = verbs.add_parser(verb, help=f"run a command in a host {how}; without one, a shell")
        inside.add_argument("host")
        inside.add_argument("command", nargs=argparse.REMAINDER)
    partition = verbs.add_parser("partition", help="let nothing pass between two hosts (or `controller`)")
    partition.add_argument("hosts", nargs=2, metavar="<host>")
    verbs.add_parser("heal", help="end all partitions")
    for verb, (_, takes) in HOST_VERBS.items():
        of_host = verbs.add_parser(verb, help=f"<host> {takes}")
        of_host.add_argument("host")
        of_host.add_argument("words", nargs="*")
    asked = parser.parse_args(words)
    fleet = Fleet(asked.folder, asked.name, asked.net)
    try:
        act(fleet, asked)
    except HostsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def act(fleet: Fleet, asked: argparse.Namespace) -> None:
    match asked.verb:
        case "possible":
            for release in RELEASES:
                say(f"{release:<14} {reason_not_possible(release) or 'possible'}")
        case "up":
            fleet.up(dict.fromkeys(asked.hosts, asked.release), asked.disk)
            status(fleet)
        case "down":
            for each in Fleet.all(asked.folder) if asked.all else [fleet]:
                each.down(asked.fast)
        case "status":
            status(fleet)
        case "inventory":
            say(str(fleet.inventory_file))
        case "controller":
            become(fleet.in_controller(asked.command or ["bash"]))
        case "ssh":
            become(fleet.in_controller(fleet[asked.host].ssh_command(*asked.command)))
        case "exec":
            become(fleet[asked.host].exec_command(asked.command or ["bash"]))
        case "partition":
            fleet.partition(*asked.hosts)
        case "heal":
            fleet.heal()
        case verb:
            HOST_VERBS[verb][0](fleet[asked.host], *asked.words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
