"""A stand-in bench on test hosts. It is laid out on this machine, carried to its hosts under the same path, and run
there by a unit of systemd that is enabled: a host that boots again brings its bench up again, as in production."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from demo.standin import StandinBench
from tests.fleet.hosts import Host

# The environment's packages are of one minor version of Python, which must be the host's own.
RELEASES = {(3, 10): "ubuntu-22.04", (3, 11): "debian-12", (3, 12): "ubuntu-24.04", (3, 13): "debian-13"}
UNIT = """\
[Unit]
Description=supervisord of a stand-in bench

[Service]
# bench asks for git when it is imported, and does not need it to run a worker.
Environment=PATH={bin}:/usr/bin:/bin GIT_PYTHON_REFRESH=quiet
WorkingDirectory={root}
ExecStart={bin}/supervisord --nodaemon --configuration {conf}
KillMode=mixed
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""


def release() -> str | None:
    """The release whose hosts can run what is made with this Python; None where there is none."""
    return RELEASES.get(sys.version_info[:2])


def carry(host: Host, folders: Iterable[Path]) -> None:
    """Copy folders of this machine to the host, under the same paths; a Python in them becomes the host's own."""
    into = subprocess.Popen(host.exec_command(["tar", "--extract", "--directory=/"]), stdin=subprocess.PIPE)
    assert into.stdin is not None
    with into.stdin, tarfile.open(fileobj=into.stdin, mode="w|") as archive:
        for folder in folders:
            archive.add(folder, filter=_as_on_the_host)
    assert into.wait() == 0, f"{host.name}: tar did not take {', '.join(map(str, folders))}"


def write(host: Host, path: str | Path, content: str, mode: str = "644") -> None:
    """Write a file on the host, owned by root."""
    save = f"umask 077 && cat > {shlex.quote(str(path))} && chmod {mode} {shlex.quote(str(path))}"
    subprocess.run(host.exec_command(["sh", "-c", save]), input=content, text=True, check=True)


def install(host: Host, bench: StandinBench) -> None:
    """Bring the bench with its environment to the host; nothing runs yet."""
    carry(host, [bench.env.folder, bench.root])
    unit = UNIT.format(bin=bench.env.bin, root=bench.root, conf=bench.supervisord_conf)
    write(host, "/etc/systemd/system/supervisor.service", unit)
    host.exec(["systemctl", "daemon-reload"])


def start(host: Host) -> None:
    """Let its supervisord run, now and whenever the host boots."""
    host.exec(["systemctl", "enable", "--now", "--quiet", "supervisor"])


def _as_on_the_host(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Root's; without caches; the link by which an environment names its Python leads to the host's own."""
    path = Path(member.name)
    if path.name == "__pycache__":
        return None
    if member.issym() and path.parent.name == "bin" and path.name.startswith("python") and member.linkname[0] == "/":
        member.linkname = "/usr/bin/python3"
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
