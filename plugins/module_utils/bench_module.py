"""Arguments that the modules which act on a bench have in common; `doc_fragments/bench.py` documents them."""

from __future__ import annotations

BENCH = {
    "path": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
}
SUPERVISOR = {"supervisor_socket": {"type": "path", "required": True}}

NO_REDIS = "this Python has no redis-py; set ansible_python_interpreter to the bench's env/bin/python"
