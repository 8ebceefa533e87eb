"""A model in training with all that changes from step to step: weights, moments, averaged weights, the loss's scale."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from messy_mashup.models.backbone import Backbone
from messy_mashup.purposes import STEP
from messy_mashup.recipe import TrainRecipe
from messy_mashup.torchvision_import import import_torchvision
from messy_mashup.training.feed import Batch
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.precision import forward_dtype
from messy_mashup.training.run_folder import State
from messy_mashup.training.schedule import SHARE, learning_rate, parameter_groups
from messy_mashup.training.tally import Diverged

LEAST_SCALE = 2.0**-10  # of the loss in float16: below it the gradients overflow whatever the scale


class Learner:
    """Takes one step of the optimizer after the other; everything random in a step is seeded by its number."""

    def __init__(self, model: Backbone, recipe: TrainRecipe, steps: int, device: torch.device, ranks: Ranks) -> None:
        self.model, self.recipe, self.steps, self.device, self.ranks = model, recipe, steps, device, ranks
        self.optimizer = torch.optim.AdamW(parameter_groups(model, recipe))
        self.averaged = _averaged(model, recipe.ema) if recipe.ema else None
        self.dtype = forward_dtype(recipe, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        wrapped = ranks.wrapped(model)
        self.forward = torch.compile(wrapped) if recipe.compiled else wrapped
        self.class_weights = _with_mean_one(recipe.class_weights).to(device) if recipe.class_weights else None

    @property
    def best_known(self) -> Backbone:
        """What predicts: the averaged weights where they are kept, else the last."""
        return self.averaged.module if self.averaged else self.model

    def step(self, number: int, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Learn from a batch as step `number` of all; its mean loss and how many of its mashups were right."""
        torch.manual_seed(torch_seed(self.recipe.seed, STEP, number, self.ranks.rank))
        self.model.train()
        rate = learning_rate(self.recipe, number, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group[SHARE]
        self.optimizer.zero_grad()
        loss, correct = torch.zeros(2, device=self.device)
        portions = list(zip(*(part.chunk(self.recipe.accumulate) for part in batch), strict=True))
        for portion, (log_mel, target) in enumerate(portions):
            last = portion + 1 == len(portions)
            with nullcontext() if last or self.ranks.count == 1 else self.forward.no_sync():
                portion_loss, portion_correct = self._portion(log_mel, target, len(log_mel) / len(batch.log_mel))
            loss, correct = loss + portion_loss, correct + portion_correct
        self._update(number)
        return loss, correct

    def state(self, card: dict[str, Any], rows: list[dict[str, float | None]], progress: dict[str, float]) -> State:
        """All that a resume needs; the moments bear their weight's name."""
        moments = {
            f"{name}.{moment}": value
            for name, parameter in self._weights().items()
            for moment, value in self.optimizer.state[parameter].items()
        }
        averaged = self.averaged.module.learnt() if self.averaged else {}
        return State(card, rows, self.model.learnt(), moments, averaged, self.scaler.state_dict(), progress)

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        self.model.load_learnt(state.model)
        if self.averaged:
            self.averaged.module.load_learnt(state.averaged or state.model)
        if state.scaler:
            self.scaler.load_state_dict(state.scaler)
        weights = self._weights()
        for name, value in state.moments.items():
            weight, _, moment = name.rpartition(".")
            parameter = weights[weight]
            # In the parameter's own memory format, so that the sums go on in the same order.
            kept = value.clone() if moment == "step" else torch.empty_like(parameter).copy_(value)
            self.optimizer.state[parameter][moment] = kept

    def _weights(self) -> dict[str, nn.Parameter]:
        """The parameters that learn by their names in the state, which are the same whatever a library calls them."""
        return {
            name: value
            for name, value in self.model.state_dict(keep_vars=True).items()
            if isinstance(value, nn.Parameter) and value.requires_grad
        }

    def refuse_broken_weights(self) -> None:
        """Diverged where a weight is not finite; a loss shows that only with the next step."""
        if not all(bool(torch.isfinite(weight).all()) for weight in self.best_known.parameters()):
            raise Diverged("the weights are no longer finite at the last step")

    def _portion(self, log_mel: torch.Tensor, target: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.forward(log_mel)
        smoothing = self.recipe.label_smoothing
        loss = share * cross_entropy(logits.float(), target, weight=self.class_weights, label_smoothing=smoothing)
        self.scaler.scale(loss).backward()
        return loss.detach(), (logits.argmax(1) == target.argmax(1)).sum()

    def _update(self, number: int) -> None:
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.is_enabled() and self.scaler.get_scale() < LEAST_SCALE:
            raise Diverged("the gradients overflow float16 at every scale")
        if self.averaged:
            self.averaged.update(self.model, step=number + 1)


def _averaged(model: Backbone, decay: float) -> nn.Module:
    """timm's exponential moving average of weights and buffers.

    After s steps its decay is 1 - (1 + s)^(-2/3), and `decay` at most: in a short run a constant one would average over
    weights that have little to do with each other, and batch norm's statistics would fit none of them.
    """
    import_torchvision()
    from timm.utils import ModelEmaV3

    return ModelEmaV3(model, decay, use_warmup=True)


def _with_mean_one(weights: Sequence[float]) -> torch.Tensor:
    """So that weights change what counts more, and not the learning rate."""
    return torch.tensor(weights) / np.mean(weights)


def torch_seed(*key: int) -> int:
    """A seed for torch's own draws (initial weights, dropout) from the numbers that name them."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])
