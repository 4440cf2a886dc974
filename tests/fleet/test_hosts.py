"""The hosts are what the other tests take them for: real ones in what they can do, and in what can befall them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fleet.conftest import ROOT, ansible
from tests.fleet.hosts import Fleet, Host, HostsError, reason_not_possible
from tests.fleet.hosts.loops import loops
from tests.fleet.hosts.processes import Process, wait_until
from tests.fleet.hosts.settings import as_shown

pytestmark = pytest.mark.fleet

HOSTS = {"cache1": "debian-12", "queue1": "debian-13"}
RELEASES = {"debian-12": ["redis-server"], "debian-13": ["redis-server", "valkey-server"]}
RELEASES |= {"ubuntu-22.04": ["redis-server"], "ubuntu-24.04": ["redis-server", "valkey-server"]}
MACHINE = (
    "/proc/sys/vm/overcommit_memory",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/proc/sys/net/ipv4/ip_forward",
)


@pytest.fixture
def cache1(fleet: Fleet) -> Host:
    return fleet["cache1"]


@pytest.fixture
def queue1(fleet: Fleet) -> Host:
    return fleet["queue1"]


def reaches(host: Host, other: str) -> bool:
    return host.exec(["ping", "-c", "1", "-W", "1", other], check=False).returncode == 0


def controller_reaches(fleet: Fleet, host: Host) -> bool:
    try:
        with fleet.inside(), socket.create_connection((host.address, 22), 1):
            return True
    except OSError:
        return False


def milliseconds(host: Host, other: str) -> float:
    """The shortest of a few round trips."""
    text = host.exec(["ping", "-c", "5", "-i", "0.2", other]).stdout
    shortest = re.search(r"= ([\d.]+)/", text)
    assert shortest, text
    return float(shortest[1])


# What a host is


def test_a_host_runs_systemd_to_its_end(fleet: Fleet) -> None:
    for host in fleet.hosts:
        assert host.exec(["systemctl", "is-system-running", "--wait"]).stdout == "running\n"
        assert host.exec(["cat", "/proc/1/comm"]).stdout == "systemd\n"
        release = host.exec(["sh", "-c", ". /etc/os-release; echo $ID-$VERSION_ID"]).stdout
        assert release == f"{host.release}\n"


def test_ssh_lets_the_operator_in_and_root_not(cache1: Host, fleet: Fleet) -> None:
    assert cache1.ssh("id -un; sudo id -un; hostname").stdout.split() == ["deploy", "root", "cache1"]
    as_root = [word.replace("deploy@", "root@") for word in cache1.ssh_command("true")]
    refused = fleet.controller(as_root)
    assert refused.returncode == 255 and "Permission denied" in refused.stderr


def test_hosts_know_and_reach_each_other_and_nothing_else(fleet: Fleet, cache1: Host, queue1: Host) -> None:
    assert reaches(cache1, "queue1") and reaches(queue1, "cache1") and reaches(cache1, "controller")
    assert not reaches(cache1, "192.0.2.1")
    machine = Path("/proc/net/fib_trie").read_text()
    assert "10.99.0." not in machine


def test_the_proxy_serves_mirrors_only(cache1: Host) -> None:
    ask = "import urllib.request as u; u.ProxyHandler; u.urlopen(u.Request('http://example.org/'))"
    answer = cache1.exec(["env", "http_proxy=http://controller:3142", "python3", "-c", ask], check=False)
    assert "403" in answer.stderr, answer


def test_ansible_works_as_in_production(fleet: Fleet) -> None:
    pinged = ansible(fleet, "ansible", "all", "-m", "ansible.builtin.ping").stdout
    assert pinged.count("SUCCESS") == len(HOSTS)


def test_units_are_held_to_their_limits(cache1: Host) -> None:
    run = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect"]
    hungry = [*run, "-p", "MemoryMax=64M", "python3", "-c", "bytearray(256 << 20)"]
    assert cache1.exec(hungry, check=False).returncode != 0
    assert cache1.exec([word.replace("64M", "512M") for word in hungry]).returncode == 0
    spin = "import time; end = time.monotonic() + 2\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    busy = float(cache1.exec([*run, "-p", "CPUQuota=20%", "python3", "-c", spin]).stdout)
    assert 0.1 < busy < 0.6, "20 % of two seconds is 0.4"


def test_settings_of_the_kernel_are_the_hosts_own(cache1: Host, queue1: Host) -> None:
    before = [Path(file).read_text() for file in MACHINE]
    queue_backlog = queue1.exec(["sysctl", "-n", "net.core.somaxconn"]).stdout
    cache1.exec(["sysctl", "-w", "vm.overcommit_memory=1", "net.core.somaxconn=511", "net.ipv4.ip_forward=1"])
    cache1.exec(["sh", "-c", "echo never > /sys/kernel/mm/transparent_hugepage/enabled"])
    assert cache1.exec(["sysctl", "-n", "vm.overcommit_memory", "net.core.somaxconn"]).stdout == "1\n511\n"
    huge_pages = ["cat", "/sys/kernel/mm/transparent_hugepage/enabled"]
    assert wait_until(lambda: cache1.exec(huge_pages).stdout == "always madvise [never]\n", 2)
    assert queue1.exec(["sysctl", "-n", "net.core.somaxconn"]).stdout == queue_backlog
    assert [Path(file).read_text() for file in MACHINE] == before


@pytest.mark.parametrize(
    ("before", "written", "after"),
    [
        ("always [madvise] never", "never", "always madvise [never]"),
        ("always [madvise] never", "perhaps", "always [madvise] never"),
        ("60", "1\n\n", "1"),
        ("60", "many", "60"),
        ("256\t32", "128 16", "128\t16"),
        ("256\t32", "128", "256\t32"),
        ("core", "/var/core.%p\n\n", "/var/core.%p"),
    ],
)
def test_a_setting_is_shown_as_the_kernel_does(before: str, written: str, after: str) -> None:
    assert as_shown(f"{before}\n", written) == f"{after}\n"


# What can befall it


def test_a_reboot_by_ansible_keeps_what_is_configured_and_nothing_else(fleet: Fleet, cache1: Host) -> None:
    boot = ["cat", "/proc/sys/kernel/random/boot_id"]
    before = cache1.exec(boot).stdout
    cache1.exec(["sh", "-c", "echo vm.swappiness=7 > /etc/sysctl.d/test.conf; sysctl -w net.core.somaxconn=511"])
    ansible(fleet, "ansible", "cache1", "-m", "ansible.builtin.reboot")
    assert cache1.exec(boot).stdout != before
    assert cache1.exec(["sysctl", "-n", "vm.swappiness"]).stdout == "7\n"
    assert cache1.exec(["sysctl", "-n", "net.core.somaxconn"]).stdout != "511\n", "set for one boot only"


def test_a_power_cut_is_silent_and_the_disk_stays(fleet: Fleet, cache1: Host, queue1: Host) -> None:
    cache1.ssh("echo kept > kept")
    with fleet.inside():
        connection = socket.create_connection((cache1.address, 22), 5)
    with connection:
        connection.recv(100)
        start = time.monotonic()
        cache1.kill()
        assert time.monotonic() - start < 10
        assert not cache1.running and not reaches(queue1, "cache1")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):  # no end of the connection, no reset
            connection.recv(1)
    cache1.start()
    assert cache1.ssh("cat kept").stdout == "kept\n"
    assert reaches(queue1, "cache1")


def test_a_host_that_is_stopped_shuts_down_in_order(cache1: Host) -> None:
    unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=touch /root/in-order\n"
    cache1.exec(["sh", "-c", f"printf '{unit}' > /run/systemd/system/last.service; systemctl start last"])
    cache1.stop()
    assert not cache1.running
    cache1.start()
    assert cache1.exec(["ls", "/root/in-order"]).returncode == 0


def test_a_cable_can_be_pulled_and_plugged(fleet: Fleet, cache1: Host) -> None:
    cache1.cut()
    assert not controller_reaches(fleet, cache1)
    assert cache1.exec(["hostname"]).stdout == "cache1\n", "the way in that needs no network"
    cache1.plug()
    assert wait_until(lambda: controller_reaches(fleet, cache1), 10)


def test_frames_can_be_delayed_and_lost(cache1: Host, queue1: Host) -> None:
    queue1.delay(20)
    assert wait_until(lambda: reaches(cache1, "queue1"), 10)
    assert 40 <= milliseconds(cache1, "queue1") < 80, "20 ms each way"
    queue1.delay(0, loss=100)
    assert not reaches(cache1, "queue1")
    queue1.undelay()
    assert wait_until(lambda: reaches(cache1, "queue1"), 10)
    assert milliseconds(cache1, "queue1") < 20


def test_a_rate_holds_both_ways(fleet: Fleet, cache1: Host) -> None:
    cache1.rate("8mbit")  # a megabyte a second
    transfers = {"to": "head -c 2M /dev/zero | {} 'cat > /dev/null'", "from": "{} 'head -c 2M /dev/zero' > /dev/null"}
    login = " ".join(f"'{word}'" for word in cache1.ssh_command())
    for transfer in transfers.values():
        start = time.monotonic()
        assert fleet.controller(["sh", "-c", transfer.format(login)]).returncode == 0
        assert 1.5 < time.monotonic() - start < 10
    cache1.rate(None)
    start = time.monotonic()
    assert fleet.controller(["sh", "-c", transfers["to"].format(login)]).returncode == 0
    assert time.monotonic() - start < 1.5


def test_a_partition_divides_two_and_no_other(fleet: Fleet, cache1: Host, queue1: Host) -> None:
    fleet.partition("cache1", "queue1")
    assert not reaches(cache1, "queue1") and not reaches(queue1, "cache1")
    assert controller_reaches(fleet, cache1) and controller_reaches(fleet, queue1)
    fleet.partition("cache1", "controller")
    assert not controller_reaches(fleet, cache1) and controller_reaches(fleet, queue1)
    fleet.heal()
    assert wait_until(lambda: reaches(cache1, "queue1") and controller_reaches(fleet, cache1), 10)


def test_a_frozen_host_takes_connections_and_does_not_answer(fleet: Fleet, cache1: Host) -> None:
    cache1.freeze()
    with fleet.inside(), socket.create_connection((cache1.address, 22), 2) as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        cache1.thaw()
        connection.settimeout(10)
        assert connection.recv(4) == b"SSH-"


def test_a_disk_can_be_full_without_the_machines_being_so(cache1: Host) -> None:
    free = os.statvfs(ROOT).f_bavail * os.statvfs(ROOT).f_bsize
    write = ["dd", "if=/dev/zero", "of=/root/written", "count=1"]
    cache1.fill()
    assert "No space left on device" in cache1.exec(write, check=False).stderr
    assert free - os.statvfs(ROOT).f_bavail * os.statvfs(ROOT).f_bsize < 1 << 30
    cache1.unfill()
    assert cache1.exec(write).returncode == 0


# The command line


def command_line(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    which = ["--folder", str(fleet.folder), "--name", fleet.name]
    argv = [sys.executable, "-m", "tests.fleet.hosts", *which, *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_command_line_does_the_same(fleet: Fleet) -> None:
    assert "partition" in command_line(fleet, "--help").stdout
    assert "loss in percent" in command_line(fleet, "--help").stdout
    assert command_line(fleet, "status").stdout.startswith("cache1           10.99.0.11     debian-12      up ")
    assert command_line(fleet, "inventory").stdout == f"{fleet.inventory_file}\n"
    assert command_line(fleet, "ssh", "cache1", "hostname; id -un").stdout == "cache1\ndeploy\n"
    assert command_line(fleet, "exec", "cache1", "id", "-un").stdout == "root\n"
    assert "10.99.0.1/24" in command_line(fleet, "controller", "ip", "-o", "-4", "address").stdout
    asked = ["delay cache1 5 1 0", "undelay cache1", "rate cache1 50mbit", "rate cache1 none", "cut cache1"]
    asked += ["plug cache1", "freeze cache1", "thaw cache1", "partition cache1 queue1", "heal", "fill cache1"]
    for words in [*asked, "unfill cache1", "kill cache1", "start cache1", "stop cache1", "up cache1", "reboot cache1"]:
        done = command_line(fleet, *words.split())
        assert (done.returncode, done.stderr) == (0, ""), words
    wrong = command_line(fleet, "kill", "cache9")
    assert (wrong.returncode, wrong.stderr) == (1, f"there is no host 'cache9' in the fleet {fleet.name}\n")


# The releases


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_boots_and_has_its_packages(fleet: Fleet, release: str) -> None:
    if reason := reason_not_possible(release):
        pytest.skip(reason)
    name = re.sub(r"[^a-z0-9]", "", release)
    fleet.up({name: release})
    for package in RELEASES[release]:
        install = f"name={package} state=present update_cache=true cache_valid_time=3600"
        ansible(fleet, "ansible", name, "-m", "ansible.builtin.apt", "-a", install)
        assert fleet[name].exec(["systemctl", "is-active", package]).stdout == "active\n"
        ansible(fleet, "ansible", name, "-m", "ansible.builtin.service", "-a", f"name={package} state=stopped")
    assert fleet[name].exec(["systemctl", "is-system-running"]).stdout == "running\n"
    fleet[name].stop()


# What is left of it


@pytest.fixture
def small(fleet_folder: Path) -> Iterator[Fleet]:
    if reason := reason_not_possible():
        pytest.skip(reason)
    fleet = Fleet(fleet_folder, "test-small", net=7)
    yield fleet
    fleet.down(fast=True)


def traces(fleet: Fleet) -> dict[str, set[object]]:
    """What is on the machine because of the fleet: processes, loop devices, cgroups, mounts, handles of namespaces.

    A namespace is there as long as a process is in it, holds it open, or it is mounted somewhere.
    """
    group = f"test-fleet-{fleet.name}-"
    found: dict[str, set[object]] = {"processes": set()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if group in (process / "cgroup").read_text():
                found["processes"].add(Process.of(int(process.name)))
    found["processes"] -= {None}
    found["loops"] = set(loops(fleet.run_folder))
    found["cgroups"] = {str(path) for path in Path("/sys/fs/cgroup").rglob(f"{group}*")}
    mounts = Path("/proc/1/mountinfo").read_text().splitlines()
    found["mounts"] = {line for line in mounts if str(fleet.folder) in line or " nsfs " in line}
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    found["handles"] = {link for link in links if link.startswith(("net:", "mnt:"))}
    return found


def machine_state() -> list[str]:
    """What of the machine a fleet could have changed, had it not been made in namespaces of its own."""
    asked = (
        "ip -o address",
        "ip route show table all",
        "ip rule",
        "nft list ruleset",
        "ls -lR /etc/apt /run/netns /etc/ssh",
    )
    states = [subprocess.run(ask.split(), capture_output=True, text=True).stdout for ask in asked]
    return [*states, *(Path(file).read_text() for file in MACHINE)]


def test_down_leaves_nothing_behind(small: Fleet) -> None:
    before = machine_state()
    small.up(["one", "two", "three"])
    ansible(small, "ansible", "all", "-m", "ansible.builtin.ping")  # leaves connections open for a minute
    small["one"].delay(5)
    small["two"].cut()
    small["three"].freeze()
    left = subprocess.Popen(small.in_controller(["sleep", "1000"]))
    up = traces(small)
    assert all(up[kind] for kind in ("processes", "loops", "cgroups")), up
    assert not up["mounts"] and not up["handles"], "nothing is mounted where others see it, no namespace has a name"
    small.down()
    left.wait(10)
    assert not any(traces(small).values()), traces(small)
    assert not [process for process in up["processes"] if isinstance(process, Process) and process.running()]
    assert not small.run_folder.exists()
    assert machine_state() == before


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0])
def test_a_killed_run_is_cleaned_up_by_the_next(small: Fleet, seconds: float) -> None:
    up = ["--folder", str(small.folder), "--name", small.name, "--net", "7", "up", "one"]
    killed = subprocess.Popen([sys.executable, "-m", "tests.fleet.hosts", *up], cwd=ROOT, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    small.up(["one"])
    assert small["one"].ssh("hostname").stdout == "one\n"
    small.down(fast=True)
    assert not any(traces(small).values()), traces(small)


def test_a_switch_that_died_is_no_obstacle(small: Fleet) -> None:
    small.up(["one"])
    switch = Process.load(small.run_folder / "switch.json")
    assert switch is not None
    switch.kill()
    with pytest.raises(HostsError, match="is not up"):
        small["one"].ssh("true")
    small.up(["one"])
    assert small["one"].ssh("hostname").stdout == "one\n"


def test_a_fleet_whose_state_was_lost_is_found(small: Fleet) -> None:
    small.up(["one"])
    shutil.rmtree(small.run_folder)
    assert traces(small)["processes"]
    small.down()
    assert not any(traces(small).values()), traces(small)


@pytest.mark.parametrize("name", ["controller", "network", "Cache1", "a_b", "", "../up"])
def test_a_name_that_cannot_be_is_refused(small: Fleet, name: str) -> None:
    with pytest.raises(HostsError, match="no name for a host"):
        small.up([name])
    assert not small.run_folder.exists()


def test_a_release_that_cannot_be_had_is_named() -> None:
    assert "debian-11 is none of the releases debian-12" in str(reason_not_possible("debian-11"))
