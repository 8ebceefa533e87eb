"""What does librosa's phase vocoder, by which the test's voices are stretched, leave that simulated mashups lack?

    python benchmarks/vocoder_traces.py [--data DIR DIR] [--mashups 300]

The demo's host mixes mashups without noise, of which no voice, each second voice or every voice is stretched at 22.05
kHz. The same mashups are played in several ways, and an adversary, asked about songs that it has not learnt from, tells
them from the host's: AUC .5 is no trace. Where no voice is stretched, the way through 22.05 kHz and 16 bits is left.
For comparison: the host's mashups of other songs, which no way of playing makes. The last line is JSON.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numba
import numpy as np
import soundfile
import torch

from messy_mashup.calibration.adversary import Adversary, adversarial_auc, features_of, match_lengths, random_folds
from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music import host
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.errors import run_script
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup import mix, tempo
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.render import render
from messy_mashup.scoring.predict import file_log_mel

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)
SHARES = (0.0, 0.5, 1.0)  # of the voices that are stretched
RATES = (0.9, 0.95, 1.05, 1.1)
STEMS_ALONE = "frame domain from stems"
# What is played in the frame domain: at which rates there are variants, of which all stretched voices are played
WAYS = {
    STEMS_ALONE: (),
    "frame domain from variants at .9 and 1.1": (0.9, 1.1),
    "frame domain from variants at .9, .95, 1.05 and 1.1": RATES,
}
COMPARED_AT = 0.5  # the share at which mashups of other songs are looked at, too
FOLDS, SONGS_A_FOLD = 2, 4
SHOWN = 4
LogMels = list[torch.Tensor]


def main() -> None:
    """Mix, play, tell apart, print."""
    options = _options()
    figures: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="vocoder-") as folder:
        scratch = Path(folder)
        data, other = options.data or [_competition(scratch / f"data{seed}", seed) for seed in range(2)]
        bank = bank_build.build("messy_mashup", data, scratch / "bank", stretched=RATES)
        for share in SHARES:
            plans = [_plan(number, share) for number in range(options.mashups)]
            mixed = _mixed(plans, data, scratch)
            told = {way: _told(played, mixed) for way, played in _played(bank, plans, share)}
            if share == COMPARED_AT:
                told |= _told_by_songs(mixed, _mixed(plans, other, scratch))
            figures[f"{share:.0%} of the voices stretched"] = {way: _figures(found) for way, found in told.items()}
            for way, found in told.items():
                _show(f"{share:.0%} stretched, {way}", found)
    print(json.dumps({"benchmark": "vocoder_traces", "mashups_a_side": options.mashups, **figures}))


def _played(bank: Bank, plans: Sequence[host.MashupPlan], share: float) -> Iterator[tuple[str, LogMels]]:
    """The mashups in every way there is for this share of stretched voices."""
    for way, rates in WAYS.items() if share else [(STEMS_ALONE, ())]:
        yield way, _in_frames(bank, plans, rates)
    if share:
        with _voices_moving_in_steps_of(1):
            yield f"{STEMS_ALONE}, voices moving smoothly", _in_frames(bank, plans, ())
        waves = [render(bank, mashup, 0, "peak", stretch="librosa") for mashup in _arrangements(bank, plans, ())]
        yield "librosa's vocoder at 16 kHz", [wave_log_mel(torch.from_numpy(wave), SPEC) for wave in waves]


def _in_frames(bank: Bank, plans: Sequence[host.MashupPlan], rates: tuple[float, ...]) -> LogMels:
    player = MashupPlayer(bank, SPEC)
    return [player.whole_log_mel(mashup, "peak") for mashup in _arrangements(bank, plans, rates)]


@contextmanager
def _voices_moving_in_steps_of(samples: int) -> Iterator[None]:
    """The compiled loops hold their step for good, so others are compiled, of which numba keeps nothing on disk."""
    loops = {name: getattr(mix, name) for name in ("_mix", "_promise")}
    step, mix.STEP = mix.STEP, samples
    for name, loop in loops.items():
        setattr(mix, name, numba.njit(nogil=True, fastmath=True)(loop.py_func))
    try:
        yield
    finally:
        mix.STEP = step
        for name, loop in loops.items():
            setattr(mix, name, loop)


def _told(played: LogMels, mixed: LogMels) -> Adversary:
    """How well the host's mashups are told from the same ones as they were played."""
    folds = _folds(mixed)
    return _apart(played, folds, mixed, folds)


