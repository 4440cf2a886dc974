"""Real Linux hosts for tests, several on one machine: each with its own root file system, address, systemd and sshd.

A host is a systemd-nspawn container on an overlay of a base that mmdebstrap made from the distribution's own packages.
Its writable layer is a file system of its own, its network a cable to the fleet's switch. The switch is a network
namespace that is also the controller's, the only place from which hosts are reached; a proxy in it hands them packages
of the machine's own mirrors. Nothing of the machine's network, settings or mounts is changed, and whatever was started
for a fleet is in cgroups of that fleet, so that all of it can be ended, and nothing else.

    fleet = Fleet(Path(".benchfly/fleet"), "try")
    fleet.up(["cache1", "queue1"])
    fleet["cache1"].ssh("systemctl is-system-running")
    fleet.controller(["ansible", "-i", fleet.inventory_file, "all", "-m", "ansible.builtin.ping"])
    fleet["cache1"].kill()
    fleet.down()

For people: `python -m tests.fleet.hosts --help`. It needs Linux, root and a few packages: see reason_not_possible().
"""

from tests.fleet.hosts.errors import HostsError
from tests.fleet.hosts.fleet import Fleet
from tests.fleet.hosts.host import Host
from tests.fleet.hosts.possible import reason_not_possible
from tests.fleet.hosts.releases import RELEASES

__all__ = ["RELEASES", "Fleet", "Host", "HostsError", "reason_not_possible"]
