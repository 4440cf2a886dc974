"""Makes the files of a stand-in bench, as `bench init`, `bench new-site` and `bench setup supervisor` would.

The configuration files are frappe-bench's own renderings, see render.py; only the app `frappe` is ours, see frappe/.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

from demo.standin.environment import BenchEnv
from demo.standin.processes import free_ports

from benchfly.errors import RefusedError

SITE = "site1.localhost"
# What apps/frappe says it is, by Frappe's major version; from 14.18 on bench renders workers for several queues.
VERSIONS = {"14": "14.92.1", "15": "15.51.1", "16": "16.13.0"}
_HERE = Path(__file__).parent

_SUPERVISORD_CONF = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
user={user}
logfile={root}/supervisord.log
pidfile={root}/supervisord.pid
childlogdir={root}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}

[include]
files={bench}/config/supervisor.conf {root}/supervisor.d/*.conf
"""

_GUNICORN = """\
#!{python}
import sys
from gunicorn.app.wsgiapp import run
sys.exit(run())
"""


def make_bench(path: Path, env: BenchEnv, **config: Any) -> None:
    """Fill the new folder `path` with a bench of one site on free ports; `config` is added to its configuration."""
    _install_frappe(path, env)
    web, socketio, cache, queue = free_ports(4)
    _render(
        path,
        env,
        {
            "webserver_port": web,
            "socketio_port": socketio,
            "redis_cache": f"redis://127.0.0.1:{cache}",
            "redis_queue": f"redis://127.0.0.1:{queue}",
            "redis_socketio": f"redis://127.0.0.1:{cache}",
            "socketio_backend": "python",
            "default_site": SITE,
            "monitor": 1,
            "scheduler_tick_interval": 2,
            **config,
        },
    )
    _make_site(path / "sites")
    # The bench command changes to the folder that /etc/frappe_bench_dir names, unless it finds this file.
    (path / "config.json").write_text("{}")


def make_supervisord_conf(root: Path, bench: Path, socket: Path) -> None:
    """`root`/supervisord.conf: a supervisord for the bench and for the programs in `root`/supervisor.d."""
    (root / "supervisor.d").mkdir()
    text = _SUPERVISORD_CONF.format(socket=socket, user=pwd.getpwuid(os.getuid()).pw_name, root=root, bench=bench)
    (root / "supervisord.conf").write_text(text)


def _install_frappe(path: Path, env: BenchEnv) -> None:
    """The app, and the bench's env in which it is importable."""
    app = path / "apps/frappe/frappe"
    shutil.copytree(_HERE / "frappe", app, ignore=shutil.ignore_patterns("__pycache__"))
    source = (app / "__init__.py").read_text()
    (app / "__init__.py").write_text(source.replace(VERSIONS["15"], VERSIONS[env.frappe]))
    venv.create(path / "env", symlinks=True, with_pip=False)
    own = BenchEnv(path / "env", env.frappe)
    # The pins are shared by all stand-ins; only the app is the bench's own.
    (own.site_packages / "frappe.pth").write_text(f"{env.site_packages}\n{path}/apps/frappe\n")
    gunicorn = own.bin / "gunicorn"
    gunicorn.write_text(_GUNICORN.format(python=own.python))
    gunicorn.chmod(0o755)


def _render(path: Path, env: BenchEnv, config: dict[str, Any]) -> None:
    done = subprocess.run(
        # -P: this folder has a bench.py of its own.
        [str(env.python), "-P", str(_HERE / "render.py"), str(path)],
        input=json.dumps(config),
        env=env.variables,
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RefusedError(f"{path}: frappe-bench could not render the bench:\n{done.stderr.strip()}")


def _make_site(sites: Path) -> None:
    (sites / "apps.txt").write_text("frappe\n")
    (sites / SITE).mkdir()
    config = {"db_name": f"_{secrets.token_hex(8)}", "db_type": "mariadb"}
    (sites / SITE / "site_config.json").write_text(json.dumps(config, indent=1))
