"""How a store is run: its unit for systemd, or the command for a supervisord. Pure: a specification in, text out.

The server runs on a copy of its configuration, in the one folder that it may write to. So CONFIG REWRITE never touches
what was declared, and the copy tells what the server was started with.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

# Without these a store could do no more; `systemd-analyze security` names what each is good for.
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ReadWritePaths={directory}/data
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @aio
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077
"""

_UNIT = """\
# Store {name}. Written by Ansible; what is changed here is lost.
[Unit]
Description=Store {name} ({purpose} on {engine})
After=network-online.target
Wants=network-online.target
# A server that cannot start is not started for ever.
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
User={user}
Group={user}
WorkingDirectory={directory}
{environment}ExecStartPre=/bin/sh -c '{copy}'
ExecStart={command}
Restart=always
RestartSec=1
# The data may have to be written first.
TimeoutStopSec={stop_timeout}
# The kernel ending a child that writes a snapshot must not end the store.
OOMPolicy=continue
LimitNOFILE={open_files}
{limits}
{hardening}
[Install]
WantedBy=multi-user.target
"""


def unit(
    name: str, spec: Mapping[str, Any], command: str, files: Mapping[str, str], user: str, timeout: int, open_files: int
) -> str:
    """The unit store-NAME.service.

    command: what runs the store in its folder. files: `base_dir`, where the folder is, `config`, the name of the
    configuration's file, and `environment`, that of a file of variables, empty for none. timeout: seconds for a stop.
    """
    directory = f"{files['base_dir']}/{name}"
    limits = []
    if spec["engine"] == "dragonfly":  # io_uring's rings are locked memory before Linux 5.12
        limits.append("LimitMEMLOCK=infinity")
    if spec.get("cpus"):
        limits.append(f"CPUAffinity={spec['cpus']}")
    return _UNIT.format(
        name=name,
        engine=spec["engine"],
        purpose=spec["purpose"],
        user=user,
        directory=directory,
        environment=f"EnvironmentFile={directory}/{files['environment']}\n" if files["environment"] else "",
        copy=_copy(files["config"]),
        command=command.replace("%", "%%").replace("$", "$$"),
        stop_timeout=timeout,
        open_files=open_files,
        limits="".join(f"{line}\n" for line in limits),
        hardening=_HARDENING.format(directory=directory),
    )


def shell(command: str, files: Mapping[str, str]) -> str:
    """The same as one command for a supervisord, which knows neither an environment file nor a step before a start."""
    steps = [_copy(files["config"])]
    if files["environment"]:
        steps.append(f"set -a && . ./{files['environment']} && set +a")
    return f"/bin/sh -c {shlex.quote(' && '.join([f'{{ {steps[0]}; }}', *steps[1:], f'exec {command}']))}"


def _copy(config: str) -> str:
    """Left alone when it is the same already, so that a store comes up also on a full disk."""
    return f"cmp -s {config} data/{config} || cp {config} data/{config}"
