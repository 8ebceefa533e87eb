"""Search a recipe's space: every trial trains one fold's member, and those that fall behind the median are pruned.

A trial's folder bears the digest of its recipe, so that the same parameters go on from the saved epoch. A trial whose
process ended, by whatever, is taken up by the next that has the same study open, and no epoch is trained twice.
"""

import gc
import hashlib
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from messy_mashup import models
from messy_mashup.claim import Held
from messy_mashup.data.bank import Bank
from messy_mashup.errors import Stopped, UserError, no_memory
from messy_mashup.mashup.validation import Plan
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import override, written
from messy_mashup.training import study, study_results
from messy_mashup.training.claimed_folder import claimed, is_claimed
from messy_mashup.training.fit import fit
from messy_mashup.training.memory import OutOfMemory
from messy_mashup.training.run_folder import STATE, WEIGHTS, drop_state, fold_name, read_card, read_metrics
from messy_mashup.training.search_space import Space, described, settings
from messy_mashup.training.stop import Stop
from messy_mashup.training.study import COMPLETE, FAIL, PRUNED, RUNNING, Pruned, Reports, Rules, Study
from messy_mashup.training.tally import Diverged

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

DIRECTIONS = {"val_macro_f1": "maximize", "val_accuracy": "maximize", "val_loss": "minimize"}  # by the metric
TRIALS = "trials"  # the folder of all members
DIGITS = 12  # of a recipe's digest, in the name of a folder
POLL_S = 1.0
FAILURES_IN_A_ROW = 10  # after which the space is to blame


@dataclass(frozen=True)
class Search:
    """What is searched, and by what: a metric at the end of the last epoch of one fold's member."""

    recipe: Recipe
    space: Space
    folder: Path  # of the study
    trials: int = 35  # complete and pruned ones in the end
    metric: str = "val_macro_f1"
    fold: int = 0
    seed: int = 0
    startup_trials: int = Rules.startup_trials
    warmup_epochs: int = Rules.warmup_epochs

    @property
    def rules(self) -> Rules:
        """How the study draws and prunes."""
        return Rules(DIRECTIONS[self.metric], self.seed, self.startup_trials, self.warmup_epochs)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: str
    value: float | None = None
    why: str = ""  # it failed


@dataclass(frozen=True)
class Taken:
    """A trial that is this process's own."""

    trial: "Trial"
    recipe: Recipe | None = None  # with what was drawn
    folder: Path | None = None
    outcome: Outcome | None = None  # where it ended before it began
    busy: bool = False  # which it did because another process trains the same parameters


