"""Servers come to a host by every road in the version pinned; stores go up and down, and back when they must."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.fleet import servers as releases
from tests.fleet.hosts import Fleet, Host
from tests.fleet.playbooks import Done, Playbooks
from tests.stores.binaries import Binary, packaged

pytestmark = pytest.mark.fleet

HOSTS = {"store1": "debian-13"}
PASSWORD = "s3cr%t-$PW!"
PORTS = {"redis": 6380, "valkey": 6381}
KEYS = 500
DROP_IN = "/run/systemd/system/store-valkey-queue.service.d/benchfly-version.conf"
# What is installed, the units, and the packages that are there: what a refusal and a removal leave alone.
STATE = r"""
find /opt /etc/systemd/system /etc/apt /var/lib/benchfly -not -path '/opt/test*' -printf '%p %y %m %l\n' | sort
dpkg-query --show --showformat '${Package} ${Version} ${db:Status-Abbrev}\n'
"""
# Suite of Debian and its package of tools, which has the server too; each runs on Debian 13 with these libraries.
SERVERS = [("bookworm", "redis-tools"), ("trixie", "redis-tools"), ("bookworm-backports", "valkey-tools")]
LIBRARIES = "apt-get -qq install -y --no-install-recommends libatomic1 libjemalloc2 liblzf1 >/dev/null"
# A package as a vendor would make it, with a unit that it enables.
PACK = r"""
set -e
cd /opt/test && rm -rf pack && mkdir -p pack/DEBIAN pack/usr/bin pack/usr/lib/systemd/system
cp "$FILE" "pack/usr/bin/$BINARY" && chmod 755 "pack/usr/bin/$BINARY"
printf '[Service]\nExecStart=/usr/bin/%s\n[Install]\nWantedBy=multi-user.target\n' "$BINARY" \
  > "pack/usr/lib/systemd/system/$BINARY.service"
printf 'Package: vendor-%s\nVersion: %s-1\nArchitecture: all\nMaintainer: nobody\nDescription: %s\n' \
  "$BINARY" "$VERSION" "$BINARY" > pack/DEBIAN/control
printf '#!/bin/sh\nsystemctl daemon-reload; systemctl enable --now %s || true\n' "$BINARY" > pack/DEBIAN/postinst
chmod 755 pack/DEBIAN/postinst
mkdir -p repository && dpkg-deb --root-owner-group --build pack "repository/$BINARY-$VERSION.deb"
"""
INDEX = r"""
cd /opt/test/repository && for package in *.deb; do
  dpkg-deb --field "$package"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$package" "$(stat --format %s "$package")" \
    "$(sha256sum "$package" | cut -d ' ' -f 1)"
done > Packages
printf 'Date: %s\nSHA256:\n %s %s Packages\n' "$(date --utc --rfc-email)" "$(sha256sum Packages | cut -d ' ' -f 1)" \
  "$(stat --format %s Packages)" > Release
cat Release
"""
INSTALL = """
- hosts: store1
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: benchfly.stores.store_install
        tasks_from: "{{ tasks_from | default('main') }}"
