"""The options that verbs have in common."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

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
ScaleOption = Annotated[
    float,
    typer.Option(
        "--scale",
        metavar="SHARE",
        min=0.000001,
        max=1.0,
        help="Play the workload in small: data, clients, rates and time times this. The result says so.",
        show_default=False,
    ),
]
ObjectiveOption = Annotated[
    str,
    typer.Option(
        "--objective",
        metavar="PERCENTILE=MS",
        help="Search each store's capacity: the highest rate at which this latency holds, as p99=5.",
        show_default=False,
    ),
]
ResumeOption = Annotated[
    str,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Go on with a benchmark that was cut short, after its whole rounds; give the same variables.",
        show_default=False,
    ),
]
CleanOption = Annotated[
    bool, typer.Option("--clean", metavar="", help="Only remove what a benchmark left that was killed.")
]
JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")]
AllOption = Annotated[
    bool, typer.Option("--all", metavar="", help="Every bench of the inventory, as when no --bench is given.")
]
PlanOption = Annotated[
    bool,
    typer.Option("--plan", metavar="", help="Say what would happen, in which order and for how long; change nothing."),
]
IgnoreBlackoutOption = Annotated[
    str,
    typer.Option(
        "--ignore-blackout",
        metavar="REASON",
        help="Begin in a blackout window all the same. The journal keeps the reason.",
        show_default=False,
    ),
]
WithoutEvidenceOption = Annotated[
    str,
    typer.Option(
        "--without-evidence",
        metavar="REASON",
        help="Move without the benchmarks that the bench's policy asks for. The journal keeps the reason.",
        show_default=False,
    ),
]
TakeOverOption = Annotated[
    bool,
    typer.Option(
        "--take-over", metavar="", help="Take a bench over from a controller that was moving it and is dead or cut off."
    ),
]
CanaryOption = Annotated[
    int,
    typer.Option("--canary", min=0, metavar="N", help="With several benches: so many go first, one after the other."),
]
BatchOption = Annotated[
    str,
    typer.Option(
        "--batch", metavar="N|N%", help="Then so many at a time, or such a share of all; a batch ends before the next."
    ),
]
ParallelOption = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        min=1,
        metavar="N",
        help="At most so many of a batch at the same time; by default what this machine's processors and memory bear.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]


@dataclass(frozen=True)
class Several:
    """How several benches are moved."""

    all: bool = False
    canary: int = 1
    batch: str = "25%"
    parallel: int | None = None

    def words(self) -> Iterator[str]:
        """The options as typed, without those that say what holds anyway."""
        for default in fields(Several):
            given = getattr(self, default.name)
            if given is True:
                yield f"--{default.name}"
            elif given != default.default:
                yield from (f"--{default.name}", str(given))


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
    several: Several | None = None
    plan: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)  # variables that options of a verb's own stand for
    own: Sequence[str] = ()  # those options as typed, where they say what the verb is about

    def repeated(self, verb: str) -> str:
        """The command line that does `verb` on the same; values of variables are left out, for they may be secret."""
        words = ["benchfly", verb]
        words += [word for source in self.inventory for word in ("-i", source)]
        words += [word for name in self.variable_names() for word in ("-e", name)]
        words += [word for bench in self.benches for word in ("--bench", bench)]
        words += self.several.words() if self.several else ()
        words += self.own
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


def _common(
    inventory: InventoryOption = None,
    extra_vars: ExtraVarsOption = None,
    check: CheckOption = False,
    diff: DiffOption = False,
    verbose: VerboseOption = 0,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> Options:
    return Options(inventory or (), extra_vars or (), (), check, diff, verbose, as_json, yes)


def with_common(act: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of all verbs and those of `act`, which is called with an Options and its own."""
    return merged(_common, act)


def merged(read: Callable[..., Any], act: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of both: `act` is called with what `read` makes of its own, and the rest.

    Typer reads options from a function's signature, so the command's is put together from theirs.
    """
    common = inspect.signature(read, eval_str=True).parameters
    own = list(inspect.signature(act, eval_str=True).parameters.values())[1:]
    first, *rest = common.values()

    def command(**given: Any) -> None:
        options = read(**{name: given.pop(name) for name in common})
        act(options, **given)

    command.__doc__ = act.__doc__
    # By keyword, so that one without a default may stand after one with it.
    both = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (first, *own, *rest)]
    command.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in both}
    return command
