"""The search for what rules leave open: Optuna asks, its storage remembers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchfly.errors import RefusedError
from benchfly.tuning.space import Settings

MANY = 100  # from so many trials on NSGA-II has generations enough to be better than TPE
_ENDED = "hopeless at step"  # kept with a trial, so that whoever resumes ends it there, too
Trials = Sequence[tuple[Settings, tuple[float, ...]]]  # settings and the gain in each objective


class Search:
    """Trials of one study, numbered from 0. `choices`: the values of each key that is open.

    Each objective is a gain (logarithm of how much better than today's settings), which is to be large.
    """

    def __init__(
        self, file: Path, choices: Mapping[str, Sequence[Any]], objectives: Sequence[str], trials: int, seed: int
    ) -> None:
        self._optuna = _library()
        self.choices, self.several = choices, len(objectives) > 1
        self._study = self._optuna.create_study(
            study_name="tune",
            storage=self._optuna.storages.JournalStorage(self._optuna.storages.journal.JournalFileBackend(str(file))),
            pruner=self._optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
            directions=["maximize"] * len(objectives),
            load_if_exists=True,
        )
        # A sampler that goes on with the seed it began with would draw the same once more.
        self._study.sampler = self._sampler(trials, seed + len(self._study.trials))

    def _sampler(self, trials: int, seed: int) -> Any:
        samplers = self._optuna.samplers
        if self.several and trials >= MANY:
            return samplers.NSGAIISampler(population_size=trials // 5, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            return samplers.TPESampler(n_startup_trials=min(10, max(4, trials // 3)), seed=seed, multivariate=True)

    def propose(self, settings: Settings) -> None:
        """Have those tried first, where the space has them; only before the first trial."""
        places = {}
        for key, values in self.choices.items():
            if key in settings and settings[key] in values:
                places[key] = list(values).index(settings[key])
        if places and not self._study.trials:
            self._study.enqueue_trial(places)

    def ask(self, number: int) -> Settings:
        """The settings of a trial, the same ones whenever it is asked for again."""
        started = [trial for trial in self._study.trials if trial.state.name != "WAITING"]
        if number < len(started) and started[number].state.is_finished():
            return self._settings(started[number].params)
        trial = self._running(number) if number < len(started) else self._study.ask()
        for key, values in self.choices.items():
            trial.suggest_int(key, 0, len(values) - 1)
        return self._settings(trial.params)

    def report(self, number: int, step: int, value: float) -> bool:
        """Say how a trial is going; whether it is hopeless, by the median of the others at that step."""
        if self.several:  # Optuna prunes by one objective alone
            return False
        frozen, trial = self._study.trials[number], self._running(number)
        if trial is not None and step not in frozen.intermediate_values:
            trial.report(value, step)
        if trial is not None and trial.should_prune():
            trial.set_user_attr(_ENDED, step)
        ended = self._study.trials[number].user_attrs.get(_ENDED)
        return bool(ended == step)

    def tell(self, number: int, values: Sequence[float] | None) -> None:
        """What came of a trial: the gain in each objective, None when it was hopeless. A second time is no matter."""
        trial = self._running(number)
        if trial is None:
            return
        if values is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(trial, list(values))

    def front(self) -> Trials:
        """Trials that no other beats in every objective, those with the largest sum of gains first."""
        ranked = self.ranked()
        return [each for each in ranked if not any(_beats(other, each[1]) for _, other in ranked)]

    def ranked(self) -> Trials:
        """Every complete trial, best sum of gains first and each setting once."""
        complete = [trial for trial in self._study.trials if trial.state.name == "COMPLETE"]
        found = {tuple(sorted(trial.params.items())): trial for trial in complete}
        ordered = sorted(found.values(), key=lambda trial: -sum(trial.values))
        return [(self._settings(trial.params), tuple(trial.values)) for trial in ordered]

    def _running(self, number: int) -> Any:
        """The trial as one that can still be told of; None when it has ended."""
        frozen = self._study.trials[number]
        if frozen.state.is_finished():
            return None
        # Optuna's own name for it: a trial that another process asked for is had in no other way.
        return self._optuna.trial.Trial(self._study, frozen._trial_id)

    def _settings(self, places: Mapping[str, int]) -> Settings:
        return {key: self.choices[key][place] for key, place in places.items()}


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _library() -> Any:
    """optuna, which only the search needs."""
    try:
        import optuna
    except ImportError as error:
        message = f"Tuning needs {error.name}. Install it with: pip install 'benchfly[analysis,tune]'"
        raise RefusedError(message) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
