"""What a run is made of: one typed, frozen value that says everything a member's training depends on.

A variant is `dataclasses.replace`; an override from the command line is `override(recipe, ["train.lr=3e-5"])`;
a run's folder holds the recipe as JSON. Unknown fields and wrong types are refused in both.
"""

import ast
import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from messy_mashup.errors import UserError


def _ascending(low_high: tuple[float, float]) -> tuple[float, float]:
    if low_high[0] > low_high[1]:
        raise ValueError("a range goes from low to high")
    return low_high


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Count = Annotated[int, Field(ge=1)]
CountRange = Annotated[tuple[Count, Count], AfterValidator(_ascending)]
Part = Literal["drums", "vocals", "bass", "other"]
FORBID_UNKNOWN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class MashupRecipe:
    """How mashups are drawn; ranges are uniform. The defaults are what moved participants' scores."""

    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("drums", "vocals", "bass", "other")
    length_s: Range = (30.0, 30.0)  # of the whole mashup; cut to what its shortest voice has
    gain: Range = (0.4, 1.0)  # of a voice
    stretched: Share = 0.5  # of the voices
    rate: Range = (0.9, 1.1)  # of a stretched voice; above 1 is faster
    noisy: Share = 0.8  # of the mashups
    bursts: CountRange = (1, 3)  # in a noisy mashup
    burst_s: Range = (5.0, 5.0)  # cut to what the noise clip has
    burst_gain: Range = (0.1, 0.8)  # of the music's peak
    burst_level: Literal["raw", "peak"] = "peak"  # what the gain multiplies: the clip, or the clip at peak 1


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ResNet34Recipe:
    """timm's ResNet34 on librosa's log-mel, one channel."""

    name: Literal["resnet34"] = "resnet34"
    heard_s: Positive = 10.24  # what one forward pass hears
    mels: Count = 128
    hop: Count = 160  # samples at 16 kHz
    fft: Annotated[int, Field(ge=64, le=4096)] = 1024  # at most the silence between the clips of a bank
    widths: tuple[Count, Count, Count, Count] = (64, 128, 256, 512)
    dropout: Share = 0.2


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class AugmentRecipe:
    """What is done to log-mels in training beyond fresh mashups; zero leaves a step out."""

    masks: Annotated[int, Field(ge=0)] = 0  # SpecAugment: of time and of frequency each
    masked_frames: Share = 0.15  # longest time mask, as a share of what the model hears
    masked_mels: Share = 0.15
    equaliser_db: Annotated[float, Field(ge=0)] = 0.0  # standard deviation of a random curve over the bands
    mixup: Annotated[float, Field(ge=0)] = 0.0  # alpha


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class TrainRecipe:
    """How one member is fitted: AdamW, linear warm-up, cosine to zero."""

    epochs: Count = 10
    mashups_per_epoch: Count = 10_000
    batch_size: Count = 32
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Share = 0.1  # of all steps
    label_smoothing: Share = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class FoldRecipe:
    """How the corpus is cut, and what its validation mashups are: shared by all recipes that are to be blended."""

    count: Annotated[int, Field(ge=2)] = 5
    seed: Annotated[int, Field(ge=0)] = 0
    validation_per_song: Count = 3
    validation: MashupRecipe = MashupRecipe()


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class Recipe:
    """One system: corpus, mashups, backbone and training."""

    name: str
    corpus: str = "messy_mashup"
    mashup: MashupRecipe = MashupRecipe()
    backbone: ResNet34Recipe = ResNet34Recipe()
    augment: AugmentRecipe = AugmentRecipe()
    train: TrainRecipe = TrainRecipe()
    folds: FoldRecipe = FoldRecipe()


def to_json(recipe: Recipe) -> str:
    """The recipe as JSON that `from_json` reads back to an equal value."""
    return TypeAdapter(Recipe).dump_json(recipe, indent=2).decode() + "\n"


def from_json(path: Path) -> Recipe:
    """Read a run's recipe; a field that is unknown or of a wrong type is named."""
    try:
        return TypeAdapter(Recipe).validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(f"{path} is not a recipe of this version: {_first(error)}") from error


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with settings such as `train.lr=3e-5` or `mashup.rate=(0.8,1.2)` put in."""
    fields = dataclasses.asdict(recipe)
    for setting in settings:
        _put(fields, setting)
    try:
        return TypeAdapter(Recipe).validate_python(fields)
    except ValidationError as error:
        raise UserError(f"--set {_first(error)}") from error


def _put(fields: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    *rooms, last = name.split(".")
    for room in rooms:
        fields = fields.get(room) if isinstance(fields, dict) else None
    if not equals or not isinstance(fields, dict) or last not in fields:
        raise UserError(f"--set {setting}: the recipe has no such field; write it as train.lr=3e-5")
    try:
        fields[last] = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        fields[last] = text


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    where = ".".join(str(step) for step in detail["loc"])
    return f"{where}: {detail['msg']} (given: {detail['input']!r})"