"""


@dataclass
class Servers:
    """One queue store of each of two engines; `variables` is what the operator says of their servers."""

    playbooks: Playbooks
    host: Host
    binaries: dict[str, Binary]  # engine and version -> the server
    variables: dict[str, Any] = field(default_factory=dict)

    def play(self, verb: str, *engines: str, words: tuple[str, ...] = (), **variables: Any) -> Done:
        return self.playbooks.verb(verb, self.said(*engines, **variables), *words)

    def said(self, *engines: str, **variables: Any) -> dict[str, Any]:
        """The inventory with a store of each of these engines."""
        stores = {
            f"{engine}-queue": {"engine": engine, "purpose": "queue", "port": PORTS[engine], "memory": "64mb",
                                "password": PASSWORD}
            for engine in engines
        }  # fmt: skip
        return {"stores": {"hosts": {"store1": {**self.variables, **variables, "stores": stores}}}}

    def install(self, engine: str, tasks_from: str = "main", **said: Any) -> Done:
        """The role store_install alone, with what the operator said in the engine's variables and `said`."""
        playbook = self.playbooks.folder / "install.yml"
        playbook.write_text(INSTALL)
        wanted = {"method": "none", "version": "", "url": "", "sha256": "", "binary": "", "packages": [],
                  "repository": {}}  # fmt: skip
        for name, value in {**self.variables, **said}.items():
            if name.startswith(f"{engine}_"):
                wanted[name.partition("_")[2].replace("install", "method")] = value
        given = {"store_install_engine": engine, "store_install_stores": {}, "store_install_wanted": wanted}
        return self.playbooks.run(playbook, {"stores": {"hosts": {"store1": {**given, "tasks_from": tasks_from}}}})

    def archive(self, engine: str, version: str) -> dict[str, str]:
        """The variables that ask for a release, which lies on the controller."""
        return releases.archive(self.playbooks.folder, engine, self.binaries[f"{engine}-{version}"])

    def sh(self, script: str, **env: str) -> str:
        return self.host.exec(["env", *(f"{name}={value}" for name, value in env.items()), "sh", "-c", script]).stdout

    @property
    def state(self) -> str:
        return self.sh(STATE)

    def ask(self, engine: str, *words: str) -> str:
        command = ["/opt/test/redis-cli", "-p", str(PORTS[engine]), *words]
        return self.host.exec(["env", f"REDISCLI_AUTH={PASSWORD}", *command]).stdout.strip()

    def fill(self, engine: str) -> None:
        self.ask(engine, "EVAL", "for i = 1, ARGV[1] do redis.call('SET', 'key' .. i, i) end", "0", str(KEYS))

    def version(self, engine: str) -> str:
        match = re.search(rf"{engine}_version:(\S+)", self.ask(engine, "INFO", "server"))
        assert match
        return match[1]

    def pid(self, engine: str) -> str:
        return self.sh(f"systemctl show -P MainPID store-{engine}-queue").strip()


