"""Where the command line speaks: people get text, machines get exactly one JSON object on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType

from benchfly.errors import BenchflyError, InventoryError, RefusedError

# Columns for tables that nobody watches: wide enough that no word is broken.
_WIDTH_OF_FILES = 200


class Output:
    """Standard output and standard error; with as_json the console for people is quiet."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = Console(quiet=as_json, highlight=False)
        if not self.console.is_terminal:
            self.console.width = _WIDTH_OF_FILES
        self._errors = Console(stderr=True, highlight=False)

    @property
    def can_ask(self) -> bool:
        """Whether there is someone to answer."""
        return not self.as_json and sys.stdin.isatty() and self.console.is_terminal

    def result(self, data: Mapping[str, Any], shown: RenderableType = "") -> None:
        """What a command came to: `shown` for people, `data` for machines."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, default=str) + "\n")
        elif shown:
            self.console.print(shown)

    def complain(self, message: str) -> None:
        """A message for people on standard error."""
        if not self.as_json:
            self._errors.print(message, markup=False, soft_wrap=True)

    def error(self, error: BenchflyError) -> None:
        """An error that ends the command."""
        status = "refused" if isinstance(error, RefusedError) else "failed"
        data = {"status": status, "exit_code": error.exit_code, "message": str(error)}
        if isinstance(error, InventoryError):
            data["problems"] = [vars(problem) for problem in error.problems]
        self.result(data)
        count = len(error.problems) if isinstance(error, InventoryError) else 0
        heading = f"The inventory is wrong ({count} problem{'' if count == 1 else 's'}); nothing was changed.\n"
        self.complain((heading if count else "") + str(error))
