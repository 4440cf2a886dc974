"""The options that verbs have in common."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer

InventoryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="PATH",
        help="Inventory file, folder, script or plugin configuration; may be given several times. "
        "By default what ANSIBLE_INVENTORY or ansible.cfg name.",
        show_default=False,
    ),
]
ExtraVarsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--extra-vars",
        "-e",
        metavar="VARS",
        help="Variables for the playbook: name=value, JSON, or @file. Secrets belong into a (vaulted) @file.",
        show_default=False,
    ),
]
BenchOption = Annotated[
    list[str] | None,
    typer.Option("--bench", metavar="NAME", help="Only this bench; may be given several times.", show_default=False),
]
CheckOption = Annotated[
    bool, typer.Option("--check", metavar="", help="Say what would be changed, and change nothing.")
]
DiffOption = Annotated[bool, typer.Option("--diff", metavar="", help="Show what changes in files.")]
VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        help="Show Ansible's own output; more of it with -vv, -vvv.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    inventory: Sequence[str] = ()
    extra_vars: Sequence[str] = field(default=(), repr=False)
    benches: Sequence[str] = ()
    check: bool = False
    diff: bool = False
    verbosity: int = 0
    as_json: bool = False
    yes: bool = False

    def repeated(self, verb: str) -> str:
        """The command line that does `verb` on the same; values of variables are left out, for they may be secret."""
        words = ["benchfly", verb]
        words += [word for source in self.inventory for word in ("-i", source)]
        words += [word for name in self.variable_names() for word in ("-e", name)]
        words += [word for bench in self.benches for word in ("--bench", bench)]
        return shlex.join(words)

    def variable_names(self) -> Iterator[str]:
        """Names of the variables given with -e as `name=…`, and files as they are."""
        for text in self.extra_vars:
            if text.startswith("@"):
                yield text
            elif text.startswith("{"):
                try:
                    yield from (f"{name}=…" for name in json.loads(text))
                except ValueError:
                    yield "{…}"
            else:
                yield from (f"{word.partition('=')[0]}=…" for word in shlex.split(text) if "=" in word)
