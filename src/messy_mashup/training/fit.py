"""Fit one member: fresh mashups every step, whole-clip validation and a saved state every epoch."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import Plan
from messy_mashup.purposes import INITIAL_WEIGHTS
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import to_json
from messy_mashup.scoring import metrics, plots, predictions
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training import run_folder
from messy_mashup.training.feed import Feed
from messy_mashup.training.learner import Learner, torch_seed
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.precision import prediction_dtype
from messy_mashup.training.run_folder import State
from messy_mashup.training.schedule import learning_rate
from messy_mashup.training.stop import Stop
from messy_mashup.training.tally import LOOK_STEPS, Diverged, Tally
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
) -> None:
    """Train a fold's member into `folder`, going on from where it stands; ALL trains on every song.

    Held-out predictions come from the last weights, not the best: an epoch chosen on the clips it is scored on
    flatters the score, and members trained on all songs have no other choice than the last. Raises Stopped, with all
    that was done saved, when `stop` has a reason.
    """
    member = Member(recipe, bank, plan, fold, device, folder)
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
                member.epoch(epoch, stop or Stop(), watches)
    if member.ranks.leads:
        member.complete()


class Member:
    """A model in training, with the mashups that train it and those that validate it."""

    def __init__(self, recipe: Recipe, bank: Bank, plan: Plan, fold: int, device: torch.device, folder: Path) -> None:
        self.recipe, self.plan, self.fold, self.device, self.folder = recipe, plan, fold, device, folder
        self.ranks = Ranks.here()
        self.card = {
            "recipe": json.loads(to_json(recipe)),
            "classes": list(plan.classes),
            "plan": plan.digest,
            "bank": bank.digest,
            "fold": fold,
        }
        if recipe.train.class_weights and len(recipe.train.class_weights) != len(plan.classes):
            raise UserError(f"train.class_weights has {len(recipe.train.class_weights)} of {len(plan.classes)} classes")
        self.spec = models.frame_spec(recipe.backbone)
        self.frames = self.spec.frames_in(recipe.backbone.heard_s)
        self.player = MashupPlayer(bank, self.spec, device)
        pool = plan.pool(bank, fold, recipe.mashup.parts)
        self.feed = Feed(recipe, self.player, pool, self.frames, self.ranks)
        self.steps = max(1, recipe.train.mashups_per_epoch // recipe.train.batch_size)
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
        if state is None:
            models.load_pretrained(self.model, self.recipe.backbone)
        every_step = self.recipe.train.epochs * self.steps
        self.learner = Learner(self.model.to(self.device), self.recipe.train, every_step, self.device, self.ranks)
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
                with self._divergence_told(epoch):
                    if tally.add(*self.learner.step(number, batch)) or stopping or last:
                        self._look(tally, number, bar, watches)
                bar.update(self.recipe.train.batch_size)
                if stopping:
                    self._break_off(tally, epoch, stop)
        if self.ranks.leads:
            self._finish_epoch(epoch, tally, watches)
        self.ranks.wait()

    def complete(self) -> None:
        """Make what a finished member lacks where some of its files were not kept."""
        weights, oof = self.folder / run_folder.WEIGHTS, self.folder / run_folder.OOF
        if not weights.exists():
            run_folder.save_weights(weights, self.learner.best_known.state_dict(), self.card)
        if self.fold != ALL and not oof.exists():
            predictions.save(self.held_out(), oof)

    def held_out(self) -> Predictions:
        """Predictions of the fold's validation mashups."""
        ids, mashups = self.plan.mashups(self.fold)
        burst_level = self.recipe.folds.validation.burst_level
        clips = (self.player.whole_log_mel(mashups[row : row + 1], burst_level) for row in range(len(mashups)))
        listener = Listener(
            self.learner.best_known,
            self.spec,
            self.frames,
            self.plan.classes,
            self.device,
            prediction_dtype(self.recipe.train, self.device),
            self.recipe.scoring,
            self.model.unheard_frames(self.frames),
        )
        fold = np.full(len(ids), self.fold)
        return Predictions(
            ids, np.array(self.plan.classes), listener.logits(clips), fold, mashups.label, self.plan.digest
        )

    def _finish_epoch(self, epoch: int, tally: Tally, watches: Sequence[Watch]) -> None:
        """Write the weights, predictions, curves, and last the state."""
        with self._divergence_told(epoch):
            self.learner.refuse_broken_weights()
        held_out = None if self.fold == ALL else self.held_out()
        self.rows.append(self._row(epoch, tally, held_out))
        weights = self.learner.best_known.state_dict()
        run_folder.save_weights(self.folder / run_folder.WEIGHTS, weights, self.card)
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
    def _divergence_told(self, epoch: int) -> Iterator[None]:
        try:
            yield
        except Diverged as error:
            raise Diverged(f"{self.folder}, epoch {epoch + 1}: {error}; {self._last_good()}") from None

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
