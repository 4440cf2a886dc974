"""What a need of the gate is, and how one is asked.

A need is a function that asks the server and returns what it saw, or raises UnmetError with what it saw instead.
Whatever redis-py raises on the way is the server's own refusal and counts as unmet too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import MET, NO, SETTING
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError, redis

if TYPE_CHECKING:
    from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe

PURPOSES = ("cache", "queue")


class UnmetError(Exception):
    """The server does not do it. `verdict` and `remedy` where they are not those of the need."""

    def __init__(self, answer: str, verdict: str = "", remedy: str = "") -> None:
        super().__init__(answer)
        self.answer, self.verdict, self.remedy = answer, verdict, remedy


@dataclass(frozen=True)
class Answer:
    """One need and what the server answered; `verdict` is ok, note, setting or no."""

    need: str
    used_by: str
    answer: str
    verdict: str
    remedy: str = ""


@dataclass(frozen=True)
class When:
    """Of which benches a need is."""

    text: str
    applies: Callable[[Probe], bool]


ALWAYS = When("every bench", lambda probe: True)


def frappe(since: int = 0, before: int = 1000) -> When:
    """Benches with these major versions of Frappe."""
    text = f"Frappe {since} and later" if since else f"Frappe before {before}"
    return When(text, lambda probe: since <= probe.frappe < before)


@dataclass(frozen=True)
class Need:
    """Something that Frappe or RQ asks of a store."""

    need: str
    used_by: str
    ask: Callable[[Probe], str]
    purposes: tuple[str, ...] = PURPOSES
    when: When = ALWAYS
    otherwise: str = NO
    remedy: str = "choose another engine or version"

    def asked(self, probe: Probe) -> bool:
        """Whether the bench of this probe needs it of this store."""
        return probe.purpose in self.purposes and self.when.applies(probe)

    def answered(self, probe: Probe) -> Answer:
        """Ask, and judge what came back."""
        try:
            return Answer(self.need, self.used_by, self.ask(probe), MET)
        except UnmetError as unmet:
            verdict, remedy = unmet.verdict or self.otherwise, unmet.remedy or self.remedy
            return Answer(self.need, self.used_by, unmet.answer, verdict, remedy)
        except (StoreError, redis.exceptions.RedisError, OSError) as error:
            plain = isinstance(error, (StoreError, redis.exceptions.ResponseError))
            said = f"{error}" if plain else f"{type(error).__name__}: {error}"
            return Answer(self.need, self.used_by, said, self.otherwise, self.remedy)


def need(text: str, used_by: str, **more: Any) -> Callable[[Callable[[Probe], str]], Need]:
    """Make a need of a function that asks."""
    return lambda ask: Need(text, used_by, ask, **more)


def expect(what: str, seen: object, wanted: object) -> None:
    """Raise UnmetError unless the server answered what Frappe and RQ count on."""
    if seen != wanted:
        raise UnmetError(f"{what} gave {seen!r}, not {wanted!r}")


def verdict(answers: Iterable[Answer]) -> str:
    """One word for a store: go, `settings` (go once they are made), or no."""
    verdicts = {answer.verdict for answer in answers}
    return "no" if NO in verdicts else "settings" if SETTING in verdicts else "go"
