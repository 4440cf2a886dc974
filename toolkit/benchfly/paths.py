"""Where benchfly's own files are: the collection it runs, and the folder it writes to."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from benchfly.errors import RefusedError


def collection() -> Path:
    """Folder of the collection benchfly.stores (playbooks/, roles/, plugins/) that belongs to this installation.

    Raises RefusedError when the installation is incomplete.
    """
    spec = find_spec("ansible_collections.benchfly.stores")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "meta/runtime.yml").is_file():
            return Path(location).resolve()
    raise RefusedError("The collection benchfly.stores is not beside the package. Install benchfly again with pip.")


def home() -> Path:
    """Folder for runs and results: $BENCHFLY_HOME, or .benchfly in the current folder."""
    return Path(os.environ.get("BENCHFLY_HOME", ".benchfly")).resolve()
