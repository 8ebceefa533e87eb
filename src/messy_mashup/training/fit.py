"""Fit one member: fresh mashups every step, whole-clip validation and a saved state every epoch."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from messy_mashup import models
from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import ALL
from messy_mashup.errors import Stopped, UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.turns import turns_in_epoch
from messy_mashup.mashup.validation import Plan
from messy_mashup.purposes import INITIAL_WEIGHTS
from messy_mashup.recipe import Recipe, TrainRecipe
from messy_mashup.recipe_text import to_json
from messy_mashup.scoring import metrics, plots, predictions
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training import run_folder
from messy_mashup.training.feed import Feed
from messy_mashup.training.learner import Learner, torch_seed
from messy_mashup.training.memory import OutOfMemory, step_or_advice
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.run_folder import State
from messy_mashup.training.schedule import learning_rate
from messy_mashup.training.stop import Stop
from messy_mashup.training.tally import LOOK_STEPS, Diverged, Tally
from messy_mashup.training.teacher import Teacher
from messy_mashup.training.trained import listener_of
from messy_mashup.training.watch import Watch, watching

Row = dict[str, float | None]  # of metrics.csv
VALIDATION_METRICS = {"val_loss": metrics.log_loss, "val_macro_f1": metrics.macro_f1, "val_accuracy": metrics.accuracy}


def fit(
    recipe: Recipe,
    bank: Bank,
    plan: Plan,
    fold: int,
    folder: Path,
    device: torch.device,
    stop: Stop | None = None,
    wandb_project: str | None = None,
    also: Sequence[Watch] = (),
    teacher: Teacher | None = None,
) -> None:
    """Train a fold's member into `folder`, going on from where it stands; ALL trains on every song.

    Held-out predictions come from the last weights, not the best: an epoch chosen on the clips it is scored on
    flatters the score, and members trained on all songs have no other choice than the last. Raises Stopped, with all
    that was done saved, when `stop` has a reason. `also` are told the numbers of the epochs that are trained here.
    teacher: where the recipe names one.
    """
    member = Member(recipe, bank, plan, fold, device, folder, teacher)
    member.begin(run_folder.load_state(folder, member.card))
    member.ranks.wait()  # all have read what is there before one writes
    if member.ranks.leads:
        run_folder.clear_leftovers(folder)
        with write_whole(folder / run_folder.RECIPE) as temporary:
            temporary.write_text(to_json(recipe))
    left = range(len(member.rows), recipe.train.epochs)
    if left:
        with member.watched(wandb_project) as watches:
            for epoch in left:
                member.epoch(epoch, stop or Stop(), [*watches, *also])
    if member.ranks.leads:
        member.complete()


class Member:
    """A model in training, with the mashups that train it and those that validate it."""

    def __init__(
        self,
        recipe: Recipe,
        bank: Bank,
        plan: Plan,
        fold: int,
        device: torch.device,
        folder: Path,
        teacher: Teacher | None = None,
    ) -> None:
        self.recipe, self.plan, self.fold, self.device, self.folder = recipe, plan, fold, device, folder
        self.ranks = Ranks.here()
        self.card = {
            "recipe": json.loads(to_json(recipe)),
            "classes": list(plan.classes),
            "plan": plan.digest,
            "bank": bank.digest,
            "fold": fold,
        }
        if recipe.teacher.blend and teacher is None:
            raise UserError(f"teacher.blend={recipe.teacher.blend}: students are trained by distil.py")
        if getattr(recipe.backbone, "layer", 0):
            raise UserError(f"backbone.layer={recipe.backbone.layer}: probes are trained by probe.py")
        if base := models.base_digest(recipe.backbone):
            self.card["base"] = base
        self.spec = models.frame_spec(recipe.backbone)
        self.frames = self.spec.frames_in(recipe.backbone.heard_s)
        self.player = MashupPlayer(bank, self.spec, device)
        pool = plan.pool(bank, fold, recipe.mashup.parts)
        self.feed = Feed(recipe, self.player, pool, self.frames, self.ranks, teacher)
        self.train = with_class_weights(recipe.train, pool)
        self.steps = _steps(recipe, pool)
        torch.manual_seed(torch_seed(recipe.train.seed, INITIAL_WEIGHTS))
        self.model = models.build(recipe.backbone, len(plan.classes))
        self.rows: list[Row] = []
        self.progress: dict[str, float] = {}

    def watched(self, wandb_project: str | None) -> AbstractContextManager[Sequence[Watch]]:
        """Who looks on from here, where this process leads."""
        steps_done = len(self.rows) * self.steps + int(self.progress.get("step", 0))
        return watching(self.folder, self.card, wandb_project, steps_done) if self.ranks.leads else nullcontext(())

    def begin(self, state: State | None) -> None:
        """Take up a saved state, or begin with pretrained weights where the recipe names some."""
        if state is None or "base" in self.card:
            models.load_pretrained(self.model, self.recipe.backbone)
        every_step = self.recipe.train.epochs * self.steps
        self.learner = Learner(self.model.to(self.device), self.train, every_step, self.device, self.ranks)
        if state is not None:
            self.learner.restore(state)
            self.rows, self.progress = list(state.rows), state.progress

    def epoch(self, epoch: int, stop: Stop, watches: Sequence[Watch]) -> None:
        """Train an epoch on mashups that no other epoch has, validate, and save it."""
        tally = Tally(len(self.plan.classes), **self.progress)
        self.progress = {}
        steps = range(int(tally.step), self.steps)
        with self._bar(epoch, steps) as bar:
            for step, batch in zip(steps, self.feed.batches(epoch, steps), strict=True):
                number, last = epoch * self.steps + step, step + 1 == self.steps
                stopping = not last and self._stopping(number, stop)
                with self._fault_told(epoch):
                    if tally.add(*step_or_advice(self.learner, number, batch)) or stopping or last:
                        self._look(tally, number, bar, watches)
                bar.update(self.recipe.train.batch_size)
                if stopping:
                    self._break_off(tally, epoch, stop)
        if self.ranks.leads:
            self._finish_epoch(epoch, tally, watches)
        self.ranks.wait()

    def complete(self) -> None:
        """Make what a finished member lacks where some of its files were not kept."""
        weights, oof, tested = (self.folder / name for name in (run_folder.WEIGHTS, run_folder.OOF, run_folder.TESTED))
        if not weights.exists():
            run_folder.save_weights(weights, self.learner.best_known.learnt(), self.card)
        if self.fold != ALL and not oof.exists():
            predictions.save(self.predicted(*self.plan.mashups(self.fold)), oof)
        if self.plan.has_test(self.fold) and not tested.exists():
            predictions.save(self.predicted(*self.plan.test_mashups(self.fold)), tested)

    def predicted(self, ids: np.ndarray, mashups: Arrangements) -> Predictions:
        """Predictions of mashups of the plan, such as those that validate the fold."""
        burst_level = self.recipe.folds.validation.burst_level
        clips = (self.player.whole_log_mel(mashups[row : row + 1], burst_level) for row in range(len(mashups)))
        listener = listener_of(self.learner.best_known, self.recipe, self.plan.classes, self.device)
        fold = np.full(len(ids), self.fold)
        return Predictions(
            ids, np.array(self.plan.classes), listener.logits(clips), fold, mashups.label, self.plan.digest
        )

    def _finish_epoch(self, epoch: int, tally: Tally, watches: Sequence[Watch]) -> None:
        """Write the weights, predictions, curves, and last the state."""
        with self._fault_told(epoch):
            self.learner.refuse_broken_weights()
        held_out = None if self.fold == ALL else self.predicted(*self.plan.mashups(self.fold))
        self.rows.append(self._row(epoch, tally, held_out))
        (self.folder / run_folder.TESTED).unlink(missing_ok=True)  # of other weights
        run_folder.save_weights(self.folder / run_folder.WEIGHTS, self.learner.best_known.learnt(), self.card)
        if held_out:
            predictions.save(held_out, self.folder / run_folder.OOF)
        plots.learning_curves(pd.DataFrame(self.rows), self.folder / run_folder.CURVES)
        run_folder.save_state(self.folder, self.learner.state(self.card, self.rows, {}))
        numbers = {f"epoch/{name}": value for name, value in self.rows[-1].items() if value is not None}
        for watch in watches:
            watch.write(numbers, (epoch + 1) * self.steps)

    def _row(self, epoch: int, tally: Tally, held_out: Predictions | None) -> Row:
        mashups = self.steps * self.feed.size
        row: Row = {
            "epoch": epoch + 1,
            "lr": learning_rate(self.recipe.train, (epoch + 1) * self.steps - 1, self.learner.steps),
            "train_loss": tally.loss / self.steps,
            "train_accuracy": tally.correct / mashups,
        }
        for name, metric in VALIDATION_METRICS.items():
            row[name] = metric(held_out.label, held_out.logits) if held_out else None
        return row

    def _look(self, tally: Tally, number: int, bar: tqdm, watches: Sequence[Watch]) -> None:
        tally.look()
        accuracy = tally.recent_correct / self.feed.size
        bar.set_postfix(loss=f"{tally.recent_loss:.3f}", accuracy=f"{accuracy:.3f}", refresh=False)
        speed = bar.format_dict["rate"]
        lr = learning_rate(self.recipe.train, number, self.learner.steps)
        numbers = {"loss": tally.recent_loss, "accuracy": accuracy, "lr": lr}
        if speed:
            numbers["mashups_per_s"] = speed
        for watch in watches:
            watch.write({f"step/{name}": value for name, value in numbers.items()}, number + 1)

    @contextmanager
    def _fault_told(self, epoch: int) -> Iterator[None]:
        """Where training came to its end early, and what of it is kept."""
        try:
            yield
        except Diverged as error:
            raise Diverged(f"{self.folder}, epoch {epoch + 1}: {error}; {self._last_good()}") from None
        except OutOfMemory as error:
            kept = "; what is saved there goes on as it was set alone: give other settings another --name"
            there = kept if (self.folder / run_folder.STATE).exists() else ""
            raise OutOfMemory(f"{self.folder}, epoch {epoch + 1}: {error}{there}") from None

    def _stopping(self, number: int, stop: Stop) -> bool:
        """Whether this step is to be the last; several processes ask each other now and then, since asking waits."""
        if self.ranks.count > 1 and number % LOOK_STEPS:
            return False
        return self.ranks.any(stop.reason() is not None, self.device)

    def _break_off(self, tally: Tally, epoch: int, stop: Stop) -> None:
        if self.ranks.leads:
            run_folder.save_state(self.folder, self.learner.state(self.card, self.rows, tally.progress))
        self.ranks.wait()
        left = f"epoch {epoch + 1} of {self.recipe.train.epochs}, step {tally.step} of {self.steps}"
        raise Stopped(f"{stop.reason() or 'another process was asked to stop'}; {self.folder} is saved at {left}")

    def _last_good(self) -> str:
        if not self.rows:
            return "no epoch was finished: try a lower train.lr"
        weights = self.folder / run_folder.WEIGHTS
        return f"the last good weights are those of epoch {len(self.rows)}, {weights}: try a lower train.lr"

    def _bar(self, epoch: int, steps: range) -> tqdm:
        batch = self.recipe.train.batch_size
        title = f"{self.recipe.name} {run_folder.fold_name(self.fold)} epoch {epoch + 1}/{self.recipe.train.epochs}"
        begun, total = steps.start * batch, self.steps * batch
        return tqdm(total=total, initial=begun, desc=title, unit=" mashups", disable=not self.ranks.leads)


def _steps(recipe: Recipe, pool: Pool) -> int:
    """Of an epoch; where it is every song's turn once, the last batch begins with the first songs again."""
    train = recipe.train
    if train.mashups_per_epoch:
        return max(1, train.mashups_per_epoch // train.batch_size)
    return -(-turns_in_epoch(pool, recipe.mashup) // train.batch_size)


def with_class_weights(train: TrainRecipe, pool: Pool) -> TrainRecipe:
    """The recipe with numbers for weights that are balanced: one over the songs that each class is trained on."""
    if train.class_weights == "balanced":
        return replace(train, class_weights=tuple(1 / pool.song_count))
    if train.class_weights and len(train.class_weights) != len(pool.classes):
        raise UserError(f"train.class_weights has {len(train.class_weights)} of {len(pool.classes)} classes")
    return train
