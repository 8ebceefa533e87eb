"""Fit one member: fresh mashups every step, whole-clip validation and a saved state every epoch."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy, one_hot
from tqdm import tqdm

from messy_mashup import models
from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.features import augment
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import TRAINING, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import Plan
from messy_mashup.recipe import Recipe, to_json
from messy_mashup.scoring import metrics, plots, predictions
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training import run_folder
from messy_mashup.training.run_folder import State
from messy_mashup.training.schedule import learning_rate, parameter_groups


def fit(recipe: Recipe, bank: Bank, plan: Plan, fold: int, folder: Path, device: torch.device) -> None:
    """Train a fold's member into `folder`, going on from where it stands; ALL trains on every song.

    Held-out predictions come from the last weights, not the best: an epoch chosen on the clips it is scored on
    flatters the score, and members trained on all songs have no other choice than the last.
    """
    member = Member(recipe, bank, plan, fold, device)
    rows = member.resume(run_folder.load_state(folder, member.card))
    with write_whole(folder / run_folder.RECIPE) as temporary:
        temporary.write_text(to_json(recipe))
    for epoch in range(len(rows), recipe.train.epochs):
        rows = [*rows, member.epoch(epoch)]
        plots.learning_curves(pd.DataFrame(rows), folder / run_folder.CURVES)
        member.save(folder, rows)
    if not (folder / run_folder.WEIGHTS).exists():
        run_folder.save_weights(folder / run_folder.WEIGHTS, member.listener.model.state_dict(), member.card)
    if fold != ALL and not (folder / run_folder.OOF).exists():
        predictions.save(member.held_out(), folder / run_folder.OOF)


class Member:
    """A model in training, with the mashups that train it and those that validate it."""

    def __init__(self, recipe: Recipe, bank: Bank, plan: Plan, fold: int, device: torch.device) -> None:
        self.recipe, self.plan, self.fold, self.device = recipe, plan, fold, device
        self.card = {
            "recipe": json.loads(to_json(recipe)),
            "classes": list(plan.classes),
            "plan": plan.digest,
            "bank": bank.digest,
            "fold": fold,
        }
        spec = models.frame_spec(recipe.backbone)
        torch.manual_seed(_torch_seed(recipe, epoch=0))
        model = models.build(recipe.backbone, len(plan.classes)).to(device)
        self.listener = Listener(model, spec, spec.frames_in(recipe.backbone.heard_s), plan.classes, device)
        self.player = MashupPlayer(bank, spec, device)
        self.pool = plan.pool(bank, fold, recipe.mashup.parts)
        self.optimizer = torch.optim.AdamW(parameter_groups(model, recipe.train.weight_decay))
        self.steps = max(1, recipe.train.mashups_per_epoch // recipe.train.batch_size)

    def resume(self, state: State | None) -> list[dict[str, float | None]]:
        """Take up a saved state; the rows of metrics so far."""
        if state is None:
            return []
        self.listener.model.load_state_dict(state.model)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in state.moments.items():
            number, moment = name.split(".")
            # In the parameter's own memory format, so that the sums go on in the same order.
            kept = value if moment == "step" else torch.empty_like(parameters[int(number)]).copy_(value)
            moments.setdefault(int(number), {})[moment] = kept
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        return state.rows

    def epoch(self, epoch: int) -> dict[str, float | None]:
        """Train an epoch on mashups that no other epoch has; its row of metrics."""
        torch.manual_seed(_torch_seed(self.recipe, epoch + 1))
        self.listener.model.train()
        losses = []
        total = self.steps * self.recipe.train.batch_size
        title = f"{self.recipe.name} {run_folder.fold_name(self.fold)} epoch {epoch + 1}/{self.recipe.train.epochs}"
        with tqdm(total=total, desc=title, unit=" mashups") as bar:
            for step in range(self.steps):
                losses.append(self._step(epoch, step))
                bar.update(self.recipe.train.batch_size)
                bar.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}", refresh=False)
        rate = self.optimizer.param_groups[0]["lr"]
        return {"epoch": epoch + 1, "lr": rate, "train_loss": float(np.mean(losses)), **self._validated()}

    def save(self, folder: Path, rows: list[dict[str, float | None]]) -> None:
        """Write the weights, the best so far beside them, the metrics, and last the state."""
        weights = self.listener.model.state_dict()
        run_folder.save_weights(folder / run_folder.WEIGHTS, weights, self.card)
        scores = [row["val_macro_f1"] for row in rows]
        if self.fold != ALL and scores[-1] > max(scores[:-1], default=-1):
            run_folder.save_weights(folder / run_folder.BEST, weights, self.card)
        moments = {
            f"{number}.{name}": value
            for number, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        run_folder.save_state(folder, State(self.card, rows, weights, moments))

    def held_out(self) -> Predictions:
        """Predictions of the fold's validation mashups."""
        ids, mashups = self.plan.mashups(self.fold)
        burst_level = self.recipe.folds.validation.burst_level
        clips = (self.player.whole_log_mel(mashups[row : row + 1], burst_level) for row in range(len(mashups)))
        logits = self.listener.logits(clips)
        fold = np.full(len(ids), self.fold)
        return Predictions(ids, np.array(self.plan.classes), logits, fold, mashups.label, self.plan.digest)

    def _step(self, epoch: int, step: int) -> float:
        train, mashup = self.recipe.train, self.recipe.mashup
        key = (train.seed, TRAINING, epoch)
        mashups = draw(self.pool, mashup, key, step * train.batch_size, train.batch_size)
        log_mel = self.player.log_mel(mashups, self.listener.frames, mashup.burst_level)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(train, epoch * self.steps + step, train.epochs * self.steps)
        label = torch.from_numpy(mashups.label).to(self.device)
        target = one_hot(label, len(self.plan.classes)).float()
        log_mel, target = augment.augmented(log_mel, target, self.recipe.augment, self.listener.spec)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=train.precision == "bfloat16"):
            logits = self.listener.model(log_mel)
        loss = cross_entropy(logits.float(), target, label_smoothing=train.label_smoothing)
        if not torch.isfinite(loss):
            raise UserError(f"the loss is no longer finite at epoch {epoch + 1}, step {step}: try a lower train.lr")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _validated(self) -> dict[str, float | None]:
        if self.fold == ALL:
            return {"val_loss": None, "val_macro_f1": None, "val_accuracy": None}
        held_out = self.held_out()
        of = {"val_loss": metrics.log_loss, "val_macro_f1": metrics.macro_f1, "val_accuracy": metrics.accuracy}
        return {name: metric(held_out.label, held_out.logits) for name, metric in of.items()}


def _torch_seed(recipe: Recipe, epoch: int) -> int:
    return int(np.random.SeedSequence((recipe.train.seed, epoch)).generate_state(1)[0])
