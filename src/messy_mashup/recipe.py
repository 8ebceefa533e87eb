"""What a run is made of: one typed, frozen value that says everything a member's training depends on.

A variant is `dataclasses.replace`. Unknown fields and wrong types are refused. How a recipe is written to a file and
changed from the command line is in recipe_text.py.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass


def _ascending(low_high: tuple[float, float]) -> tuple[float, float]:
    if low_high[0] > low_high[1]:
        raise ValueError("a range goes from low to high")
    return low_high


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Count = Annotated[int, Field(ge=1, lt=1 << 63)]
Natural = Annotated[int, Field(ge=0, lt=1 << 63)]
CountRange = Annotated[tuple[Count, Count], AfterValidator(_ascending)]
NaturalRange = Annotated[tuple[NotNegative, NotNegative], AfterValidator(_ascending)]
Hertz = Annotated[float, Field(gt=0, lt=8000)]  # below half the bank's sample rate
HertzRange = Annotated[tuple[Hertz, Hertz], AfterValidator(_ascending)]
DecibelRange = Annotated[tuple[float, float], AfterValidator(_ascending)]
FFTSize = Annotated[int, Field(ge=64, le=4096)]  # at most the silence between the clips of a bank
# Whoever loads a run builds what its recipe asks for: a network and pictures of these sizes at most
WIDEST = 16_384
Width = Annotated[int, Field(ge=1, le=WIDEST)]
Layers = Annotated[int, Field(ge=1, le=256)]
Mels = Annotated[int, Field(ge=1, le=1024)]
Hop = Annotated[int, Field(ge=16, le=4096)]
Heard = Annotated[float, Field(gt=0, le=600)]
Part = Literal["drums", "vocals", "bass", "other", "mix"]  # "mix": songs as they are, not taken apart
TempoPolicy = Literal["none", "random", "sync", "downbeats"]
BurstLevel = Literal["raw", "peak", "piece", "snr"]  # what a burst's gain multiplies: see frames.py
Change = Literal["slower", "faster", "high_pass", "low_pass", "echo"]  # see changes.py
Layer = Literal["query", "key", "value", "feed_forward_in", "feed_forward_out"]  # linear ones of a transformer's layer
FrontEnd = Literal["librosa", "speech"]  # of a picture; "speech": that of the singer snippets, hop and fft are its own
FORBID_UNKNOWN = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class MashupRecipe:
    """How mashups are drawn; ranges are uniform. The defaults are what moved participants' scores."""

    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("drums", "vocals", "bass", "other")
    drawn: Literal["classes", "songs"] = "classes"  # songs of a random class, or every song in its turn: see turns.py
    changes: tuple[Change, ...] = ()  # one of them at a time, in place of the shares of mashups below that have it
    copies: Literal["kept", "fresh"] = "fresh"  # one changed copy of a song and change for all epochs, or new ones
    whole: Share = 0.0  # of the mashups: as long as their shortest voice
    length_s: Range = (30.0, 30.0)  # of the others; cut to what the shortest voice has
    gain: Range = (0.4, 1.0)  # of a voice

    tempo: TempoPolicy = "random"  # see tempo.py
    stretched: Share = 0.5  # of the voices, where the tempo is random
    rate: Range = (0.9, 1.1)  # of a stretched voice; above 1 is faster
    sync_limit: Share = 0.15  # most change of tempo, as a share, of a voice that follows the anchor's
    vocoded: Share = 0.0  # of the stretched voices: played from the bank's variants with a vocoder's traces

    noisy: Share = 0.8  # of the mashups
    bursts: CountRange = (1, 3)  # in a noisy mashup
    burst_s: Range = (5.0, 5.0)  # cut to what the noise clip has,
    repeated: bool = False  # unless the clip begins again, as a bed's does
    inside: bool = False  # bursts end with the mashup at the latest; else they begin anywhere and may be cut
    burst_fade_s: NaturalRange = (0.0, 0.0)  # at both ends of a burst
    burst_level: BurstLevel = "peak"
    burst_gain: Range = (0.1, 0.8)  # of the music's peak: times the clip ("raw"), it ("peak") or its piece at peak 1
    burst_snr_db: DecibelRange = (5.0, 25.0)  # the music's RMS over the clip's ("snr")
    synthetic: Share = 0.0  # of the bursts and beds: white, pink, brown, hum, clicks or crackle
    bed: Share = 0.0  # of the mashups: one noise throughout
    bed_gain: Range = (0.02, 0.1)  # as burst_gain
    bed_snr_db: DecibelRange = (15.0, 35.0)

    echo: Share = 0.0  # of the mashups: every voice once more
    echo_s: Range = (0.1, 0.4)  # later
    echo_gain: Range = (0.2, 0.6)  # of the voice's own
    high_pass: Share = 0.0  # of the mashups: fourth-order Butterworth
    high_pass_hz: HertzRange = (100.0, 400.0)
    low_pass: Share = 0.0
    low_pass_hz: HertzRange = (2500.0, 6000.0)


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class HeadRecipe:
    """What makes logits of an embedding; the default is a backbone's own, one linear layer."""

    hidden: Annotated[int, Field(ge=0, le=WIDEST)] = 0  # width of a layer with GELU before the last; 0: none
    dropout: Share = 0.0  # before each of the layers, where there is a hidden one


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class DoRARecipe:
    """Adapters of rank `rank` on linear layers of a frozen transformer (Liu et al., DoRA, ICML 2024); 0: none."""

    rank: Annotated[int, Field(ge=0, le=1024)] = 0
    alpha: Positive = 1.0  # what the low-rank update is multiplied by, whatever the rank
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = ("feed_forward_out",)
    first: Natural = 0  # transformer layers from this one on, counted from 0


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ASTRecipe:
    """The Audio Spectrogram Transformer (transformers' ASTModel) on Kaldi's fbank; the defaults are AST-base."""

    name: Literal["ast"] = "ast"
    weights: str = ""  # to begin with: a folder, a Kaggle mount or a hub id; empty: random
    heard_s: Heard = 10.24  # what one forward pass hears
    width: Width = 768  # of a token
    layers: Layers = 12
    heads: Width = 12
    stride: tuple[Count, Count] = (10, 10)  # of patches, in bands and in frames
    patchout: tuple[Natural, Natural] = (0, 0)  # rows of bands and columns of frames left out in training
    dropout: Share = 0.0
    frozen: bool = False  # the weights stay as they come; head and adapters alone learn, and alone are saved
    head: HeadRecipe = HeadRecipe()
    dora: DoRARecipe = DoRARecipe()


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class MAESTRecipe:
    """MAEST: the AST network on 96 Slaney mels, trained on Discogs styles; the defaults are its 30 s models."""

    name: Literal["maest"] = "maest"
    weights: str = ""  # to begin with: a folder, a Kaggle mount or a hub id; empty: random
    heard_s: Heard = 30.0  # 1,876 frames; the models of 5, 10 and 20 s hear 5.04, 10.0 and 20.08
    width: Width = 768  # of a token
    layers: Layers = 12
    heads: Width = 12
    stride: tuple[Count, Count] = (10, 10)  # of patches, in bands and in frames
    patchout: tuple[Natural, Natural] = (0, 0)  # rows of bands and columns of frames left out in training
    dropout: Share = 0.0
    frozen: bool = False  # the weights stay as they come; head and adapters alone learn, and alone are saved
    # The head sees CLS, DIST and the mean of the patches after this layer; 0: the mean of CLS and DIST after the last
    layer: Natural = 0
    head: HeadRecipe = HeadRecipe()
    dora: DoRARecipe = DoRARecipe()


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ResNet34Recipe:
    """timm's ResNet34 on a log-mel, one channel."""

    name: Literal["resnet34"] = "resnet34"
    front_end: FrontEnd = "librosa"
    separated: str = ""  # "hpss" or "demucs:FILE": vocals alone are heard, and the bank holds them; see separation.py
    weights: str = ""  # to begin with: a safetensors file, a folder or a Kaggle mount of timm's; empty: random
    heard_s: Heard = 10.24  # what one forward pass hears
    mels: Mels = 128
    hop: Hop = 160  # samples at 16 kHz
    fft: FFTSize = 1024
    widths: tuple[Width, Width, Width, Width] = (64, 128, 256, 512)
    dropout: Share = 0.2


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class CNNRecipe:
    """Three to six convolution layers on a log-mel."""

    name: Literal["cnn"] = "cnn"
    front_end: FrontEnd = "librosa"
    separated: str = ""  # as that of ResNet34Recipe
    heard_s: Heard = 10.24  # what one forward pass hears
    mels: Mels = 128
    hop: Hop = 160  # samples at 16 kHz
    fft: FFTSize = 1024
    widths: Annotated[tuple[Width, ...], Field(min_length=3, max_length=6)] = (32, 64, 128, 256)
    dropout: Share = 0.3