@contextmanager
def served(fleet: Fleet, folder: Path) -> Iterator[str]:
    """The folder by http, as the hosts see it."""
    address = str(fleet["store1"].address).rpartition(".")[0] + ".1"
    command = [sys.executable, "-m", "http.server", "--bind", address, "--directory", str(folder), "8099"]
    with subprocess.Popen(fleet.in_controller(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://{address}:8099"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def servers(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Servers:
    binaries = {}
    for suite, package in SERVERS:
        binary = packaged(suite, package)
        binaries[f"{package.partition('-')[0]}-{binary.version}"] = binary
    servers = Servers(Playbooks(fleet, tmp_path_factory.mktemp("install")), fleet["store1"], binaries)
    servers.sh(LIBRARIES)
    releases.put(servers.host, binaries["redis-7.0.15"].path.with_name("redis-cli"), "/opt/test/redis-cli")
    return servers


@pytest.fixture(scope="module")
def vendor(servers: Servers) -> dict[str, Any]:
    """A vendor's signed repository on the host with two versions of Redis, and variables that ask for the older."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    for version in ("7.0.15", "8.0.2"):
        releases.put(servers.host, servers.binaries[f"redis-{version}"].path, f"/opt/test/redis-server-{version}")
        servers.sh(PACK, FILE=f"redis-server-{version}", BINARY="redis-server", VERSION=version)
    release = servers.sh(INDEX)
    home = servers.playbooks.folder / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--quiet"]
    try:
        subprocess.run([*gpg, "--quick-generate-key", "vendor", "ed25519", "sign", "never"], check=True)
        signed = subprocess.run([*gpg, "--clearsign"], input=release, capture_output=True, text=True, check=True)
        key = subprocess.run([*gpg, "--armor", "--export"], capture_output=True, text=True, check=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    (servers.playbooks.folder / "vendor.asc").write_text(key.stdout)
    subprocess.run(
        servers.host.exec_command(["tee", "/opt/test/repository/InRelease"]),
        input=signed.stdout, text=True, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return {
        "redis_install": "repository",
        "redis_packages": ["vendor-redis-server"],
        "redis_version": "7.0.15",
        "redis_repository": {
            "uris": "file:/opt/test/repository",
            "suites": "./",
            "components": "",
            "key": str(servers.playbooks.folder / "vendor.asc"),
        },
    }


def test_a_file_with_another_checksum_is_refused_and_leaves_nothing(fleet: Fleet, servers: Servers) -> None:
    before = servers.state
    asked = servers.archive("redis", "7.0.15")
    with served(fleet, servers.playbooks.folder) as url:
        wrong = {"redis_url": f"{url}/redis-7.0.15.tar.gz", "redis_sha256": "0" * 64}
        refused = servers.install("redis", **{**asked, **wrong})
    assert refused.code == 2 and "checksum" in refused.words
    assert servers.state == before


def test_a_vendors_repository_gives_the_pinned_version(servers: Servers, vendor: dict[str, Any]) -> None:
    servers.variables |= vendor
    done = servers.play("deploy", "redis")
    assert done.code == 0, done.output
    assert servers.version("redis") == "7.0.15"
    assert servers.sh("systemctl is-enabled redis-server.service || true") == "masked\n"
    assert servers.sh("systemctl is-active redis-server.service || true") == "inactive\n"


def test_deploy_never_changes_the_version_of_what_runs(servers: Servers) -> None:
    pid = servers.pid("redis")
    refused = servers.play("deploy", "redis", redis_version="8.0.2")
    assert refused.code == 2
    assert "redis-queue runs on redis 7.0.15, and redis_version is 8.0.2. The verb upgrade" in refused.words
    wrong = servers.play("downgrade", "redis", redis_version="8.0.2")
    assert wrong.code == 2 and "to 8.0.2 is a upgrade" in wrong.words
    assert servers.pid("redis") == pid


def test_an_upgrade_takes_a_snapshot_and_keeps_the_data(servers: Servers) -> None:
    servers.fill("redis")
    pid = servers.pid("redis")
    planned = servers.play("upgrade", "redis", redis_version="8.0.2", words=("--check",))
    assert planned.code == 0 and planned.changed("store1") == [], planned.output
    assert "redis-queue goes from redis 7.0.15 to 8.0.2, in about" in planned.words
    assert servers.pid("redis") == pid
    done = servers.play("upgrade", "redis", redis_version="8.0.2")
    assert done.code == 0, done.output
    moved = done.stats("upgrade")["redis-queue"]
    assert (moved["from"], moved["to"], moved["keys"]) == ("7.0.15", "8.0.2", KEYS)
    assert 0 < moved["seconds"] < 5
    assert servers.version("redis") == "8.0.2"
    assert "appendonlydir" in servers.sh(f"ls {moved['snapshot']}")
    assert servers.sh("head -c 9 /var/lib/benchfly/redis-queue/snapshot-7.0.15/appendonlydir/*.base.rdb") == "REDIS0010"
    servers.variables["redis_version"] = "8.0.2"


def test_data_that_could_not_be_read_do_not_go_back(servers: Servers) -> None:
    servers.ask("redis", "CONFIG", "SET", "appendfsync", "everysec")
    pid = servers.pid("redis")
    refused = servers.play("downgrade", "redis", redis_version="7.0.15")
    assert refused.code == 2
    assert "redis 8.0.2 writes RDB 12, and 7.0.15 reads up to RDB 10" in refused.words
    assert servers.pid("redis") == pid


def test_a_server_that_does_not_run_is_taken_back(servers: Servers) -> None:
    broken = {"redis-server": b'#!/bin/sh\n[ "$1" = --version ] && exec echo "Redis server v=8.0.9 sha=0"\nexit 1\n'}
    start = time.monotonic()
    failed = servers.play(
        "upgrade", "redis", words=(), **releases.pack(servers.playbooks.folder, "redis", "8.0.9", broken)
    )
    assert failed.code == 2 and time.monotonic() - start < 90
    assert "It runs on 8.0.2 again" in failed.words
    assert servers.version("redis") == "8.0.2"
    assert servers.ask("redis", "DBSIZE") == str(KEYS)
    assert servers.play("deploy", "redis").changed("store1") == [], "as before"


def test_the_distribution_gives_a_server_whose_own_instance_never_runs(servers: Servers) -> None:
    announced = servers.play("deploy", "valkey", words=("--check",))
    done = servers.play("deploy", "valkey")
    assert done.code == 0, done.output
    assert announced.changed("store1") == done.changed("store1")
    assert servers.version("valkey").startswith("8.1.")
    assert servers.sh("systemctl is-enabled valkey-server.service || true") == "masked\n"
    assert servers.sh("ss --listening --tcp --no-header --numeric 'sport = 6379'") == ""


def test_a_downgrade_keeps_data_that_can_be_read(fleet: Fleet, servers: Servers) -> None:
    servers.fill("valkey")
    newer = servers.version("valkey")
    servers.ask("valkey", "SAVE")
    older = servers.archive("valkey", "8.0.1")
    with served(fleet, servers.playbooks.folder) as url:
        older["valkey_url"] = f"{url}/valkey-8.0.1.tar.gz"
        servers.playbooks.killed("downgrade", servers.said("valkey", **older), servers.host, DROP_IN)
        assert servers.ask("valkey", "DBSIZE") == str(KEYS), "it runs, on whichever version"
        done = servers.play("downgrade", "valkey", words=(), **older)
    assert done.code == 0, done.output
    assert done.stats("downgrade")["valkey-queue"]["from"] == newer
    assert (servers.version("valkey"), servers.ask("valkey", "DBSIZE")) == ("8.0.1", str(KEYS))
    assert servers.sh("head -c 9 /var/lib/benchfly/valkey-queue/snapshot-*/dump.rdb") == "REDIS0011"
    servers.variables |= older


def test_a_package_by_path(servers: Servers) -> None:
    before = servers.state
    servers.sh("""printf '#!/bin/sh\\necho "dragonfly v1.40.1"\\n' > /opt/test/dragonfly-1.40.1""")
    servers.sh(PACK, FILE="dragonfly-1.40.1", BINARY="dragonfly", VERSION="1.40.1")
    package = "/opt/test/repository/dragonfly-1.40.1.deb"
    said = {
        "dragonfly_install": "package",
        "dragonfly_version": "1.40.1",
        "dragonfly_url": f"file://{package}",
        "dragonfly_sha256": servers.sh(f"sha256sum {package}").split()[0],
    }
    done = servers.install("dragonfly", **said)
    assert done.code == 0, done.output
    assert servers.sh("dragonfly; systemctl is-enabled dragonfly || true") == "dragonfly v1.40.1\nmasked\n"
    removed = servers.install("dragonfly", "remove", **said)
    assert removed.code == 0, removed.output
    assert servers.state == before


def test_what_was_installed_goes_and_nothing_else(servers: Servers) -> None:
    removed = servers.play("remove", *PORTS, words=("-e", "store_service_remove_data=true"))
    assert removed.code == 0, removed.output
    left = servers.sh("ls -d /opt/benchfly /etc/apt/keyrings/* /etc/apt/sources.list.d/* 2>/dev/null || true")
    assert left == ""
    assert servers.sh("find /etc/systemd -name '*redis-server*' -o -name '*valkey-server*'") == ""
    packages = "dpkg-query --show --showformat '${Package} ' '*redis*' '*valkey*' libjemalloc2 2>/dev/null || true"
    assert servers.sh(packages) == "libjemalloc2 ", "which was there before"
