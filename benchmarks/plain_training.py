"""The participants' way to train: transformers' Trainer, with mashups made by librosa in a DataLoader's workers."""

import tempfile
from multiprocessing import set_start_method
from typing import TYPE_CHECKING

import torch
from measures import Figures, Job, Laps, measured
from plain_way import Extract, PlainMashups, Voice, extractor
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

from messy_mashup import models
from messy_mashup.data.bank import Bank
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.pool import Pool
from messy_mashup.models.resnet34 import timm_network
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe import ASTRecipe, Recipe, ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision
from messy_mashup.training.precision import forward_dtype

if TYPE_CHECKING:
    from transformers import TrainingArguments


def cropped(job: Job) -> Figures:
    """Train with stems that are cropped before they are stretched."""
    return _trained(job, PlainMashups.cropped_voice)


def whole(job: Job) -> Figures:
    """Train with stems that are stretched whole."""
    return _trained(job, PlainMashups.whole_voice)


class MashupDataset(Dataset):
    """The arrangements that the frame domain would play, made from the files one by one."""

    def __init__(self, mashups: Arrangements, plain: PlainMashups, voice: Voice, extract: Extract) -> None:
        self.mashups, self.plain, self.voice, self.extract = mashups, plain, voice, extract

    def __len__(self) -> int:
        return len(self.mashups)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor | int]:
        wave = self.plain.wave(self.mashups, row, self.voice)
        return {"input_values": self.extract(wave), "labels": int(self.mashups.label[row])}


class TimmResNet34(nn.Module):
    """timm's ResNet34 as Trainer calls a model: log-mels (batch, frames, mels) and labels to a loss."""

    def __init__(self, recipe: ResNet34Recipe, classes: int) -> None:
        super().__init__()
        self.network = timm_network(recipe, classes)

    def forward(self, input_values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The mean loss, and logits (batch, classes)."""
        logits = self.network(input_values[:, None])
        return {"loss": cross_entropy(logits.float(), labels), "logits": logits}


def _trained(job: Job, voice: Voice) -> Figures:
    recipe, bank = job.recipe, Bank.open(job.bank)
    classes = bank.classes
    pool = Pool.of(bank.index, bank.sample_rate_hz, classes, recipe.mashup.parts)
    clips = job.steps * recipe.train.batch_size
    mashups = draw(pool, recipe.mashup, (recipe.train.seed, TRAINING, 0), 0, clips)
    plain = PlainMashups(bank, job.data, recipe.backbone.heard_s)
    extract = extractor(recipe.backbone, models.frame_spec(recipe.backbone))
    dataset = MashupDataset(mashups, plain, voice.__get__(plain), extract)
    return _run(job, _model(recipe, len(classes)), dataset)


def _model(recipe: Recipe, classes: int) -> nn.Module:
    if not isinstance(recipe.backbone, ASTRecipe):
        return TimmResNet34(recipe.backbone, classes)
    import_torchvision()
    from transformers import ASTConfig, ASTForAudioClassification

    config = models.build(recipe.backbone, classes).audio_spectrogram_transformer.config.to_dict()
    return ASTForAudioClassification(ASTConfig(**config | {"num_labels": classes}))


def _run(job: Job, model: nn.Module, dataset: MashupDataset) -> Figures:
    from transformers import PrinterCallback, Trainer, TrainerCallback

    set_start_method("fork", force=True)  # Linux's usual one, which a spawned process does not inherit
    laps, shapes = Laps(job), set()
    model.register_forward_pre_hook(
        lambda _, args, named: shapes.add(tuple(named["input_values"].shape)), with_kwargs=True
    )

    class Clock(TrainerCallback):
        def on_step_end(self, *args: object, **named: object) -> None:
            laps.lap()

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, _arguments(job, folder), train_dataset=dataset, callbacks=[Clock()])
        trainer.remove_callback(PrinterCallback)
        loss = trainer.train().training_loss
    return measured(job, laps, shapes, [loss], model)


def _arguments(job: Job, folder: str) -> "TrainingArguments":
    from transformers import TrainingArguments

    dtype = forward_dtype(job.recipe.train, torch.device(job.device))
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=job.recipe.train.batch_size,
        max_steps=job.steps,
        learning_rate=job.recipe.train.lr,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=job.device == "cpu",
        dataloader_num_workers=job.round,
        remove_unused_columns=False,
        logging_nan_inf_filter=False,  # it would hide a loss that is not finite
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
