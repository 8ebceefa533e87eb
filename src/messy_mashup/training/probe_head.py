"""The head of a probe by itself: it learns from embeddings, and tells what it makes of clips that are embedded.

It is the head of a MAEST with a recipe's layer, under the same names, so that its tensors are that network's own.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from messy_mashup.models.backbone import Backbone
from messy_mashup.models.maest import probe_head
from messy_mashup.purposes import INITIAL_WEIGHTS, ORDER
from messy_mashup.recipe import MAESTRecipe, Recipe, ScoringRecipe
from messy_mashup.scoring.pooling import pool
from messy_mashup.training.embeddings import Embedded
from messy_mashup.training.feed import Batch
from messy_mashup.training.learner import Learner, torch_seed
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.schedule import learning_rate

CPU = torch.device("cpu")  # a head on embeddings is too small to be worth a GPU
ROWS_AT_ONCE = 4096


class ProbeHead(Backbone):
    """Embeddings (batch, 3 * width) to logits (batch, classes)."""

    def __init__(self, recipe: MAESTRecipe, classes: int) -> None:
        super().__init__()
        self.classifier = probe_head(recipe, classes)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.classifier(embeddings)

    def embed(self, embeddings: torch.Tensor) -> torch.Tensor:
        """What it is given."""
        return embeddings

    def stages(self) -> list[list[nn.Parameter]]:
        """There is the head alone."""
        return [list(self.parameters())]


class LabelLearner(Learner):
    """A Learner of targets (batch, labels) each of which is true or not: binary cross-entropy, label by label."""

    def _portion(self, log_mel: torch.Tensor, target: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.forward(log_mel).float()
        loss = share * binary_cross_entropy_with_logits(logits, target)
        self.scaler.scale(loss).backward()
        return loss.detach(), ((logits > 0) == (target > 0.5)).float().mean(1).sum()


class Schooled:
    """A head in training on the windows of clips; everything random is seeded by the recipe and the epoch."""

    def __init__(
        self, recipe: Recipe, clips: Sequence[Embedded], target: torch.Tensor, learner: type[Learner] = Learner
    ) -> None:
        self.train, self.target = recipe.train, target
        self.windows = torch.from_numpy(np.concatenate([clip.windows for clip in clips]))
        self.count = np.array([len(clip.chunk) for clip in clips])
        self.begin = np.cumsum(self.count) - self.count
        torch.manual_seed(torch_seed(self.train.seed, INITIAL_WEIGHTS))
        model = ProbeHead(recipe.backbone, target.shape[1])
        model.classifier.standardised.fit(self.windows)
        self.steps = -(-len(clips) // self.train.batch_size)
        self.learner = learner(model, self.train, self.train.epochs * self.steps, CPU, Ranks())

    @property
    def head(self) -> ProbeHead:
        """What predicts."""
        return self.learner.best_known

    def epoch(self, epoch: int) -> dict[str, float]:
        """Hear every clip once, by a window of its own; what metrics.csv tells of the training.

        Diverged where the weights are no longer finite.
        """
        generator = np.random.default_rng((self.train.seed, ORDER, epoch))
        order = generator.permutation(len(self.count))
        window = self.begin + (generator.random(len(self.count)) * self.count).astype(int)
        loss, correct, heard = 0.0, 0.0, 0
        for step in range(self.steps):
            # The last batch begins with the first clips again, as in fit.py
            rows = order[(step * self.train.batch_size + np.arange(self.train.batch_size)) % len(order)]
            number = epoch * self.steps + step
            told = self.learner.step(number, Batch(self.windows[window[rows]], self.target[rows]))
            loss, correct, heard = loss + float(told[0]), correct + float(told[1]), heard + len(rows)
        self.learner.refuse_broken_weights()
        lr = learning_rate(self.train, (epoch + 1) * self.steps - 1, self.learner.steps)
        return {"lr": lr, "train_loss": loss / self.steps, "train_accuracy": correct / heard}


@torch.inference_mode()
def window_logits(head: ProbeHead, clips: Sequence[Embedded]) -> list[np.ndarray]:
    """The logits (windows, classes) of each clip's windows."""
    head.eval()
    windows = torch.from_numpy(np.concatenate([clip.windows for clip in clips]))
    logits = torch.cat([head(portion) for portion in windows.split(ROWS_AT_ONCE)]).numpy()
    return np.split(logits, np.cumsum([len(clip.chunk) for clip in clips])[:-1])


def opinions(head: ProbeHead, clips: Sequence[Embedded], scoring: ScoringRecipe) -> np.ndarray:
    """Logits (clips, classes) float32, of each clip pooled over its chunks, as scoring.predict.Listener does."""
    told = zip(clips, window_logits(head, clips), strict=True)
    return np.array([pool(np.stack(clip.by_chunk(logits)), scoring.pooled).logits for clip, logits in told], np.float32)


def probabilities(head: ProbeHead, clips: Sequence[Embedded]) -> np.ndarray:
    """(clips, labels) float64: the sigmoid of each window's logits, in the mean over a clip's chunks."""
    told = zip(clips, window_logits(head, clips), strict=True)
    return np.array([np.mean(clip.by_chunk(expit(logits.astype(np.float64))), axis=0) for clip, logits in told])
