"""docs/evidence.md, from what `make evidence` and `make tuning-evidence` found: python -m tests.evidence.page"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from tests.perf.figures import ROOT, renewed, table

PAGE = ROOT / "docs/evidence.md"
HEAD = """# What verdicts and tuning rest on

Written by `make figures` from what the commands named here have left in `.benchfly/`. Each goes on where it was cut
short. A section says when it was measured; a topic without one has still to be run to its end.
"""
Figures = Mapping[str, Any]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def ratio(found: Figures) -> str:
    low, high = found["interval"]
    return f"{found['middle']:.3f} ({low:.3f} to {high:.3f})"


def verdicts(found: Figures) -> str:
    cells = [
        [
            name,
            f"{case['cpu_time_per_command']:.3f}",
            case["comparisons"],
            case.get("claimed", case.get("false")),
            percent(case["share"]),
            f"{case['ratio_in_the_middle']:.3f}",
            f"{case['rounds_in_the_middle']:g}",
        ]
        for name, case in found["cases"].items()
    ]
    return f"""Two servers of the same kind are compared again and again as a benchmark compares, with trials of
{found["trial_seconds"]:g} s: equal ones, of which any claim is false, and one that does more work for each command.
Smallest effect that a comparison could see here (median): {percent(found["smallest_effect_seen_here"])}.

{table(["stores", "CPU time of a command", "comparisons", "claimed", "share", "throughput", "rounds"], cells)}"""


def overhead(found: Figures) -> str:
    cells = [
        [
            name,
            one["command"],
            one["generator"],
            one["pairs"],
            f"{one['p99_ms']:g}",
            ratio(one["throughput"]),
            ratio(one["p99"]),
        ]
        for name, one in found["loads"].items()
    ]
    return f"""A load generator under benchfly and by itself, in turns: medians of the ratios of the wrapped one to the
bare one, with intervals of 95 %, where server, load and sampler share all CPUs. The p99 is told in
steps of 8 us. Of the short commands' 1 % is less than that, so the promise is held against the long ones' alone.

{table(["commands", "command", "generator", "pairs", "p99, ms", "throughput", "p99"], cells)}
The sampler took {percent(found["sampler_share_of_a_core"])} of a core."""


def size(found: Figures) -> str:
    return f"""A run of {found["minutes"]} minutes with 10 hosts that make load and a sample a second,
{found["input_mb"]} MB, was judged and rendered in {found["seconds"]} s by the clock, {found["cpu_seconds"]} s of a CPU
and {found["peak_mb"]} MB. Its report has {found["report_mb"]} MB."""


def killed(found: Figures) -> str:
    stages = (stage.removeprefix("TASK [").rstrip("]| ") for stage in found["killed_at"])
    return f"""The controller of one benchmark was killed as each of these began:
{"; ".join(stages)}.
It came to its end with each of its {found["rounds"]} rounds once."""


def against_grid(found: Figures) -> str:
    """One line for the five seeds of a beginning."""
    groups: dict[tuple[str, ...], list[Figures]] = defaultdict(list)
    for one in found["of_each"]:
        about = tuple(str(one.get(key, "")) for key in ("engine", "workload", "start"))
        groups[about].append(one)
    cells = [
        [
            *about,
            to_be_had(some[0]),
            len(some),
            sum(bool(one["kept"]) for one in some),
            percent(min(one["recovered"] for one in some)),
            percent(median(one["recovered"] for one in some)),
            percent(max(one["share_of_grid"] for one in some)),
        ]
        for about, some in groups.items()
    ]
    head = ["engine", "workload", "from", "the grid's best"]
    used = [number for number in range(len(head)) if any(row[number] for row in cells)]
    head += ["studies", "kept", "least recovered", "median", "trials of grid"]
    keep = [*used, *range(4, len(head))]
    played = f"Load by {found['generator']}" if "generator" in found else ""
    played += f", {found['rate']:,.0f} operations a second.\n" if found.get("rate") else ".\n" if played else ""
    nothing = "\nWhere the grid's best is not better than the beginning (1 x) for certain, the beginning is the best."
    return f"""{played}Studies against the best of an exhaustive grid. Recovered is the share of
that best which what was kept reaches; kept without proof: {found["kept_without_proof"]}.{nothing if 3 in used else ""}

{table([head[number] for number in keep], ([row[number] for number in keep] for row in cells))}"""


def to_be_had(study: Figures) -> str:
    """How much better the best of the grid is than the beginning, where that was measured."""
    if "gain_best_of_grid" not in study:
        return ""
    found, low, high = (1 + gain for gain in study["gain_best_of_grid"])
    return f"{found:.2f} x ({low:.2f} to {high:.2f})"


def quiet(found: Figures) -> str:
    tuned = _settings(found["tuned"]) if found["tuned"] else "a first study had kept its defaults"
    return f"""A store that was tuned already ({tuned}) was tuned {found["studies"]} times more:
{found["false_wins"]} of them kept a change."""


def kills(found: Figures) -> str:
    return f"""`benchfly tune` was killed {found["kills"]} times with all that it had begun.
{found["left_changed"]} kills left the store changed, {found["changed_without_journal"]} of them without a journal that
says so; {found["not_restored"]} were not back on the old settings with `--restore`. Then the study came to its end and
kept {_settings(found["kept_in_the_end"])}."""


def changes(found: Figures) -> str:
    cells = []
    for name, judged in found.items():
        if not isinstance(judged, Mapping):
            continue
        still = judged["quiet"]
        planted = [f"{each['found']} of {each['planted']}" for key, each in judged.items() if key != "quiet"]
        cells.append([name, *planted, still["alarms"], f"{still['runs']:,}"])
    head = ["judged", "10 % more work found", "another setting found", "alarms", "quiet runs"]
    return f"""{found["histories"]} histories of {found["runs_of_each"]} runs of two real servers were judged run by
run; a change is found if it is told of within three runs.

{table(head, cells)}"""


def _settings(settings: Figures) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in settings.items()) or "nothing"


# By the file in .benchfly and the command that writes it.
TOPICS: dict[str, dict[str, Callable[[Figures], str]]] = {
    "evidence": {"verdicts": verdicts, "overhead": overhead, "size": size, "killed": killed},
    "tuning-evidence": {
        "bytes": against_grid,
        "throughput": against_grid,
        "p99": against_grid,
        "quiet": quiet,
        "kills": kills,
        "changes": changes,
    },
}


def sections() -> dict[str, str]:
    """By title, of each topic that has been run to its end."""
    found = {}
    for stem, writers in TOPICS.items():
        file = ROOT / f".benchfly/{stem}.json"
        measured = json.loads(file.read_text()) if file.exists() else {}
        for name in (name for name in writers if name in measured):
            one = measured[name]
            promise = "The promise is kept." if one["kept"] else "**The promise is not kept.**"
            title = f"`make {stem} TOPICS={name}`"
            found[title] = f"{one['measured'][:10]}. {promise} {writers[name](one).strip()}\n"
    return found


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE, HEAD, sections()))
