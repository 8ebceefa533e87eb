"""A study in its folder: trials in Optuna's journal, which several processes share and a kill leaves whole.

Optuna is imported here alone, and only when a study is opened. A trial is drawn by the seed, by how many were drawn
before it and by what came of them; so a study that was interrupted draws what one that was not draws.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messy_mashup.errors import UserError
from messy_mashup.own_files import parse_json, shortened
from messy_mashup.training.search_space import Space, suggest
from messy_mashup.training.study_turn import Turn

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

JOURNAL, JOURNAL_LOCK, TURN = "journal.log", ".journal.lock", ".turn"
COMPLETE, PRUNED, FAIL, RUNNING, WAITING = "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"  # Optuna's states
CARD, FOLDER, WHY, RESUMES, REPEATS, SECONDS = "card", "folder", "why", "resumes", "repeats", "seconds"  # attributes
NAME = "study"  # of the only study in a journal
JOURNAL_FAULTS = (LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError, OverflowError)
IMPORTANCE_TRIALS = 10  # complete ones, of which a forest can tell anything


@dataclass(frozen=True)
class Rules:
    """How a study draws and prunes, and which of two values is better."""

    direction: str  # "maximize" or "minimize"
    seed: int = 0
    startup_trials: int = 5  # complete ones before any is pruned
    warmup_epochs: int = 4  # of a trial before it is


class Study:
    """Trials, asked for and told. Who reads and writes what others may change takes `turn` around both."""

    def __init__(self, folder: Path, card: dict[str, Any], space: Space, rules: Rules) -> None:
        """Open the study in `folder`, or begin one; UserError where it was of something other than `card`."""
        if not find_spec("optuna"):
            raise UserError("a search needs the package optuna, which is not installed: pip install optuna")
        self.folder, self.space, self.rules = folder, space, rules
        self.turn = Turn(folder / TURN)
        with self.turn:
            self._optuna = _opened(folder, rules)
            there = self._optuna.user_attrs.get(CARD)
            if there is None:
                self._optuna.set_user_attr(CARD, card)
            elif different := [key for key in card if not isinstance(there, dict) or there.get(key) != card[key]]:
                raise UserError(
                    f"{folder / JOURNAL} is of a study of another {' and another '.join(different)}: give this one "
                    "another --study name, or remove that folder"
                )

    def trials(self) -> list["FrozenTrial"]:
        """All trials, as they are now."""
        return self._optuna.get_trials(deepcopy=False)

    def count(self, *states: str) -> int:
        """How many trials are in one of these states."""
        return sum(trial.state.name in states for trial in self.trials())

    def ask(self) -> tuple["Trial", dict[str, Any]]:
        """The next trial and what it is drawn to be: one that waits to be resumed, else a new one."""
        drawn_before = sum(trial.state.name == RUNNING or is_ended(trial) for trial in self.trials())
        self._optuna.sampler = _sampler(self.rules.seed, drawn_before)
        trial = self._optuna.ask()
        return trial, suggest(trial, self.space)

    def report(self, trial: "Trial", epoch: int, value: float) -> bool:
        """Take up a trial's value after an epoch; whether it is to be pruned."""
        trial.report(value, epoch)
        return trial.should_prune()

    def end(self, trial: "Trial", state: str, value: float | None = None, why: str = "") -> None:
        """End a trial: COMPLETE with its value, PRUNED with the last one reported, FAIL with a sentence."""
        from optuna.trial import TrialState

        if why:
            trial.set_user_attr(WHY, why)
        self._optuna.tell(trial, value if state == COMPLETE else None, TrialState[state])

    def take_up(self, is_held: Callable[["FrozenTrial"], bool]) -> None:
        """Let trials whose process has ended (`is_held` tells) wait to be resumed with the same parameters."""
        from optuna.trial import TrialState

        trials = self.trials()
        resumed = {trial.user_attrs.get(RESUMES) for trial in trials}
        for trial in trials:
            if trial.state.name != RUNNING or is_held(trial):
                continue
            drawn = self._drawn(trial, trials)
            # A kill between the two steps leaves it running: the second time only the other step is done.
            if drawn and trial.number not in resumed and WHY not in trial.user_attrs:
                kept = {RESUMES: trial.number, SECONDS: trial.user_attrs.get(SECONDS, 0.0)}
                self._optuna.enqueue_trial(drawn, user_attrs=kept)
            self._optuna.tell(trial.number, state=TrialState.FAIL)

    def importances(self) -> dict[str, float] | str:
        """Each field's share of the variance that fANOVA explains (Hutter et al. 2014), or why it cannot be told."""
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        values = [trial.value for trial in self.trials() if trial.state.name == COMPLETE]
        if len(values) < IMPORTANCE_TRIALS:
            return f"fANOVA importances need {IMPORTANCE_TRIALS} complete trials; there are {len(values)}"
        if len(set(values)) == 1:
            return f"fANOVA importances cannot be told: all {len(values)} complete trials have the same value"
        evaluator = FanovaImportanceEvaluator(seed=self.rules.seed)
        try:
            return get_param_importances(self._optuna, evaluator=evaluator, params=list(self.space))
        except RuntimeError as error:  # its trees each see a part of the trials, which may still be of one value
            return f"fANOVA importances cannot be told: {error}"

    def _drawn(self, trial: "FrozenTrial", trials: list["FrozenTrial"]) -> Mapping[str, Any]:
        """What a trial was drawn to be; one that was not yet is what the one it resumes was, if it resumes one."""
        while len(trial.params) < len(self.space):
            if RESUMES not in trial.user_attrs:
                return {}
            trial = trials[trial.user_attrs[RESUMES]]
        return trial.params