def _told_by_songs(mixed: LogMels, of_others: LogMels) -> dict[str, Adversary]:
    """How well the host's mashups are told from each other by their songs: by new ones, and by those learnt from."""
    folds, at_random = _folds(mixed), random_folds(len(mixed), FOLDS, seed=0)
    return {
        "the host's of other songs": _apart(mixed, folds, of_others, folds),
        "the host's of other songs, some of them learnt": _apart(mixed, folds, of_others, at_random),
    }


def _apart(one: LogMels, folds_of_one: np.ndarray, two: LogMels, folds_of_two: np.ndarray) -> Adversary:
    sides = zip(match_lengths(one, two, SPEC), (folds_of_one, folds_of_two), strict=True)
    return adversarial_auc(*(features_of(side, SPEC, folds).without_length() for side, folds in sides))


def _folds(mixed: LogMels) -> np.ndarray:
    return np.arange(len(mixed)) % FOLDS


def _plan(number: int, share: float) -> host.MashupPlan:
    """A mashup of songs of its fold alone, without noise."""
    numbers = replace(host.NUMBERS, stretched=share, whole=1.0, noisy=0.0)
    fold, genre = number % FOLDS, list(GENRES)[number // FOLDS % len(GENRES)]
    songs = range(fold * SONGS_A_FOLD, (fold + 1) * SONGS_A_FOLD)
    return host.draw_plan(number, genre, True, songs, [], np.random.default_rng(number), numbers)


def _mixed(plans: Sequence[host.MashupPlan], data: Path, scratch: Path) -> LogMels:
    """The host's mashups as files of the test would be heard."""
    path, log_mels = scratch / "mashup.wav", []
    for plan in plans:
        wave = host.mix_mashup(plan, data, 0, 0.0)  # seed and seconds are those of new songs, which there are not
        soundfile.write(path, np.round(wave * 32767).astype(np.int16), host.MASHUP_HZ)
        log_mels.append(file_log_mel(path, SPEC))
    return log_mels


def _arrangements(bank: Bank, plans: Sequence[host.MashupPlan], rates: tuple[float, ...]) -> Iterator[Arrangements]:
    """The same mashups, whose stretched voices are played from variants at these rates."""
    index = bank.index[(bank.index["kind"] != "stretched") | bank.index["rate"].isin(rates)]
    pool = Pool.of(index, bank.sample_rate_hz, tuple(GENRES), STEMS)
    number = {name: row for row, name in enumerate(bank.index["clip"])}
    for plan in plans:
        stems = [f"{plan.genre}.{part.song:05d}/{stem}" for part, stem in zip(plan.parts, STEMS, strict=True)]
        clip, rate = np.array([[number[stem] for stem in stems]]), np.array([[part.rate for part in plan.parts]])
        clip, rate = tempo.with_variants(pool, clip, rate, np.ones(clip.shape, bool))
        gain = np.array([[part.gain for part in plan.parts]])
        yield _without_noise((pool.length_s[clip] / rate).min(axis=1), (clip, np.zeros(clip.shape), rate, gain))


def _without_noise(length_s: np.ndarray, voices: tuple[np.ndarray, ...]) -> Arrangements:
    still, none = np.zeros(1), np.zeros((1, 0))
    return Arrangements(np.zeros(1, np.int64), length_s, still, still, still, *voices, none.astype(int), *[none] * 5)


def _competition(folder: Path, seed: int) -> Path:
    write_competition(folder, songs=FOLDS * SONGS_A_FOLD, seconds=8.0, mashups=1, seed=seed)
    return folder


def _figures(told: Adversary) -> dict[str, object]:
    return {
        "auc": round(told.auc, 4),
        "interval": [round(bound, 4) for bound in told.interval],
        "telling": told.telling["feature"].head(SHOWN).tolist(),
        "families": told.families["family"].head(SHOWN).tolist(),
    }


def _show(name: str, told: Adversary) -> None:
    print(f"{name}: AUC {told.auc:.3f} ({told.interval[0]:.3f} to {told.interval[1]:.3f})")
    print(told.telling.head(2 * SHOWN).round(3).to_string(index=False))
    print(told.families.head(SHOWN).round(3).to_string(index=False), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    demos = "two demo competitions with eight songs a genre (default: made)"
    parser.add_argument("--data", type=Path, nargs=2, metavar="DIR", help=demos)
    parser.add_argument("--mashups", type=int, default=300, help="a side")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
