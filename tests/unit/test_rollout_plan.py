"""In which order benches move, and what a rollout does when one fails: the state machine, without a host."""

from __future__ import annotations

import pytest

from benchfly.errors import RefusedError
from benchfly.rollout import Batch, Ended, Rollout, State, parse_batch, steps

BENCHES = [f"b{number}" for number in range(1, 11)]


@pytest.mark.parametrize(
    ("canaries", "batch", "sizes"),
    [
        (1, "25%", [1, 2, 2, 2, 2, 1]),  # two are 25 % of ten, rounded down
        (2, "4", [1, 1, 4, 4]),
        (0, "100%", [10]),
        (1, "100", [1, 9]),
        (3, "1%", [1] * 10),
        (12, "50%", [1] * 10),
    ],
)
def test_canaries_then_batches(canaries: int, batch: str, sizes: list[int]) -> None:
    order = steps(BENCHES, canaries, parse_batch(batch))
    assert [len(step.benches) for step in order] == sizes
    assert [bench for step in order for bench in step.benches] == BENCHES
    assert [step.name for step in order].count("canary") == min(canaries, 10)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "x", "", "2.5", "% 5"])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match=r"Say 10, or 25%"):
        parse_batch(text)


def rollout(parallel: int = 2) -> Rollout:
    return Rollout(steps(BENCHES[:6], 1, Batch(3)), parallel)


def play(machine: Rollout, endings: dict[str, State] | None = None) -> list[list[str]]:
    """Run it: those that are ready start together and end in their order; what started together."""
    waves = []
    while not machine.finished:
        ready = machine.ready()
        for bench in ready:
            machine.start(bench)
        waves.append(ready)
        for bench in ready:
            machine.end(bench, Ended((endings or {}).get(bench, State.MOVED)))
    return waves


def test_all_goes_well() -> None:
    machine = rollout()
    assert play(machine) == [["b1"], ["b2", "b3"], ["b4"], ["b5", "b6"]]
    assert (machine.status, machine.stopped) == ("ok", "")


def test_benches_that_are_there_already_are_as_good_as_moved() -> None:
    machine = rollout()
    play(machine, dict.fromkeys(BENCHES, State.THERE))
    assert machine.status == "ok"


def test_a_canary_that_fails_leaves_all_others_alone() -> None:
    machine = rollout()
    assert play(machine, {"b1": State.ROLLED_BACK}) == [["b1"]]
    assert machine.of(State.UNTOUCHED) == ["b2", "b3", "b4", "b5", "b6"]
    assert (machine.status, machine.stopped) == ("failed", "b1 failed")


@pytest.mark.parametrize("failed", [State.ROLLED_BACK, State.FAILED, State.REFUSED, State.INTERRUPTED])
def test_those_under_way_end_and_none_starts_after_a_failure(failed: State) -> None:
    machine = rollout()
    machine.start("b1")
    machine.end("b1", Ended(State.MOVED))
    for bench in machine.ready():
        machine.start(bench)
    machine.end("b2", Ended(failed))
    assert (machine.ready(), machine.finished) == ([], False), "b3 is under way"
    machine.end("b3", Ended(State.MOVED))
    assert machine.finished
    assert machine.of(State.UNTOUCHED) == ["b4", "b5", "b6"]
    assert machine.status == ("interrupted" if failed is State.INTERRUPTED else "failed")


def test_nothing_changed_is_refused() -> None:
    machine = rollout()
    play(machine, {"b1": State.REFUSED})
    assert machine.status == "refused"
    machine = rollout()
    machine.stop("a blackout window has begun")
    assert (machine.finished, machine.status) == (True, "refused")


def test_interrupted_between_two_benches() -> None:
    machine = rollout()
    machine.start("b1")
    machine.interrupt()
    machine.end("b1", Ended(State.MOVED))
    assert (machine.finished, machine.status) == (True, "interrupted")
    assert machine.as_dict()["benches"]["b1"]["state"] == "moved"
    assert machine.as_dict()["benches"]["b2"]["state"] == "untouched"


def test_a_rollout_that_was_stopped_after_its_last_bench_is_done() -> None:
    machine = Rollout(steps(["b1"], 0, Batch(1)), 1)
    machine.start("b1")
    machine.interrupt()
    machine.end("b1", Ended(State.MOVED))
    assert machine.status == "ok"
