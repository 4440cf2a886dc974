"""The kernel of a host is set for its stores, stays so, and goes back to exactly what it was."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.fleet.conftest import ROOT
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until

pytestmark = pytest.mark.fleet

HOSTS = {"store1": "debian-13", "store2": "debian-12"}
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: benchfly.stores.store_host
        tasks_from: "{{ tasks_from | default('main') }}"
    - ansible.builtin.copy:
        content: "{{ store_host_report }}"
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
        mode: "0600"
      delegate_to: localhost
      vars: {ansible_become: false}
      when: store_host_report is defined
"""
HUGEPAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
JOURNAL = "/var/lib/benchfly/host.json"
NETWORK = "/etc/sysctl.d/60-benchfly-network.conf"
# All of /etc, what this role makes elsewhere, and the settings but one, which is drawn at random.
SNAPSHOT = rf"""
find /etc /var/lib/benchfly -printf '%p %y %m %U %G %l\n' 2>/dev/null | sort
find /etc -type f -print0 | sort -z | xargs -0 sha256sum
cd /proc/sys; grep -rs . vm net/core net/ipv4 fs/file-max fs/nr_open {HUGEPAGES} | grep -v tcp_fastopen_key | sort
"""


class Runs:
    """Runs of the role on all hosts, from the controller."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder
        self.playbook = folder / "store_host.yml"
        self.playbook.write_text(PLAYBOOK)

    def run(self, *words: str, fails: bool = False, **variables: Any) -> str:
        argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", self.fleet.inventory_file]
        argv += [self.playbook, "-e", json.dumps(variables), *words]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        done: subprocess.CompletedProcess[str] = self.fleet.controller(argv, cwd=ROOT, env=env, timeout=120)
        assert (done.returncode != 0) is fails, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def changed(self, *words: str, **variables: Any) -> set[str]:
        """The hosts that a run changed."""
        return changed_in(self.run(*words, **variables))

    def status(self, **variables: Any) -> dict[str, dict[str, Any]]:
        """Host -> its report."""
        self.run(tasks_from="status", **variables)
        return {name: json.loads((self.folder / f"{name}.json").read_text()) for name in HOSTS}


def drifts(reports: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Host -> the settings that drifted there."""
    assert {report["problem"] for report in reports.values()} == {""}
    assert {len(report["settings"]) for report in reports.values()} == {10}
    return {name: [row["setting"] for row in report["settings"] if row["drift"]] for name, report in reports.items()}


def changed_in(output: str) -> set[str]:
    recap = dict(re.findall(r"^(store\d) .*\bchanged=(\d+)", output, re.MULTILINE))
    assert recap.keys() == HOSTS.keys(), output
    return {name for name, number in recap.items() if number != "0"}


def told(output: str) -> list[str]:
    """Its lines, sorted, without those that name hosts in the order in which they answered."""
    return sorted(line for line in output.splitlines() if not line.startswith("included: "))


def snapshot(host: Host) -> str:
    return host.exec(["sh", "-c", SNAPSHOT]).stdout


def snapshots(fleet: Fleet) -> dict[str, str]:
    return {host.name: snapshot(host) for host in fleet.hosts}


def sysctl(host: Host, *names: str) -> list[str]:
    return host.exec(["sysctl", "-n", *names]).stdout.split()


def hugepages(host: Host) -> str:
    return host.exec(["cat", HUGEPAGES]).stdout


def has_huge_pages(host: Host) -> bool:
    return hugepages(host) == "[always] madvise never\n"


