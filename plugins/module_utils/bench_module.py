"""Arguments that the modules which act on a bench have in common; `doc_fragments/bench.py` documents them."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import groups
from ansible_collections.benchfly.stores.plugins.module_utils.kubernetes import RELEASE, Kubernetes, Release
from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import ProcessManager
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from ansible_collections.benchfly.stores.plugins.module_utils.systemd import Systemd

BENCH = {
    "path": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
}
PROCESS_MANAGER = {
    "process_manager": {"type": "str", "choices": ["supervisor", "systemd", "kubernetes"], "default": "supervisor"},
    "supervisor_socket": {"type": "path", "default": "/var/run/supervisor.sock"},
}

NO_REDIS = "this Python has no redis-py; set ansible_python_interpreter to the bench's env/bin/python"


def process_manager(params: dict[str, Any]) -> ProcessManager:
    """What runs the bench, as the arguments of PROCESS_MANAGER say."""
    if params["process_manager"] == "systemd":
        return Systemd(list(groups(Path(params["path"]))))
    if params["process_manager"] == "kubernetes":
        return Kubernetes(release_of(Path(params["state_dir"])), Path(params["path"]).name)
    return Supervisor(params["supervisor_socket"])


def library_version(name: str) -> str:
    """Version of a library, as the interpreter of this module has it; empty when it has none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def release_of(state_dir: Path) -> Release:
    """The release of a bench in Kubernetes. Raises BenchError when nobody looked at it on this host yet."""
    release = Release.of(state_dir)
    if release is None:
        raise BenchError(f"{state_dir / RELEASE} is not there; the module bench_release writes it when it looks")
    return release


def unanswered(params: dict[str, Any], error: OSError) -> str:
    """What to tell people when it does not answer."""
    if params["process_manager"] == "systemd":
        return f"systemd: {error}. Is frappe_bench_process_manager right, and does Ansible act as root?"
    if params["process_manager"] == "kubernetes":
        return str(error)
    socket = params["supervisor_socket"]
    return f"no supervisord answers at {socket}: {error}. Is frappe_bench_supervisor_socket right?"