class Pruned(Exception):
    """The trial has fallen behind the median of the others at this epoch."""


class Reports:
    """Tells the study a trial's value at each epoch's end. Raises Pruned, but not after the last epoch."""

    def __init__(self, study: Study, trial: "Trial", metric: str, epochs: int) -> None:
        self.study, self.trial, self.metric, self.epochs = study, trial, metric, epochs
        self.epoch, self.value = 0, math.nan
        self._begun_s = time.monotonic() - self.trial.user_attrs.get(SECONDS, 0.0)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Take up what fit tells; between epochs it is of no interest here."""
        if f"epoch/{self.metric}" in numbers:
            self.trial.set_user_attr(SECONDS, round(time.monotonic() - self._begun_s, 1))
            self.take([{name.removeprefix("epoch/"): value for name, value in numbers.items()}])

    def take(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Rows of metrics.csv; those of epochs that were taken before are passed over."""
        for row in rows:
            if row["epoch"] > self.epoch:
                self.epoch, self.value = int(row["epoch"]), row[self.metric]
                if self.study.report(self.trial, self.epoch, self.value) and self.epoch < self.epochs:
                    raise Pruned

    def close(self) -> None:
        """Nothing is open."""


def is_ended(trial: "FrozenTrial") -> bool:
    """Whether all is known of a trial: complete, pruned, or failed by itself and not by the end of its process."""
    return trial.state.name in (COMPLETE, PRUNED) or (trial.state.name == FAIL and WHY in trial.user_attrs)


def last_value(trial: "FrozenTrial") -> float | None:
    """The value of the last epoch that was reported, if any."""
    epochs = trial.intermediate_values
    return epochs[max(epochs)] if epochs else None


def _opened(folder: Path, rules: Rules) -> "OptunaStudy":
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal, lock = folder / JOURNAL, Turn(folder / JOURNAL_LOCK)
    with lock:
        _mend(journal)
    try:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
        # Asked for first: Optuna notes in the journal even that it could not create a study again.
        studies = [study.study_name for study in storage.get_all_studies()]
    except JOURNAL_FAULTS as error:
        told = shortened(f"{type(error).__name__}: {error}")
        raise UserError(f"{journal} is damaged (Optuna cannot replay it: {told}): {_remedy(journal)}") from error
    pruner = optuna.pruners.MedianPruner(rules.startup_trials, rules.warmup_epochs)
    if NAME in studies:
        return optuna.load_study(study_name=NAME, storage=storage, pruner=pruner)
    return optuna.create_study(study_name=NAME, storage=storage, pruner=pruner, direction=rules.direction)


def _mend(journal: Path) -> None:
    """Cut off a last line that a crash or a full disk left half-written: Optuna reads nothing that comes after one.

    UserError where another line is none of a journal.
    """
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        file.truncate(end)
    for number, line in enumerate(content[:end].splitlines(), 1):
        try:
            if not isinstance(parse_json(line, finite=False), dict):
                raise ValueError("it is no entry")
        except ValueError as error:
            raise UserError(f"{journal} is damaged at line {number} ({error}): {_remedy(journal)}") from error


def _remedy(journal: Path) -> str:
    return f"put a whole copy in its place, or remove {journal.parent} and search again"


def _sampler(seed: int, drawn_before: int) -> "BaseSampler":
    """TPE with a seed of this draw alone, which takes trials of other processes for the worst while they run."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    own = int(np.random.SeedSequence((seed, drawn_before)).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # constant_liar was one until Optuna 5
        return TPESampler(seed=own, constant_liar=True)
