"""A recipe calibrated against the unlabelled test mashups of a data set, and how alike the two are before and after.

Everything is taken from the sound of the test mashups: no label, no id, and nothing that a competition keeps back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from messy_mashup.calibration.adversary import Likeness, likeness
from messy_mashup.calibration.burst_fit import BurstShape
from messy_mashup.calibration.descriptors import describe_all
from messy_mashup.calibration.fit import Calibration, calibrated, probes
from messy_mashup.data.audio import audio_length, read_mono
from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import make_folds
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.files import file_digest
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.render import as_of_a_host
from messy_mashup.purposes import PROBES
from messy_mashup.recipe import MashupRecipe
from messy_mashup.scoring.predict import file_log_mel
from messy_mashup.search.evidence import Evidence, gather
from messy_mashup.search.evidence_folder import kept
from messy_mashup.search.voice_catalogue import LEAST_S

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)
SONG_FOLDS = 2  # of the adversary
MOST_COMPARED = 200  # mashups a side


@dataclass(frozen=True)
class Job:
    """What is calibrated: `files` are the test mashups, `sample` and `probes` how many are looked into."""

    bank: Bank
    files: Sequence[Path]
    recipe: MashupRecipe
    folder: Path  # of what was found, kept for the next call
    sample: int
    probes: int
    seed: int
    device: torch.device

    @property
    def pool(self) -> Pool:
        """All songs and noises of the bank."""
        return Pool.of(self.bank.index, self.bank.sample_rate_hz, self.bank.classes, self.recipe.parts)


@dataclass(frozen=True)
class Comparison:
    """Descriptors of the test's mashups and of simulated ones, and what an adversary makes of their log-mels."""

    test: pd.DataFrame
    simulated: pd.DataFrame
    likeness: Likeness


def fit(job: Job) -> Calibration:
    """Look into a sample of the test mashups and into probes, and fit the recipe's numbers. Minutes."""
    rate_hz, pool = job.bank.sample_rate_hz, job.pool
    lengths_s = np.array([audio_length(path, rate_hz) for path in job.files]) / rate_hz
    long_enough = [path for path, length_s in zip(job.files, lengths_s, strict=True) if length_s >= LEAST_S]
    if len(long_enough) < len(job.files):
        print(f"{len(job.files) - len(long_enough)} test mashups are shorter than {LEAST_S:g} s and not looked into")
    files = _sampled(long_enough, job.sample, job.seed)
    card = {"bank": job.bank.digest, "files": {path.name: file_digest(path).hex() for path in files}}
    test = kept(
        job.folder / "test",
        card,
        lambda: gather([read_mono(path, rate_hz) for path in files], job.bank, job.device, "the test"),
    )
    shape = BurstShape.of(test, pool.length_s)
    probing, known = probes(pool, job.recipe, shape, job.probes, job.seed)
    card = {"bank": job.bank.digest, "recipe": asdict(probing), "count": job.probes, "seed": job.seed}
    probed = kept(job.folder / "probes", card, lambda: _probed(job, probing, known))
    return calibrated(job.recipe, pool, test, lengths_s, probed, known, shape, job.seed)


def compare(job: Job, recipes: Sequence[MashupRecipe]) -> list[Comparison]:
    """The test's mashups against as many of each recipe, song-disjoint between the adversary's folds."""
    files = _sampled(job.files, MOST_COMPARED, job.seed + 1)
    test = [file_log_mel(path, SPEC) for path in tqdm(files, desc="test mashups", unit=" mashups")]
    described = describe_all(test, SPEC)
    compared = []
    for number, recipe in enumerate(recipes, 1):
        simulated, folds = _simulated(job, recipe, len(files), f"simulated, {number} of {len(recipes)}")
        told = likeness(simulated, folds, test, SPEC, job.seed)
        compared.append(Comparison(described, describe_all(simulated, SPEC), told))
    return compared


def _sampled(files: Sequence[Path], count: int, seed: int) -> list[Path]:
    if not files:
        raise UserError("there are no test mashups to calibrate against: unpack mashups/ and test.csv of the data set")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(files))[:count])
    return [files[number] for number in chosen]


def _probed(job: Job, recipe: MashupRecipe, known: Arrangements) -> Evidence:
    """What is found in mashups whose arrangements are known, rendered with the vocoder that hosts use."""
    waves = []
    for row in tqdm(range(len(known)), desc="probes rendered", unit=" mashups"):
        waves.append(as_of_a_host(job.bank, known, row, recipe.burst_level))
    return gather(waves, job.bank, job.device, "probes")


def _simulated(job: Job, recipe: MashupRecipe, count: int, title: str) -> tuple[list[torch.Tensor], np.ndarray]:
    """Log-mels as a model is trained on them, and the fold whose songs each is made of."""
    folds = make_folds(job.bank.index, SONG_FOLDS, job.seed)
    player = MashupPlayer(job.bank, SPEC)
    log_mels, numbers = [], np.arange(count) % SONG_FOLDS
    with tqdm(total=count, desc=title, unit=" mashups") as bar:
        for fold in range(SONG_FOLDS):
            of_fold = folds.split(job.bank.index, fold)[1]
            pool = Pool.of(of_fold, job.bank.sample_rate_hz, job.bank.classes, recipe.parts)
            mashups = draw(pool, recipe, (job.seed, PROBES, 2 + fold), 0, int((numbers == fold).sum()))
            for row in range(len(mashups)):
                log_mels.append(player.whole_log_mel(mashups[row : row + 1], recipe.burst_level))
                bar.update()
    return log_mels, np.sort(numbers)