Backbone = Annotated[ASTRecipe | MAESTRecipe | ResNet34Recipe | CNNRecipe, Field(discriminator="name")]


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class AugmentRecipe:
    """What is done to log-mels in training beyond fresh mashups; zero leaves a step out."""

    masks: Natural = 0  # SpecAugment: of time and of frequency each
    masked_frames: Share = 0.15  # longest time mask, as a share of what the model hears
    masked_mels: Share = 0.15
    equaliser_db: NotNegative = 0.0  # standard deviation of a random curve over the bands
    mixup: NotNegative = 0.0  # alpha
    pictures: Share = 0.0  # of the clips that each of albumentations' transforms changes


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class TrainRecipe:
    """How one member is fitted: AdamW, linear warm-up, cosine to zero."""

    epochs: Count = 10
    mashups_per_epoch: Natural = 10_000  # 0: each song once, and each of its kept copies
    batch_size: Count = 32  # of one step of the optimizer
    accumulate: Count = 1  # portions of a batch that go through the model one after another
    lr: Positive = 1e-3
    head_lr: Positive = 1.0  # the head's learning rate, as a multiple of lr
    layer_lr: Annotated[float, Field(gt=0, le=1)] = 1.0  # each stage's learning rate, as a share of that above it
    weight_decay: NotNegative = 0.05
    warmup: Share = 0.1  # of all steps
    restarts: Natural = 0  # of the cosine, at equal distances
    clip_norm: NotNegative = 0.0  # of the gradient; 0: not clipped
    label_smoothing: Share = 0.0
    # Of the loss, in the order of the classes; empty: all equal; "balanced": by one over the number of songs
    class_weights: tuple[Positive, ...] | Literal["balanced"] = ()
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0  # most decay a step of the averaged weights; 0: the last weights
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # of the forward pass; see precision.py
    compiled: bool = False  # by torch.compile
    seed: Natural = 0


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class TeacherRecipe:
    """What a student learns from beside the true labels: a blend's probabilities; see teacher.py and distil.py."""

    blend: str = ""  # its name; empty: there is no teacher
    digest: str = ""  # of the blend's members and rule, put in by distil.py
    share: Share = 1.0  # of the target that is the teacher's; the rest is the true label
    temperature: Positive = 1.0  # by which the blend's log-probabilities are divided


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ScoringRecipe:
    """How a whole clip becomes one prediction: which windows of it are heard, and how their logits are pooled."""

    windows: Literal["overlapping", "random"] = "overlapping"
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5  # least share of a window that the next one hears again
    chunks: Count = 20  # of a clip, where they are random
    chunk_s: NotNegative = 0.0  # each is heard whole, by overlapping windows; 0: as long as one window
    pooled: Literal["logits", "probabilities", "majority"] = "logits"  # see pooling.py
    seed: Natural = 0  # of random windows


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class FoldRecipe:
    """How the corpus is cut, and what its validation mashups are: shared by all recipes that are to be blended."""

    cut: Literal["folds", "ratios", "given"] = "folds"  # "given": the corpus's own parts; see splits.py
    ratios: tuple[Count, Count, Natural] = (8, 1, 1)  # songs for training, validation and test, where it is cut so
    count: Count = 5  # folds, or repetitions of a cut by ratios
    seed: Natural = 0
    validation_per_song: Count = 3
    validation: MashupRecipe = MashupRecipe()


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class Recipe:
    """One system: corpus, mashups, backbone, training and scoring."""

    name: str
    corpus: str = "messy_mashup"
    mashup: MashupRecipe = MashupRecipe()
    backbone: Backbone = ResNet34Recipe()
    augment: AugmentRecipe = AugmentRecipe()
    train: TrainRecipe = TrainRecipe()
    teacher: TeacherRecipe = TeacherRecipe()
    scoring: ScoringRecipe = ScoringRecipe()
    folds: FoldRecipe = FoldRecipe()
