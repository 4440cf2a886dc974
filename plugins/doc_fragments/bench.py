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

    PROCESS_MANAGER = r"""
options:
  process_manager:
    description:
      - What runs the bench's processes. C(systemd) takes root; C(kubernetes) takes M(benchfly.stores.bench_release)
        to have looked at the release.
    type: str
    choices: [supervisor, systemd, kubernetes]
    default: supervisor
  supervisor_socket:
    description: Unix socket of the supervisord that runs the bench; asked under supervisor only.
    type: path
    default: /var/run/supervisor.sock
"""
