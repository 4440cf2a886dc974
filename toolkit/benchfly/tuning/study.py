"""One search and its proof: which settings are to be measured next, until it is known what is kept.

Everything measured is a line of steps.jsonl, and what comes next follows from these lines and from Optuna's storage
beside them. So a study that was cut short goes on where it was, in whatever process.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from ansible_collections.benchfly.stores.plugins.filter.benchmark import benchmark_schedule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import replace_file
from ansible_collections.benchfly.stores.plugins.module_utils.store_plan import engine_problems
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError, parse

from benchfly.benchmark.trials import Trial, with_twins
from benchfly.errors import RefusedError, ResultsError
from benchfly.tuning import judge, rules
from benchfly.tuning.objectives import OBJECTIVES, Measured, gain
from benchfly.tuning.plan import ATTEMPTS, Batch, Outcome, Plan, Result, Step, differences
from benchfly.tuning.proof import Kept, Pair, Proof, Verdict, prove
from benchfly.tuning.search import Search, Trials
from benchfly.tuning.space import Settings

PLAN, STEPS, TRIALS = "study.json", "steps.jsonl", "trials.log"
BASE, OTHER = "base", "other"
REPEATS = 3  # plays of a candidate in the search, each beside one of today's settings
SEARCH_SHARE = 0.5  # of the budget; the rest is for the proof
RATE_SHARE = 0.5  # of the throughput under today's settings: the rate at which p99 is measured, unless one is given
ROUNDS_AT_ONCE = 3  # of a proof; whoever plays them asks for more only then
LONGER = 3  # times its rounds that a proof may take where what is measured swings
HOPELESS = 0.7  # of today's throughput; what is slower in every play is not worth a proof


Ended = TypeVar("Ended")
Conduct = Generator[Batch, Sequence[Result], Ended]


class Abort(Exception):  # noqa: N818 - it is no error, but the end that was asked for
    """The store is slower than those who use it may find it."""


class Study:
    """A plan being carried out in a folder. `next` says what to measure, `record` takes what was measured."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan, self.folder = plan, folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._same_plan()
        self.findings = rules.find(self.plan.facts)
        self._spent, self._measured, self._tried_so_far, self._p99 = 0.0, 0, 0, 0.0
        self._failed: list[tuple[Settings, str]] = []
        self._rate = plan.rate
        self._today: Measured | None = None
        self.outcome: Outcome | None = None
        self._conduct = self._conducted()
        self._batch: Batch | None = next(self._conduct)
        for results in _read(folder / STEPS):
            self._send(results)

    @property
    def next(self) -> Batch | None:
        """What is to be measured now; None once there is an outcome."""
        return self._batch

    @property
    def expected(self) -> float:
        """Operations per second under today's settings; 0 before they were measured."""
        return self._today.ops_per_second if self._today else 0.0

    def record(self, results: Sequence[Result]) -> None:
        """Keep what was measured of the batch that was next. It is on disk before anything follows from it."""
        steps = [dict(step.settings) for step in self._batch.steps] if self._batch else []
        line = {"steps": steps, "results": [asdict(result) for result in results]}
        with (self.folder / STEPS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._send(results)

    def _send(self, results: Sequence[Result]) -> None:
        self._spent += sum(result.seconds for result in results)
        self._measured += len(results)
        self._p99 = max((result.measured.p99_ms for result in results if result.measured), default=0.0)
        try:
            self._batch = self._conduct.send(results)
        except StopIteration as end:
            self._batch, self.outcome = None, end.value

    def _same_plan(self) -> None:
        """A study goes on with the plan it began with. Raises RefusedError that names what differs."""
        path, wanted = self.folder / PLAN, json.loads(json.dumps(asdict(self.plan)))
        if not path.exists():
            replace_file(path, json.dumps(wanted, indent=2).encode())
            return
        begun = json.loads(path.read_text(encoding="utf-8"))
        # What the server says of itself moves while nothing else does; the rules go by what it said at first.
        moving = {key: begun["facts"][key] for key in ("fragmentation", "evicted")}
        wanted["facts"] |= moving
        if differ := differences(begun, wanted):
            raise RefusedError(
                f"{self.folder} has a study that had another {', '.join(differ)} than is asked for now, so that it "
                "cannot be gone on with. Give the same variables, or remove the folder to begin anew"
            )
        self.plan = replace(self.plan, facts=replace(self.plan.facts, **moving))

    def _conducted(self) -> Conduct[Outcome]:
        """All of it: today's settings, the search, the proof."""
        # The first play warms the store up, and does not count.
        first = (yield Batch("today's settings", [Step({}, self._rates)] * 2))[-1]
        if first.measured is None or first.invalid:
            why = "; ".join(first.invalid) or "nothing was measured"
            return self._ended(Kept(because=f"today's settings cannot be measured: {why}"))
        today, search = first.measured, None
        self._today = today
        if "p99" in self.plan.objectives and not self._rate:
            self._rate = round(today.ops_per_second * RATE_SHARE, 1)
        try:
            self._guard()
            search = yield from self._searched(today)
            kept = yield from self._proved(search, today)
        except Abort as abort:
            return replace(self._ended(Kept(because=str(abort)), today), aborted=str(abort))
        return self._ended(kept, today, search)

    def _ended(self, kept: Kept, today: Measured | None = None, search: Search | None = None) -> Outcome:
        front = [
            (self._differing(settings), dict(zip(self.plan.objectives, values, strict=True)))
            for settings, values in self._simplest(search.front() if search else ())
        ]
        spent, failed = round(self._spent, 1), list(self._failed)
        return Outcome(kept, front, today, self._tried_so_far, self._measured, spent, self.findings, failed)

    def _searched(self, today: Measured) -> Conduct[Search | None]:
        choices = self.plan.choices
        if not choices:
            return None
        search = Search(self.folder / TRIALS, choices, self.plan.objectives, self.plan.trials, self.plan.seed)
        declared = {key: self.plan.facts.spec.get(key) for key in choices}
        search.propose({**declared, **rules.proposed(self.findings)})
        known: dict[str, Sequence[float] | None] = {_text({}): [0.0] * len(self.plan.objectives)}
        number = 0
        # A sampler that has settled asks for the same again and again; that costs nothing, but must end.
        while len(known) <= self.plan.trials and number < 4 * self.plan.trials and not self._late(SEARCH_SHARE):
            settings = self._differing(search.ask(number))
            if _text(settings) not in known:
                known[_text(settings)] = yield from self._tried(search, number, settings, today)
                self._tried_so_far = len(known) - 1
            search.tell(number, known[_text(settings)])
            number += 1
        return search

    def _tried(self, search: Search, number: int, settings: Settings, today: Measured) -> Conduct[list[float] | None]:
        """The gains of a candidate; None when it is hopeless or cannot be."""
        if not self._possible(settings):
            return None
        gains: list[list[float]] = []
        worse: list[dict[str, bool]] = []
        metrics = [OBJECTIVES[name] for name in self.plan.objectives]
        for repeat in range(REPEATS):
            # Bytes are the same every time. Only what was slow is played again, beside today's settings.
            sides = {OTHER: settings, BASE: {}} if self.plan.noisy or repeat else {OTHER: settings}
            order = random.Random(f"{self.plan.seed} {number} {repeat}").sample(sorted(sides), len(sides))
            results = yield from self._played(f"trial {number + 1} of {settings}", [sides[side] for side in order])
            found = dict(zip(order, results, strict=True))
            before = found[BASE].measured if BASE in found and not found[BASE].invalid else today
            after = found[OTHER].measured
            if before is None or after is None or found[OTHER].invalid:
                self._failed += [(settings, "; ".join(found[OTHER].invalid))] if found[OTHER].invalid else []
                return None
            gains.append([gain(metric, after, before) for metric in metrics])
            worse.append(
                {
                    "throughput": after.ops_per_second < HOPELESS * before.ops_per_second,
                    "bytes": after.bytes_per_item > (1 + self.plan.tolerance) * before.bytes_per_item,
                }
            )
            if self.plan.noisy and search.report(number, repeat, fmean(each[0] for each in gains)):
                return None
            if not self.plan.noisy and not worse[-1]["throughput"]:
                break
        # No proof would pass the guard of what was worse every time; so it must not lead the search there.
        if any(all(play[name] for play in worse) for name in {"throughput", "bytes"} - set(self.plan.objectives)):
            return None
        return [fmean(column) for column in zip(*gains, strict=True)]

    def _proved(self, search: Search | None, today: Measured) -> Conduct[Kept]:
        """The first candidate of which something is kept."""
        if search is None:
            return Kept(because="the rules leave nothing open")
        front, rest = self._simplest(search.front()), self._simplest(search.ranked())
        ordered = [*front, *(each for each in rest if each not in front)]
        last = Kept(because="no candidate looked better than today's settings")
        for settings, _ in [each for each in ordered if max(each[1]) >= self.plan.smallest][:ATTEMPTS]:
            last = yield from self._driven(prove(self._differing(settings)))
            if last.settings:
                break
        return last

    def _driven(self, proof: Proof) -> Conduct[Kept]:
        """A proof with every comparison it asks for."""
        pair = next(proof)
        while True:
            if self._affordable < self.plan.rounds_of_proof:
                return Kept(because="the budget ended before anything was proved")
            verdict = yield from self._compared(pair)
            try:
                pair = proof.send(verdict)
            except StopIteration as end:
                kept: Kept = end.value
                return kept

    def _compared(self, pair: Pair) -> Conduct[Verdict]:
        """Both in turns, each twice a round in an order drawn for it, as `benchmark` compares stores."""
        if not self._possible(pair.base):
            return Verdict({}, better=True)  # without these keys the others cannot be
        if not self._possible(pair.other):
            return Verdict({}, better=False, broken=("such a store cannot be declared",))
        trials: list[Trial] = []
        sides, seed = {BASE: pair.base, OTHER: pair.other}, self.plan.seed + self._measured
        what = f"proof of {self._differing(pair.other)} against {self._differing(pair.base) or 'today'}"
        done, rounds = 0, self.plan.rounds_of_proof
        while done < rounds:
            several = min(ROUNDS_AT_ONCE, rounds - done)
            entries = benchmark_schedule([BASE, OTHER], several, seed, first=done + 1, twin=True)
            results = yield from self._played(what, [sides[entry["store"]] for entry in entries])
            for entry, result in zip(entries, results, strict=True):
                if entry["store"] == OTHER and result.invalid:
                    return Verdict({}, better=False, broken=result.invalid)
                trials.append(Trial(entry["round"], entry["store"], result.measured, result.invalid))
            done += several
            twins = with_twins(trials, seed)
            if done == rounds:
                rounds = max(done, self._rounds(twins, done))
        return judge.verdict(twins, (BASE, OTHER), self.plan)

    def _rounds(self, trials: Sequence[Trial], done: int) -> int:
        """As many as the proof should have, after those trials; what comes after it is left half of the budget."""
        most = self.plan.rounds or min(LONGER * self.plan.rounds_of_proof, done + int(self._affordable / 2))
        return min(most, judge.rounds_wanted(trials, (BASE, OTHER), self.plan.objectives))

    @property
    def _affordable(self) -> float:
        """Rounds of a proof that the budget still has, by what a step took so far."""
        return (self.plan.minutes * 60 - self._spent) / (4 * max(self._spent, 1e-9) / max(1, self._measured))

    def _played(self, what: str, several: Sequence[Settings]) -> Conduct[Sequence[Result]]:
        """What was measured of each. Raises Abort when it was slower than those who use the store may find it."""
        results = yield Batch(what, [Step(self._differing(settings), self._rates) for settings in several])
        self._guard()
        return results

    @property
    def _rates(self) -> tuple[float, ...]:
        """Of the loops that are played. Where only the p99 at a rate is asked for, nothing needs all that it can do."""
        closed = "throughput" in self.plan.objectives or "p99" not in self.plan.objectives
        return (0.0, self._rate) if closed and self._rate else (self._rate,)

    def _guard(self) -> None:
        if self.plan.in_use and self.plan.ceiling and self._p99 > self.plan.ceiling:
            raise Abort(
                f"p99 was {self._p99:.2f} ms, above the ceiling of {self.plan.ceiling:g} ms, and the store is in use"
            )

    def _simplest(self, trials: Trials) -> Trials:
        """Of those with as good as the same gains the one that changes least; the best first."""
        found: dict[tuple[float, ...], tuple[Settings, tuple[float, ...]]] = {}
        for settings, values in sorted(trials, key=lambda trial: len(self._differing(trial[0]))):
            found.setdefault(tuple(round(value, 3) for value in values), (settings, values))
        return sorted(found.values(), key=lambda trial: -sum(trial[1]))

    def _differing(self, settings: Settings) -> dict[str, Any]:
        """Without what is declared anyway."""
        return {key: value for key, value in settings.items() if value != self.plan.facts.spec.get(key)}

    def _possible(self, settings: Settings) -> bool:
        """Whether such a store can be declared at all."""
        try:
            return not engine_problems(parse(self.plan.store, {**self.plan.facts.spec, **settings}))
        except SpecError:
            return False

    def _late(self, share: float) -> bool:
        return self._spent >= self.plan.minutes * 60 * share


def _text(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)


def _read(file: Path) -> Iterator[list[Result]]:
    """Batches that were measured; a last line that was cut off, if only by its end, is measured again."""
    content = file.read_bytes() if file.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(file, len(whole))
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            results = json.loads(line)["results"]
        except (ValueError, KeyError) as error:
            raise ResultsError(f"{file}:{number} cannot be read: {error}. Remove the folder to begin anew") from error
        yield [Result.of(result) for result in results]
