"""A rollout as a state machine: which bench may start now, and what has become of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchfly.rollout.order import Step


class State(StrEnum):
    """What has become of a bench, in the words of the outcome."""

    UNTOUCHED = "untouched"
    MOVING = "moving"
    MOVED = "moved"
    THERE = "was there already"
    REFUSED = "refused"  # it failed before anything of it was changed
    ROLLED_BACK = "failed and rolled back"
    FAILED = "failed and not rolled back"
    INTERRUPTED = "interrupted"


GOOD = (State.MOVED, State.THERE)


@dataclass(frozen=True)
class Ended:
    """How the move of one bench ended. `remedy` is what to do about it, `runs` the ids of its runs."""

    state: State
    seconds: float = 0.0
    message: str = ""
    remedy: str = ""
    runs: tuple[str, ...] = ()


@dataclass
class _Place:
    """Where a bench stands."""

    step: str
    state: State = State.UNTOUCHED
    phase: str = ""
    ended: Ended | None = None


class Rollout:
    """Benches in steps, at most `parallel` at a time. After a failure, or `stop`, those under way end and none starts.

    Those under way are not cut short: a move that ends leaves a bench that works, one cut short leaves its consumers
    stopped.
    """

    def __init__(self, steps: Sequence[Step], parallel: int) -> None:
        self.steps = tuple(steps)
        self.parallel = parallel
        self.stopped = ""  # why no further bench starts
        self.interrupted = False
        self._places = {bench: _Place(step.name) for step in steps for bench in step.benches}

    def ready(self) -> list[str]:
        """The benches that are to start now."""
        room = self.parallel - len(self.of(State.MOVING))
        if self.stopped or self.step is None:
            return []
        waiting = [bench for bench in self.step.benches if self._places[bench].state is State.UNTOUCHED]
        return waiting[: max(room, 0)]

    def start(self, bench: str) -> None:
        """It is under way."""
        self._places[bench].state = State.MOVING

    def enter(self, bench: str, phase: str) -> None:
        """Its move has come to that phase."""
        self._places[bench].phase = phase

    def end(self, bench: str, ended: Ended) -> None:
        """Its move has ended; anything but a success stops the rollout."""
        place = self._places[bench]
        place.state, place.ended, place.phase = ended.state, ended, ""
        if ended.state not in GOOD:
            self.stop(f"{bench} {_PAST.get(ended.state, ended.state)}")

    def stop(self, reason: str) -> None:
        """Let no further bench start; the first reason is kept."""
        self.stopped = self.stopped or reason

    def interrupt(self) -> None:
        """Stop because somebody asked for it."""
        self.interrupted = True
        self.stop("it was interrupted")

    @property
    def step(self) -> Step | None:
        """The first step in which a bench has not moved yet."""
        unfinished = (step for step in self.steps if not all(self.state(bench) in GOOD for bench in step.benches))
        return next(unfinished, None)

    @property
    def finished(self) -> bool:
        """Whether nothing is under way and nothing will start."""
        return not self.of(State.MOVING) and not self.ready()

    @property
    def status(self) -> str:
        """ok, interrupted, refused (nothing was changed) or failed."""
        if self.step is None:
            return "ok"
        if self.interrupted or self.of(State.INTERRUPTED):
            return "interrupted"
        return "failed" if self.of(State.MOVED, State.ROLLED_BACK, State.FAILED) else "refused"

    def of(self, *states: State) -> list[str]:
        """The benches in one of those states, in order."""
        return [bench for bench, place in self._places.items() if place.state in states]

    def state(self, bench: str) -> State:
        return self._places[bench].state

    def phase(self, bench: str) -> str:
        return self._places[bench].phase

    def ended(self, bench: str) -> Ended | None:
        return self._places[bench].ended

    def as_dict(self) -> dict[str, Any]:
        """The rollout as plain data for JSON."""
        return {
            "parallel": self.parallel,
            "stopped": self.stopped,
            "benches": {bench: _row(place) for bench, place in self._places.items()},
        }


_PAST = {
    State.REFUSED: "was refused",
    State.ROLLED_BACK: "failed",
    State.FAILED: "failed",
    State.INTERRUPTED: "was interrupted",
}


def _row(place: _Place) -> Mapping[str, Any]:
    ended = place.ended or Ended(place.state)
    return {
        "step": place.step,
        "state": place.state.value,
        "seconds": ended.seconds,
        "message": ended.message,
        "remedy": ended.remedy,
        "runs": list(ended.runs),
    }
