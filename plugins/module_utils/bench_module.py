"""Arguments that the modules which act on a bench have in common; `doc_fragments/bench.py` documents them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import groups
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from ansible_collections.benchfly.stores.plugins.module_utils.systemd import Systemd

BENCH = {
    "path": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
}
PROCESS_MANAGER = {
    "process_manager": {"type": "str", "choices": ["supervisor", "systemd"], "default": "supervisor"},
    "supervisor_socket": {"type": "path", "default": "/var/run/supervisor.sock"},
}

NO_REDIS = "this Python has no redis-py; set ansible_python_interpreter to the bench's env/bin/python"


def process_manager(params: dict[str, Any]) -> ProcessManager:
    """What runs the bench, as the arguments of PROCESS_MANAGER say."""
    if params["process_manager"] == "systemd":
        return Systemd(list(groups(Path(params["path"]))))
    return Supervisor(params["supervisor_socket"])


def unanswered(params: dict[str, Any], error: OSError) -> str:
    """What to tell people when it does not answer."""
    if params["process_manager"] == "systemd":
        return f"systemd: {error}. Is frappe_bench_process_manager right, and does Ansible act as root?"
    socket = params["supervisor_socket"]
    return f"no supervisord answers at {socket}: {error}. Is frappe_bench_supervisor_socket right?"