@pytest.fixture(scope="module")
def runs(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(fleet, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[str, str]:
    """What the hosts were: one with little, the other with more than is asked for."""
    fleet["store1"].exec(["sysctl", "-w", "net.core.somaxconn=128"])
    fleet["store2"].exec(["sysctl", "-w", "net.core.somaxconn=65535"])
    fleet["store2"].exec(["sh", "-c", f"umask 077; echo vm.swappiness=40 > {NETWORK}"])
    for host in fleet.hosts:
        host.exec(["sh", "-c", f"echo always > {HUGEPAGES}"])
        assert wait_until(partial(has_huge_pages, host), 2)
    return snapshots(fleet)


@pytest.fixture(scope="module")
def converged(fleet: Fleet, runs: Runs, before: dict[str, str]) -> str:
    """What the first run announced and did."""
    announced = runs.run("--check", "--diff")
    assert snapshots(fleet) == before
    done = runs.run("--diff")
    assert told(announced) == told(done)
    return done


def test_a_check_announces_what_the_run_does(fleet: Fleet, runs: Runs, converged: str) -> None:
    assert changed_in(converged) == set(HOSTS)
    assert "+vm.overcommit_memory = 1" in converged and "-vm.swappiness=40" in converged
    assert sysctl(fleet["store1"], "vm.overcommit_memory", "vm.swappiness", "net.core.somaxconn") == ["1", "1", "4096"]
    assert sysctl(fleet["store2"], "net.core.somaxconn") == ["65535"], "what is higher stays"
    for host in fleet.hosts:
        assert hugepages(host) == "always [madvise] never\n"
        assert host.exec(["stat", "-c", "%a %U", JOURNAL]).stdout == "600 root\n"
    assert runs.changed() == set()


@pytest.mark.usefixtures("converged")
def test_drift_is_told_and_repaired(fleet: Fleet, runs: Runs) -> None:
    fleet["store1"].exec(["sysctl", "-w", "vm.swappiness=60"])
    fleet["store2"].exec(["sed", "-i", "s/65535/100/", NETWORK])
    changed = snapshots(fleet)
    reports = runs.status()
    assert drifts(reports) == {"store1": ["vm.swappiness"], "store2": ["net.core.somaxconn"]}
    (row,) = [row for row in reports["store2"]["settings"] if row["drift"]]
    assert (row["declared"], row["on_disk"], row["running"]) == (">= 4096", "100", "65535")
    assert snapshots(fleet) == changed
    assert runs.changed() == set(HOSTS)
    assert drifts(runs.status()) == {"store1": [], "store2": []}


@pytest.mark.usefixtures("converged")
def test_a_boot_keeps_it(fleet: Fleet, runs: Runs) -> None:
    converged = snapshots(fleet)
    for host in fleet.hosts:
        host.reboot()
    assert snapshots(fleet) == converged
    assert runs.changed() == set()


@pytest.mark.usefixtures("converged")
def test_what_cannot_be_is_refused_before_anything_is_changed(fleet: Fleet, runs: Runs) -> None:
    """Settings that a host has not, may not set or does not take, and one that a boot would overrule."""
    converged = snapshots(fleet)
    for network, said in {
        ("net.core.netdev_max_backlog", 1000): "the kernel has no /proc/sys/net/core/netdev_max_backlog",
        ("net.core.rmem_max", ">= 900000000"): "cannot be written. Run as root",
        ("net.ipv4.tcp_keepalive_probes", 100000): "/proc/sys/net/ipv4/tcp_keepalive_probes does not take 100000",
    }.items():
        output = runs.run(fails=True, store_host_memory={"vm.swappiness": 5}, store_host_network=dict([network]))
        assert set(re.findall(r"^fatal: \[(store\d)\]", output, re.MULTILINE)) == set(HOSTS)
        assert "Nothing was changed.\n" in output and said in output
        assert snapshots(fleet) == converged
    later = "/etc/sysctl.d/99-later.conf"
    fleet["store1"].exec(["sh", "-c", f"echo vm.swappiness = 30 > {later}"])
    assert f"at boot {later} would set it to 30" in runs.run("--check", fails=True)
    assert f"at boot {later} would set it to 30" in runs.status()["store1"]["problem"]
    fleet["store1"].exec(["rm", later])
    assert snapshots(fleet) == converged


@pytest.mark.usefixtures("converged")
def test_what_is_no_more_declared_goes_back(fleet: Fleet, runs: Runs) -> None:
    host = fleet["store1"]
    assert runs.changed(store_host_network={"net.ipv4.tcp_keepalive_time": 300}) == set(HOSTS)
    assert sysctl(host, "net.core.somaxconn", "net.ipv4.tcp_keepalive_time") == ["128", "300"]
    assert "net.core.somaxconn" not in host.exec(["cat", NETWORK, JOURNAL]).stdout
    assert runs.changed() == set(HOSTS)
    assert sysctl(host, "net.core.somaxconn") == ["4096"]


@pytest.mark.usefixtures("converged")
def test_a_host_is_put_back_exactly_as_it_was(fleet: Fleet, runs: Runs, before: dict[str, str]) -> None:
    converged = snapshots(fleet)
    assert runs.changed("--check", store_host_state="absent") == set(HOSTS)
    assert runs.changed(store_host_state="unmanaged") == set()
    assert snapshots(fleet) == converged
    assert runs.changed(store_host_state="absent") == set(HOSTS)
    assert snapshots(fleet) == before
    assert runs.changed(store_host_state="absent") == set()
