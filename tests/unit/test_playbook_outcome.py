"""What events amount to. The events have the shape in which ansible-runner emits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchfly.playbook.outcome import Failure, HostCounts, Outcome, PhaseTime, Status, Tally


def event(kind: str, second: float, **details: Any) -> dict[str, Any]:
    return {"event": kind, "created": f"2026-01-01T00:00:{second:06.3f}+00:00", "event_data": details}


def task(name: str, second: float) -> dict[str, Any]:
    return event("playbook_on_task_start", second, task=name)


def stats(second: float, **counts: dict[str, int]) -> dict[str, Any]:
    processed = {host: 1 for hosts in counts.values() for host in hosts}
    empty: dict[str, dict[str, int]] = {key: {} for key in ("ok", "changed", "failures", "dark", "skipped", "rescued")}
    return event("playbook_on_stats", second, **(empty | counts), processed=processed, artifact_data={})


def tally(*events: dict[str, Any]) -> Tally:
    result = Tally()
    for one in events:
        result.feed(one)
    return result


def outcome(status: Status, *events: dict[str, Any]) -> Outcome:
    return tally(*events).outcome(status, Path("ansible.log"))


def test_phases_are_timed_from_the_names_of_tasks_and_summed_over_spells() -> None:
    events = [
        task("Validating arguments against arg spec 'main' - Look at a bench.", 0),
        task("Gathering Facts", 0),
        task("Stop | a", 1),
        task("no bar", 2),
        task("Sweep | b", 4),
        task("Stop | c", 5),
        stats(5.5, ok={"h": 1}),
    ]
    assert outcome("ok", *events).phases == (PhaseTime("Prepare", 1), PhaseTime("Stop", 3.5), PhaseTime("Sweep", 1))
    assert outcome("ok", *events).seconds == 5.5


def test_the_state_of_every_host_in_a_phase_is_known_at_any_time() -> None:
    events = [
        task("Stop | a", 0),
        *(event("runner_on_start", 0, host=host) for host in ("one", "two", "three")),
        event("runner_on_ok", 1, host="one", res={}),
        event("runner_on_failed", 1, host="two", res={"msg": "no"}, task="Stop | a"),
    ]
    phase = tally(*events).phase
    assert phase is not None
    assert phase.hosts == {"one": "done", "two": "failed", "three": "running"}


def test_a_failure_is_the_message_of_the_module_in_one_line() -> None:
    failed = event("runner_on_failed", 1, host="h", task="Sweep | b", res={"msg": "Task failed: Module failed: a\n  b"})
    assert outcome("failed", task("Sweep | b", 0), failed).failures == (Failure("h", "Sweep | b", "a b"),)


def test_failed_items_stand_for_the_loop() -> None:
    events = [
        task("Sweep | b", 0),
        event("runner_item_on_failed", 1, host="h", task="Sweep | b", task_uuid="1", res={"msg": "x"}),
        event("runner_item_on_failed", 1, host="h", task="Sweep | b", task_uuid="1", res={"msg": "y"}),
        event(
            "runner_on_failed", 1, host="h", task="Sweep | b", task_uuid="1", res={"msg": "One or more items failed"}
        ),
    ]
    assert [failure.message for failure in outcome("failed", *events).failures] == ["x", "y"]


def test_what_was_ignored_or_rescued_is_no_failure() -> None:
    events = [
        task("Stop | a", 0),
        event("runner_on_failed", 1, host="rescued", task="Stop | a", res={"msg": "put right later"}),
        event("runner_on_failed", 1, host="ignored", task="Stop | a", res={"msg": "never mind"}, ignore_errors=True),
        event("runner_on_failed", 1, host="down", task="Stop | a", res={"msg": "broken"}),
        stats(2, ok={"rescued": 1, "ignored": 1}, failures={"down": 1}, rescued={"rescued": 1}),
    ]
    result = outcome("failed", *events)
    assert [failure.host for failure in result.failures] == ["down"]
    assert result.hosts["rescued"] == HostCounts(ok=1, rescued=1)
    assert result.hosts["down"] == HostCounts(failed=1)


def test_a_hidden_result_says_why_it_is_hidden() -> None:
    failed = event("runner_on_failed", 1, host="h", task="Deploy | p", res={"censored": "the output has been hidden"})
    assert "no_log" in outcome("failed", task("Deploy | p", 0), failed).failures[0].message


def test_an_error_of_ansible_itself_is_told_only_when_no_task_failed() -> None:
    error = {"event": "verbose", "stdout": "[ERROR]: couldn't resolve module\nOrigin: /a/b.yml:3:5"}
    assert [str(failure) for failure in outcome("failed", error).failures] == [
        "controller: couldn't resolve module (/a/b.yml:3:5)"
    ]
    failed = event("runner_on_failed", 1, host="h", task="Stop | a", res={"msg": "no"})
    assert [str(failure) for failure in outcome("failed", error, failed).failures] == ["h: Stop | a: no"]
    assert outcome("interrupted", error).failures == ()
