"""The command `benchfly`: one command per verb, each the playbook of the same name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ansible.errors import AnsibleError  # type: ignore[import-untyped]

from benchfly.cli.help import DEBUG
from benchfly.cli.output import Output
from benchfly.errors import BenchflyError, RefusedError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code; an error is one message, not a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(given)
    except BenchflyError as error:
        if os.environ.get(DEBUG):
            raise
        Output(as_json="--json" in given).error(error)
        sys.exit(error.exit_code)


def _run(arguments: Sequence[str]) -> None:
    try:
        from benchfly.cli.app import app  # Ansible reads its configuration when it is imported
    except AnsibleError as error:
        raise RefusedError(f"Ansible cannot start: {' '.join(str(error).split())}") from error
    app(arguments)
