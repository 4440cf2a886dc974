# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""What the modules that act on a bench have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of a bench on its host; `module_utils/bench_module.py` has them as arguments."""

    DOCUMENTATION = r"""
options:
  path:
    description: The bench folder.
    type: path
    required: true
  state_dir:
    description: Folder of the journal of moves.
    type: path
    required: true
"""

    SUPERVISOR = r"""
options:
  supervisor_socket:
    description: Unix socket of the supervisord that runs the bench.
    type: path
    required: true
"""
