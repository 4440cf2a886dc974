"""Settings of a host's kernel: what is declared, what a boot would set, what to change, and the way back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.host_settings import (
    DROP_INS,
    HEADER,
    HUGEPAGE,
    HUGEPAGE_FILE,
    Found,
    Setting,
    SettingsError,
    assignments,
    at_boot,
    drift,
    kernel_file,
    parse,
    plan,
    problems,
    shown,
)
from ansible_collections.benchfly.stores.plugins.module_utils.host_settings_files import JOURNAL, Host

NOTHING: dict[str, Any] = {"memory": {}, "network": {}, "files": {}, HUGEPAGE: ""}
DECLARED = {
    **NOTHING,
    "memory": {"vm.swappiness": 1},
    "network": {"net.core.somaxconn": ">= 4096", "net.ipv4.tcp_keepalive_time": "<=300"},
    HUGEPAGE: "madvise",
}
RUNNING = {
    "vm.swappiness": "60",
    "net.core.somaxconn": "128",
    "net.ipv4.tcp_keepalive_time": "7200",
    HUGEPAGE: "always",
}
NO_JOURNAL: dict[str, dict[str, Any]] = {"running": {}, "files": {}}
MEMORY, NETWORK = DROP_INS["memory"], DROP_INS["network"]


def found(**changes: Any) -> Found:
    nothing = {
        "running": RUNNING,
        "read_only": frozenset(),
        "drop_ins": {},
        "ours": dict.fromkeys(DROP_INS.values()),
        "journal": NO_JOURNAL,
    }
    return Found(**{**nothing, **changes})


@pytest.mark.parametrize(
    ("given", "bound", "value", "declared"),
    [
        (1, "", "1", "1"),
        ("4096\t87380  16777216", "", "4096 87380 16777216", "4096 87380 16777216"),
        (">= 4096", ">=", "4096", ">= 4096"),
        ("<=300", "<=", "300", "<= 300"),
    ],
)
def test_a_value_is_read_with_its_bound(given: Any, bound: str, value: str, declared: str) -> None:
    (setting,) = parse({**NOTHING, "network": {"net.x": given}})
    assert setting == Setting("net.x", "network", bound, value)
    assert setting.declared == declared


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"memory": {"vm.swappiness": True}}, "store_host_memory: vm.swappiness is True. Give it a number or a text"),
        ({"memory": {"vm.swappiness": ""}}, "vm.swappiness is ''"),
        ({"memory": {"vm.swappiness": None}}, "vm.swappiness is None"),
        ({"network": {"net.core.somaxconn": ">= many"}}, "'>= many'. >= takes one number"),
        ({"network": {"net.ipv4.tcp_rmem": ">= 1 2 3"}}, "takes one number"),
        ({"network": {"../../etc/passwd": 1}}, "store_host_network: '../../etc/passwd' is no name of a sysctl"),
        ({"network": {"somaxconn": 1}}, "is no name of a sysctl, as net.core.somaxconn is"),
        ({"memory": {"vm.x": 1}, "files": {"vm.x": 1}}, "store_host_files: vm.x is in store_host_memory too"),
    ],
)
def test_what_is_no_setting_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse({**NOTHING, **given})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("declared", "before", "target"),
    [
        ("1", "60", "1"),
        ("1", "0", "1"),
        (">= 4096", "128", "4096"),
        (">= 4096", "65536", "65536"),
        ("<= 300", "7200", "300"),
        ("<= 300", "60", "60"),
        (">= 4096", None, "4096"),
    ],
)
def test_a_bound_leaves_a_better_host_as_it_is(declared: str, before: str | None, target: str) -> None:
    (setting,) = parse({**NOTHING, "network": {"net.x": declared}})
    assert setting.target(before) == target
    assert setting.met_by(target)


@pytest.mark.parametrize(
    ("text", "value"),
    [("60\n", "60"), ("always [madvise] never\n", "madvise"), ("4096\t87380\t16\n", "4096 87380 16"), ("\n", "")],
)
def test_what_the_kernel_shows(text: str, value: str) -> None:
    assert shown(text) == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("vm.swappiness=1\n", {"vm.swappiness": "1"}),
        ("  -vm/swappiness =  1 \n# vm.swappiness = 2\n; vm.swappiness = 3\n\n", {"vm.swappiness": "1"}),
        ("net/ipv4/conf/eth0.7/forwarding = 1", {"net.ipv4.conf.eth0/7.forwarding": "1"}),
        ("kernel.core_pattern = |/bin/dump a=b", {"kernel.core_pattern": "|/bin/dump a=b"}),
        ("nonsense", {}),
        (f"w! {HUGEPAGE_FILE} - - - - never\nw {HUGEPAGE_FILE} - - - - always", {HUGEPAGE: "never"}),
        (f"d /run/x 0755 - - -\nr {HUGEPAGE_FILE}", {}),
    ],
)
def test_drop_in_files_are_read_as_systemd_reads_them(text: str, values: dict[str, str]) -> None:
    assert assignments(text) == values


def test_the_last_file_of_sysctls_and_the_first_of_tmpfiles_wins() -> None:
    huge = f"w {HUGEPAGE_FILE} - - - - "
    files = {
        "/usr/lib/sysctl.d/99-last.conf": "vm.swappiness=10",
        "/etc/sysctl.d/60-mine.conf": "vm.swappiness=1\nvm.x=1",
        "/etc/tmpfiles.d/b.conf": huge + "never",
        "/usr/lib/tmpfiles.d/a.conf": huge + "always",
    }
    assert at_boot(files) == {
        "vm.swappiness": ("10", "/usr/lib/sysctl.d/99-last.conf"),
        "vm.x": ("1", "/etc/sysctl.d/60-mine.conf"),
        HUGEPAGE: ("always", "/usr/lib/tmpfiles.d/a.conf"),
    }


def test_a_plan_sets_all_and_remembers_all() -> None:
    planned = plan(parse(DECLARED), found())
    assert planned.running == {
        "vm.swappiness": "1",
        "net.core.somaxconn": "4096",
        "net.ipv4.tcp_keepalive_time": "300",
        HUGEPAGE: "madvise",
    }
    assert {path: file and file["text"] for path, file in planned.files.items()} == {
        MEMORY: f"{HEADER}vm.swappiness = 1\n",
        NETWORK: f"{HEADER}net.core.somaxconn = 4096\nnet.ipv4.tcp_keepalive_time = 300\n",
        DROP_INS[HUGEPAGE]: f"{HEADER}w {HUGEPAGE_FILE} - - - - madvise\n",
    }
    files = dict.fromkeys([MEMORY, NETWORK, DROP_INS[HUGEPAGE]])
    assert planned.journal == {"running": RUNNING, "files": files}


def test_a_higher_backlog_stays_and_is_kept_over_a_boot() -> None:
    planned = plan(parse(DECLARED), found(running={**RUNNING, "net.core.somaxconn": "65535"}))
    assert "net.core.somaxconn" not in planned.running
    network = planned.files[NETWORK]
    assert network and "net.core.somaxconn = 65535\n" in network["text"]


def test_what_was_there_first_stays_in_the_journal() -> None:
    settings, first = parse(DECLARED), plan(parse(DECLARED), found())
    again = found(journal=first.journal, running={**RUNNING, "net.core.somaxconn": "256"})
    planned = plan(settings, again)
    assert planned.journal == first.journal
    assert planned.running["net.core.somaxconn"] == "4096"


def test_what_is_no_more_declared_goes_back() -> None:
    was = {"text": "vm.swappiness = 30\n", "mode": 0o640}
    journal = {"running": {"vm.swappiness": "30", "net.core.somaxconn": "128"}, "files": {MEMORY: was, NETWORK: None}}
    ours = {**found().ours, MEMORY: {"text": "x", "mode": 0o644}, NETWORK: {"text": "y", "mode": 0o644}}
    declared = parse({**NOTHING, "network": {"net.ipv4.tcp_keepalive_time": 300}})
    planned = plan(declared, found(journal=journal, ours=ours))
    assert planned.running == {"vm.swappiness": "30", "net.ipv4.tcp_keepalive_time": "300"}
    assert planned.files[MEMORY] == was
    network = planned.files[NETWORK]
    assert network and network["text"] == f"{HEADER}net.ipv4.tcp_keepalive_time = 300\n"
    assert planned.journal == {"running": {"net.ipv4.tcp_keepalive_time": "7200"}, "files": {NETWORK: None}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"running": {**RUNNING, "vm.swappiness": None}},
            ["vm.swappiness: 1 (store_host_memory): the kernel has no /proc/sys/vm/swappiness", "Take it out"],
        ),
        (
            {"read_only": frozenset(["net.core.somaxconn"])},
            [
                "net.core.somaxconn: >= 4096 (store_host_network): /proc/sys/net/core/somaxconn is 128",
                "cannot be written",
            ],
        ),
        (
            {"running": {**RUNNING, "net.core.somaxconn": "1 2"}},
            ["/proc/sys/net/core/somaxconn is '1 2', not one number. Declare the whole value"],
        ),
        (
            {"drop_ins": {"/etc/sysctl.d/99-sysctl.conf": "vm.swappiness = 30"}},
            ["vm.swappiness: 1 (store_host_memory): at boot /etc/sysctl.d/99-sysctl.conf would set it to 30. Take"],
        ),
        (
            {"drop_ins": {"/etc/tmpfiles.d/a.conf": f"w {HUGEPAGE_FILE} - - - - always"}},
            ["transparent_hugepage: madvise (store_host_transparent_hugepage): at boot /etc/tmpfiles.d/a.conf would"],
        ),
        (
            {"journal": {"running": {"vm.old": "5"}, "files": {}}, "read_only": frozenset(["vm.old"])},
            ["vm.old: 5, as it was: /proc/sys/vm/old is 6 and cannot be written"],
        ),
    ],
)
def test_what_would_fail_is_told_before(changes: dict[str, Any], said: list[str]) -> None:
    running = {"vm.old": "6", **changes.get("running", RUNNING)}
    before = found(**{**changes, "running": running})
    (problem,) = problems(parse(DECLARED), before, plan(parse(DECLARED), before))
    assert [part for part in said if part not in problem] == []


def test_nothing_is_told_of_what_needs_no_change() -> None:
    """A container whose host is set already, and a later file that asks for the same, or for more."""
    running = {
        "vm.swappiness": "1",
        "net.core.somaxconn": "4096",
        "net.ipv4.tcp_keepalive_time": "1",
        HUGEPAGE: "madvise",
    }
    later = {"/etc/sysctl.d/99-x.conf": "vm.swappiness = 1\nnet.core.somaxconn = 65535"}
    before = found(running=running, read_only=frozenset(running), drop_ins=later)
    planned = plan(parse(DECLARED), before)
    assert planned.running == {}
    assert problems(parse(DECLARED), before, planned) == []


def test_a_setting_may_change_its_concern() -> None:
    ours = {**found().ours, NETWORK: {"text": "vm.swappiness = 9\n", "mode": 0o644}}
    journal = {"running": {"vm.swappiness": "60"}, "files": {NETWORK: None}}
    before = found(ours=ours, journal=journal, drop_ins={NETWORK: "vm.swappiness = 9\n"})
    settings = parse({**NOTHING, "memory": {"vm.swappiness": 1}})
    planned = plan(settings, before)
    assert problems(settings, before, planned) == []
    assert (planned.files[NETWORK], planned.journal["running"]) == (None, {"vm.swappiness": "60"})


@pytest.mark.parametrize(
    ("on_disk", "running", "drifts"),
    [("1", "1", False), ("1", "60", True), ("60", "1", True), (None, "1", True), ("1", None, True)],
)
def test_drift_is_three_ways(on_disk: str | None, running: str | None, drifts: bool) -> None:
    drop_ins = {MEMORY: f"vm.swappiness = {on_disk}\n"} if on_disk else {}
    rows = drift(
        parse({**NOTHING, "memory": {"vm.swappiness": 1}}), found(running={"vm.swappiness": running}, drop_ins=drop_ins)
    )
    assert rows == [
        {"setting": "vm.swappiness", "declared": "1", "on_disk": on_disk, "running": running, "drift": drifts}
    ]


# On a host that is a folder


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    for folder in ("etc/sysctl.d", "etc/tmpfiles.d", "usr/lib/sysctl.d", "var/lib"):
        host.path(folder).mkdir(parents=True)
    for name, value in RUNNING.items():
        file = host.path(kernel_file(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[{value}] madvise never\n" if name == HUGEPAGE else f"{value}\n")
    return host


def tree(host: Host) -> dict[str, tuple[int, str]]:
    """All that is there: mode and content."""
    files = [path for path in host.root.rglob("*") if path.name != "enabled"]
    return {
        str(path.relative_to(host.root)): (path.stat().st_mode, path.read_text() if path.is_file() else "")
        for path in files
    }


def converge(host: Host, declared: dict[str, Any]) -> bool:
    """As the module does; whether anything changed."""
    settings = parse(declared)
    before = host.find([setting.name for setting in settings])
    planned = plan(settings, before)
    assert problems(settings, before, planned) == []
    host.apply(before, planned)
    return bool(planned.running or planned.files)


def test_a_host_is_set_once_and_put_back_as_it_was(host: Host) -> None:
    former = host.path(MEMORY)
    former.write_bytes(b"# caf\xe9\nvm.swappiness = 60\n")
    former.chmod(0o600)
    before = {path: path.read_bytes() for path in host.root.rglob("*") if path.is_file()}
    assert converge(host, DECLARED)
    assert not converge(host, DECLARED)
    assert host.path(JOURNAL).stat().st_mode & 0o777 == 0o600
    assert {name: host.running(name) for name in RUNNING} == {
        "vm.swappiness": "1",
        "net.core.somaxconn": "4096",
        "net.ipv4.tcp_keepalive_time": "300",
        HUGEPAGE: "madvise",
    }
    assert converge(host, NOTHING)
    assert not converge(host, NOTHING)
    after = {path: path.read_bytes() for path in host.root.rglob("*") if path.is_file()}
    huge = host.path(HUGEPAGE_FILE)
    assert (before.pop(huge), after.pop(huge)) == (b"[always] madvise never\n", b"always\n")
    assert after == before
    assert former.stat().st_mode & 0o777 == 0o600
    assert not host.path(JOURNAL).parent.exists()


def test_what_is_refused_half_way_is_taken_back(host: Host) -> None:
    """The last thing to be written cannot be: its folder is gone."""
    host.path("etc/tmpfiles.d").rmdir()
    before = tree(host)
    with pytest.raises(SettingsError, match=r"benchfly-hugepages\.conf \(No such file or directory\)\. Mend that"):
        converge(host, DECLARED)
    assert tree(host) == before


def test_a_killed_change_is_finished_or_taken_back(host: Host) -> None:
    before = tree(host)
    first = plan(parse(DECLARED), host.find(RUNNING))
    host.remember({**first.journal})
    host.set_running("vm.swappiness", "1")
    assert converge(host, DECLARED)
    assert json.loads(host.path(JOURNAL).read_text())["running"] == RUNNING
    assert converge(host, NOTHING)
    assert tree(host) == before


def test_files_count_as_systemd_counts_them(host: Host) -> None:
    host.path("usr/lib/sysctl.d/10-a.conf").write_text("a.b = 1\n")
    host.path("usr/lib/sysctl.d/20-hidden.conf").write_text("a.b = 2\n")
    host.path("etc/sysctl.d/20-hidden.conf").symlink_to(os.devnull)
    host.path("etc/sysctl.d/30-same.conf").write_text("a.b = 3\n")
    host.path("usr/lib/sysctl.d/30-same.conf").write_text("a.b = 4\n")
    host.path("etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    host.path("etc/sysctl.d/README").write_text("a.b = 5\n")
    assert host.drop_ins() == {"/etc/sysctl.d/30-same.conf": "a.b = 3\n", "/usr/lib/sysctl.d/10-a.conf": "a.b = 1\n"}


def test_a_broken_journal_is_named(host: Host) -> None:
    host.path(JOURNAL).parent.mkdir()
    host.path(JOURNAL).write_text("{")
    with pytest.raises(SettingsError, match=r"host\.json is not valid JSON"):
        host.find([])