class Tuning:
    """Takes one trial of a study after the other, until it has as many as it should; others may do so beside it."""

    def __init__(self, search: Search, bank: Bank, plan: Plan, device: torch.device, stop: Stop) -> None:
        self.search, self.bank, self.plan, self.device, self.stop = search, bank, plan, device, stop
        card = {
            "recipe": written(search.recipe).decode(),
            "space": described(search.space),
            "metric": search.metric,
            "fold": search.fold,
            "bank": bank.digest,
            "plan": plan.digest,
        }
        self.study = Study(search.folder, card, search.space, search.rules)

    def run(self) -> None:
        """Train what is left. Raises Stopped, with all that was done saved, when `stop` has a reason."""
        self.leave_results()
        try:
            self._run()
        except Stopped as stopped:
            raise Stopped(f"{stopped}. {self.told()}. Run the same command again to go on") from None

    def left(self) -> int:
        """How many trials the study lacks."""
        return max(0, self.search.trials - self.study.count(COMPLETE, PRUNED))

    def told(self) -> str:
        """How far the study is."""
        return f"{self.study.count(COMPLETE, PRUNED)} of {self.search.trials} trials are finished"

    def leave_results(self) -> study_results.Results:
        """Write what has come out so far, and remove the weights of all trials that ended but the best."""
        with self.study.turn:
            results = study_results.Results.of(self.study, self.search.metric)
            best = results.best_folder
            for trial in self.study.trials():
                folder = trial.user_attrs.get(study.FOLDER)
                if folder and folder != best and study.is_ended(trial):
                    (self.search.folder / folder / WEIGHTS).unlink(missing_ok=True)
                    drop_state(self.search.folder / folder)
            if best:
                drop_state(self.search.folder / best)
            results.write(self.search.folder)
        return results

    def _run(self) -> None:
        failures = 0
        while True:
            if reason := self.stop.reason():
                raise Stopped(reason)
            with ExitStack() as held:
                if (taken := self._take(held)) is None:
                    return
                outcome = taken.outcome or self._outcome(taken)
                if taken.outcome is None:
                    with self.study.turn:
                        self.study.end(taken.trial, outcome.state, outcome.value, outcome.why)
            best = self.leave_results().best_told
            print(f"trial {taken.trial.number}: {self._said(outcome)}; {best}; {self.told()}", flush=True)
            if taken.busy:
                self._wait_for(taken.folder)
            failures = failures + 1 if outcome.state == FAIL and not taken.busy else 0
            if failures == FAILURES_IN_A_ROW:
                raise UserError(f"the last {failures} trials failed, so search another space; the last: {outcome.why}")

    def _take(self, held: ExitStack) -> Taken | None:
        """The next trial, its folder held until `held` closes; None where none is left for this process."""
        with self.study.turn:
            self.study.take_up(self._is_held)
            if self.study.count(COMPLETE, PRUNED, RUNNING) >= self.search.trials:
                return None
            trial, drawn = self.study.ask()
            print(f"trial {trial.number}: {' '.join(settings(drawn))}", flush=True)
            try:
                recipe = override(self.search.recipe, settings(drawn))
            except UserError as error:
                return Taken(trial, outcome=self._unfit(trial, str(error)))
            digest = hashlib.sha256(written(recipe)).hexdigest()[:DIGITS]
            name = f"{TRIALS}/{digest}/{fold_name(self.search.fold)}"
            folder = self.search.folder / name
            try:
                held.enter_context(claimed(folder))
            except Held as error:
                return Taken(trial, recipe, folder, self._unfit(trial, f"the same parameters: {error}"), busy=True)
            trial.set_user_attr(study.FOLDER, name)  # after the claim: whoever reads it takes an unclaimed one for left
            return Taken(trial, recipe, folder)

    def _unfit(self, trial: "Trial", why: str) -> Outcome:
        """End a trial that holds no folder, before the turn ends: another process would take it for left."""
        self.study.end(trial, FAIL, why=why)
        return Outcome(FAIL, why=why)

    def _outcome(self, taken: Taken) -> Outcome:
        name = taken.folder.relative_to(self.search.folder).as_posix()
        same = (trial for trial in self.study.trials() if trial.user_attrs.get(study.FOLDER) == name)
        if before := next((trial for trial in same if study.is_ended(trial)), None):
            return self._repeated(taken, before)
        return self._trained(taken)

    def _repeated(self, taken: Taken, before: "FrozenTrial") -> Outcome:
        """What came of the same parameters before."""
        taken.trial.set_user_attr(study.REPEATS, before.number)
        for epoch, value in sorted(before.intermediate_values.items()):
            self.study.report(taken.trial, epoch, value)
        return Outcome(before.state.name, before.value, before.user_attrs.get(study.WHY, ""))

    def _trained(self, taken: Taken) -> Outcome:
        """Trained from where its folder stands; what lies at the trial makes it fail, all other errors are raised."""
        search, folder, outcome = self.search, taken.folder, None
        reports = Reports(self.study, taken.trial, search.metric, taken.recipe.train.epochs)
        try:
            reports.take(read_card(folder / STATE)["rows"] if (folder / STATE).exists() else [])
            fit(taken.recipe, self.bank, self.plan, search.fold, folder, self.device, self.stop, also=[reports])
            # A member of one epoch that was killed before its first state counts as trained where all else is there.
            reports.take(read_metrics(folder).to_dict("records"))
        except Pruned:
            outcome = Outcome(PRUNED)
        except UserError as error:
            if not (isinstance(error, (Diverged, OutOfMemory)) or self._is_refused(taken.recipe)):
                raise
            outcome = Outcome(FAIL, why=str(error))
        except (MemoryError, RuntimeError) as error:
            if not no_memory(error):
                raise
            outcome = Outcome(FAIL, why=f"{self.device} has too little memory for it")
        if self.device.type == "cuda":
            # The model went with the traceback; what it held is for the next trial.
            gc.collect()
            torch.cuda.empty_cache()
        if outcome is None and not math.isfinite(reports.value):
            return Outcome(FAIL, why=f"{search.metric} is {reports.value}")
        return outcome or Outcome(COMPLETE, reports.value)

    def _is_refused(self, recipe: Recipe) -> bool:
        """Whether the model cannot be built, whatever lies on the disk."""
        try:
            models.build(recipe.backbone, len(self.plan.classes))
        except UserError:
            return True
        return False

    def _said(self, outcome: Outcome) -> str:
        match outcome.state:
            case "COMPLETE":
                return f"{self.search.metric} {outcome.value:.4f}"
            case "PRUNED":
                return "pruned"
        return f"failed: {outcome.why}"

    def _is_held(self, trial: "FrozenTrial") -> bool:
        folder = trial.user_attrs.get(study.FOLDER)
        return folder is not None and is_claimed(self.search.folder / folder)

    def _wait_for(self, folder: Path) -> None:
        while is_claimed(folder) and self.stop.reason() is None:
            time.sleep(POLL_S)
