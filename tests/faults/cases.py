"""What is broken on purpose: one case is one move with one fault, and what is done about it afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

# Phases of a move, by what the task's name says with which each begins, in order.
PHASES = {
    "check": r"Check \| Ask the stores|Look \| Read the bench",
    "open": r"Move \| Begin in the journal",
    "stop": r"Stop consumers \| Let the workers finish",
    "config": r"Switch producers \| Write the new stores",
    "web": r"Switch producers \| Write the new stores",
    "socketio": r"Switch producers \| Write the new stores",
    "sweep": r"Sweep \| Move jobs",
    "start": r"Start consumers \| Have the workers",
    "history": r"History \| Move finished",
    "verify": r"Verify \| Look at the bench",
    "retire": r"Retire \| Stop the bench",
    "close": r"Move \| Close the journal",
}
STEPS = ("web", "socketio")  # of the switch, which is one task; the journal says when they begin
HOSTS = ("app1", "app2", "old1", "new1")
TARGETS = ("controller", *HOSTS)
OTHER = {"migrate": "rollback", "rollback": "migrate"}
MOVES = tuple(OTHER)
WAYS = ("resume", "take back")
# All is broken in benches of one version's shape; in those of others what deals with their jobs and processes.
FRAPPE, OTHERS = "15", ("14", "16")
OTHERS_PHASES = ("stop", "web", "sweep")
# What the bench's new stores run on. A Dragonfly keeps snapshots and no log, so a power cut of its host costs it the
# seconds that its `max_loss` says, and it has no way to load slowly: neither is a case.
ENGINE, OTHER_ENGINE = "redis", "dragonfly"
NOT_OF_DRAGONFLY = ("kill", "new1")


@dataclass(frozen=True)
class Case:
    """A move `verb` in whose `phase` the `fault` befalls `target`; it heals, and the move is finished the one `way` or
    the other."""

    fault: str
    target: str
    phase: str
    verb: str
    way: str
    frappe: str = FRAPPE  # major version whose shape the bench has
    engine: str = ENGINE  # of the new stores

    @property
    def name(self) -> str:
        shape = () if self.frappe == FRAPPE else (f"v{self.frappe}",)
        target = () if self.engine == ENGINE else (self.engine,)
        return "-".join((self.fault, self.target, self.phase, self.verb, *shape, *target)).replace(" ", "-")

    @property
    def dice(self) -> random.Random:
        """Always the same for the same case: when in the phase, and how soon it heals."""
        return random.Random(self.name)


def cases() -> list[Case]:
    """Every case, in an order that comes to all kinds early."""
    grid = product(("kill", "cut"), TARGETS, PHASES, MOVES)
    kinds = [
        *grid,
        *product(["disk full"], HOSTS, ("open", "config", "sweep"), MOVES),
        *product(["endless job"], ("app1", "app2"), ["stop"], MOVES),
        *product(["second move"], ["controller"], ("stop", "config", "sweep", "history"), MOVES),
        *product(["oom"], ("old1", "new1"), ("sweep", "history"), MOVES),
        *product(["loading"], ("old1", "new1"), ("check", "sweep"), MOVES),
        *product(["slow network"], HOSTS, ["check"], MOVES),
        *product(["clock skew"], ("app1", "app2"), ["open"], MOVES),
    ]
    found = list(_in_turn(kinds))
    for frappe in OTHERS:
        found += _in_turn(product(("kill", "cut"), TARGETS, OTHERS_PHASES, MOVES), frappe)
    with_dragonfly = [
        *product(("kill", "cut"), TARGETS, OTHERS_PHASES, MOVES),
        *product(["oom", "disk full"], ("old1", "new1"), ["sweep"], MOVES),
    ]
    found += _in_turn((kind for kind in with_dragonfly if kind[:2] != NOT_OF_DRAGONFLY), engine=OTHER_ENGINE)
    return found


def _in_turn(kinds: Iterable[tuple[str, str, str, str]], frappe: str = FRAPPE, engine: str = ENGINE) -> Iterator[Case]:
    """Shuffled, always alike, with each way out in turn."""
    shuffled = list(kinds)
    random.Random(4).shuffle(shuffled)
    for number, kind in enumerate(shuffled):
        yield Case(*kind, way=WAYS[number % 2], frappe=frappe, engine=engine)


def choose(pending: Iterable[Case], at: str) -> Case | None:
    """The next case of a bench that is at its `old` or `new` stores: one whose verb leads away from there."""
    verb = "migrate" if at == "old" else "rollback"
    return next((case for case in pending if case.verb == verb), None)
