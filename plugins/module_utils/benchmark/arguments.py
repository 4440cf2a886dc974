"""Arguments that several modules take; `plugins/doc_fragments/benchmark.py` documents them."""

from __future__ import annotations

from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS

WORKLOAD: dict[str, Any] = {
    "workload": {"type": "dict", "required": True},
    "workload_name": {"type": "str", "default": "workload"},
    "scale": {"type": "float", "default": 1.0},
}
STORE: dict[str, Any] = {
    "store": {"type": "str", "required": True},
    "url": {"type": "str", "required": True, "no_log": True},
}
GENERATOR: dict[str, Any] = {
    "generator": {"type": "str", "choices": list(GENERATORS), "required": True},
    "path": {"type": "str", "default": ""},
}
