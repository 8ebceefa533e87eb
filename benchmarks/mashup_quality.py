"""How close stretched mashups come to music that is truly played at these tempi: librosa, Signalsmith, frame domain.

Four voices of four songs, each at a tempo of its own, are mixed: once truly rendered at that tempo by the demo's
synthesiser, once stretched. The error is that of the log-mel, in bands up to 60 dB below the loudest. Flux is the mean
change from frame to frame, over that of the truth: below 1 is smeared, above 1 flickers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr
import torch
from plain_way import stretched

from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.song import compose, render
from messy_mashup.features.frame_spec import AST_FBANK, FrameSpec, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.stretch import Stretch
from messy_mashup.recipe import MashupRecipe

GENRES = ("rock", "jazz", "disco", "classical", "pop", "reggae")
RATES = (0.9, 1.1, 0.95, 1.06)  # of drums, vocals, bass and other
HEARD_S, SONG_S = 10.24, 12.0  # a song must last, played faster
SOURCE_HZ = 44_100
FRONT_ENDS = {"ast": AST_FBANK, "librosa": librosa_log_mel(mels=96, hop=160, fft=1024)}
RANGE_DB = 60.0
RECIPE = MashupRecipe(length_s=(HEARD_S, HEARD_S), noisy=0.0)


def quality_figures(folder: Path, genres: Sequence[str] = GENRES) -> dict[str, float]:
    """Error in dB and flux of each way by "error_db_<way>_<front-end>" and "flux_<way>_<front-end>": the mean of the
    genres.
    """
    write_competition(folder / "data", genres, songs=len(RATES), seconds=SONG_S, noises=1, mashups=1)
    bank = bank_build.build("messy_mashup", folder / "data", folder / "bank")
    found: dict[str, list[float]] = {}
    for genre in genres:
        for name, value in _of_genre(bank, genre).items():
            found.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _of_genre(bank: Bank, genre: str) -> dict[str, float]:
    clips = [_clip(bank, genre, number) for number in range(len(RATES))]
    truth = _at_peak_one(_truly_played(genre, number) for number in range(len(RATES)))
    waves = {stretch: _at_peak_one(_stretched(bank, clips, stretch)) for stretch in _stretches()}
    figures = {}
    for front_end, spec in FRONT_ENDS.items():
        target = _decibels(wave_log_mel(truth, spec), spec)
        levels = {stretch: wave_log_mel(wave, spec) for stretch, wave in waves.items()}
        for way, level in (levels | {"frames": _played(bank, genre, clips, spec)}).items():
            decibels = _decibels(level, spec)
            figures[f"error_db_{way}_{front_end}"] = float((decibels - target).abs().mean())
            figures[f"flux_{way}_{front_end}"] = _flux(decibels) / _flux(target)
    return figures


def _stretches() -> list[Stretch]:
    return ["librosa", "signalsmith"] if find_spec("python_stretch") else ["librosa"]


def _clip(bank: Bank, genre: str, number: int) -> int:
    """The stem of one part of a genre's song of that number."""
    name = f"{genre}.{number:05d}"
    here = (bank.index["group"] == name) & (bank.index["part"] == RECIPE.parts[number])
    return int(np.flatnonzero(here)[0])


def _truly_played(genre: str, number: int) -> np.ndarray:
    """The same stem, rendered at its tempo."""
    stem = render(compose(genre, 0, number, SONG_S), RECIPE.parts[number], RATES[number])
    return soxr.resample(stem.mean(axis=1).astype(np.float32) / 32768, SOURCE_HZ, AST_FBANK.sample_rate_hz)


def _stretched(bank: Bank, clips: list[int], stretch: Stretch) -> list[np.ndarray]:
    pairs = zip(clips, RATES, strict=True)
    return [stretched(bank.wave(clip), rate, stretch) for clip, rate in pairs]


def _played(bank: Bank, genre: str, clips: list[int], spec: FrameSpec) -> torch.Tensor:
    """The log-mel of the mix in the frame domain."""
    pool = Pool.of(bank.index, bank.sample_rate_hz, (genre,), RECIPE.parts)
    voices = {"voice_clip": [clips], "voice_rate": [RATES], "voice_offset_s": [[0.0] * 4], "voice_gain": [[1.0] * 4]}
    drawn = replace(draw(pool, RECIPE, (0, 0, 0), 0, 1), length_s=np.array([HEARD_S]))
    mashup = replace(drawn, **{name: np.array(values) for name, values in voices.items()})
    return MashupPlayer(bank, spec).whole_log_mel(mashup, RECIPE.burst_level)


def _at_peak_one(voices: Iterable[np.ndarray]) -> torch.Tensor:
    """The sum of what is heard of the voices."""
    size = round(HEARD_S * AST_FBANK.sample_rate_hz)
    mix = sum(wave[:size] for wave in voices)
    return torch.from_numpy((mix / np.abs(mix).max()).astype(np.float32))


def _decibels(log_mel: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    decibels = log_mel / spec.decibels(1.0)
    return decibels.clamp(min=float(decibels.max()) - RANGE_DB)


def _flux(decibels: torch.Tensor) -> float:
    return float(decibels.diff(dim=0).abs().mean())
