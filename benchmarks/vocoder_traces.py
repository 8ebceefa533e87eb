"""Does librosa's phase vocoder, by which the test's voices are stretched, leave a trace that the frame domain lacks?

    python benchmarks/vocoder_traces.py [--data DIR] [--mashups 300]

The demo's host mixes mashups without noise, of which no voice, each second voice or every voice is stretched by librosa
at 22.05 kHz; then such that the bass alone is heard. The same mashups are played in the frame domain: from the stems,
and from stems that librosa has stretched to .9 and 1.1 before, of which the frame domain does the rest. An adversary
tells the two sides apart, asked about songs that it has not learnt from: AUC .5 is no trace. Where no voice is
stretched, it is what the way through 22.05 kHz and 16 bits leaves; where one is heard, nothing of how several meet.
The last line is JSON.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import soundfile
import torch

from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music import host
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.errors import run_script
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.mashup.adversary import Adversary, adversarial_auc, features_of, match_lengths
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.scoring.predict import file_log_mel

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)
# Share of the voices that is stretched, and the voices that are heard; a stem of the bass is never silent
CASES = ((0.0, STEMS), (0.5, STEMS), (1.0, STEMS), (1.0, ("bass",)))
VARIANTS = (0.9, 1.1)
FOLDS, SONGS_A_FOLD = 2, 4
SHOWN = 4


def main() -> None:
    """Mix, play, tell apart, print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="vocoder-") as folder:
        scratch = Path(folder)
        data = options.data or scratch / "data"
        if not options.data:
            write_competition(data, songs=FOLDS * SONGS_A_FOLD, seconds=8.0, mashups=1)
        stems = bank_build.build("messy_mashup", data, scratch / "stems")
        _write_variants(stems, scratch / "stretched")
        (scratch / "stretched" / "ESC-50-master").symlink_to((data / "ESC-50-master").resolve())
        variants = bank_build.build("messy_mashup", scratch / "stretched", scratch / "variants")
        figures = {}
        for share, voices in CASES:
            plans = [_plan(number, share, voices) for number in range(options.mashups)]
            for way, told in _traces(stems, variants, data, scratch, plans).items():
                name = f"{', '.join(voices)}; {share:.0%} of the voices stretched; played from {way}"
                figures[name] = _figures(told)
                _show(name, told)
    print(json.dumps({"benchmark": "vocoder_traces", "mashups_a_side": options.mashups, **figures}))


def _traces(
    stems: Bank, variants: Bank, data: Path, scratch: Path, plans: list[host.MashupPlan]
) -> dict[str, Adversary]:
    """How well the host's mashups are told from those played, from the stems and, where any is stretched, variants."""
    folds = np.arange(len(plans)) % FOLDS
    mixed = [_mixed(plan, data, scratch / "mashup.wav") for plan in plans]
    ways = {"stems": (stems, (1.0,))}
    if any(part.rate != 1.0 for plan in plans for part in plan.parts):
        ways["variants"] = (variants, VARIANTS)
    found = {}
    for way, (bank, rates) in ways.items():
        player = MashupPlayer(bank, SPEC)
        played = [player.whole_log_mel(_arrangement(bank, plan, rates), "peak") for plan in plans]
        sides = match_lengths(played, mixed, SPEC)
        found[way] = adversarial_auc(*(features_of(side, SPEC, folds).without_length() for side in sides))
    return found


def _show(name: str, told: Adversary) -> None:
    print(f"{name}: AUC {told.auc:.3f} ({told.interval[0]:.3f} to {told.interval[1]:.3f})")
    print(told.telling.head(2 * SHOWN).round(3).to_string(index=False))
    print(told.families.head(SHOWN).round(3).to_string(index=False), flush=True)


def _plan(number: int, share: float, voices: tuple[str, ...]) -> host.MashupPlan:
    """A mashup of songs of its fold alone, without noise; the other voices have a gain of 0."""
    numbers = replace(host.Numbers(), stretched=share, whole=1.0, noisy=0.0)
    fold, genre = number % FOLDS, list(GENRES)[number // FOLDS % len(GENRES)]
    songs = range(fold * SONGS_A_FOLD, (fold + 1) * SONGS_A_FOLD)
    plan = host.draw_plan(number, genre, True, songs, [], np.random.default_rng(number), numbers)
    pairs = zip(plan.parts, STEMS, strict=True)
    return replace(plan, parts=tuple(part if stem in voices else replace(part, gain=0.0) for part, stem in pairs))


def _mixed(plan: host.MashupPlan, data: Path, path: Path) -> torch.Tensor:
    """The host's mashup as a file of the test would be heard."""
    wave = host.mix_mashup(plan, data, 0, 0.0)  # seed and seconds are those of new songs, which there are not
    soundfile.write(path, np.round(wave * 32767).astype(np.int16), host.MASHUP_HZ)
    return file_log_mel(path, SPEC)


def _arrangement(bank: Bank, plan: host.MashupPlan, variants: tuple[float, ...]) -> Arrangements:
    """The same mashup for the player; a stretched voice is read from the variant that is nearest to its rate."""
    row = {name: number for number, name in enumerate(bank.index["clip"])}
    clips, rates = [], []
    for part, stem in zip(plan.parts, STEMS, strict=True):
        nearest = 1.0 if part.rate == 1.0 else min(variants, key=lambda rate, own=part.rate: abs(rate - own))
        clips.append(row[f"{_song(plan.genre, part.song, nearest)}/{stem}"])
        rates.append(part.rate / nearest)
    length_s = bank.index["length"].iloc[clips].to_numpy() / bank.sample_rate_hz / rates
    voices, none = np.zeros((1, len(clips))), np.zeros((1, 0))
    return Arrangements(
        label=np.zeros(1, np.int64),
        length_s=np.array([length_s.min()]),
        heard_at=np.zeros(1),
        high_pass_hz=np.zeros(1),
        low_pass_hz=np.zeros(1),
        voice_clip=np.array([clips]),
        voice_offset_s=voices,
        voice_rate=np.array([rates]),
        voice_gain=np.array([[part.gain for part in plan.parts]]),
        burst_clip=none.astype(np.int64),
        burst_offset_s=none,
        burst_at_s=none,
        burst_length_s=none,
        burst_fade_s=none,
        burst_gain=none,
    )


def _write_variants(stems: Bank, root: Path) -> None:
    """Every stem at rate 1 and at each of VARIANTS, as songs of a data set."""
    import librosa

    for number, clip in stems.index[stems.index["kind"] == "stem"].iterrows():
        genre, song = clip["label"], int(clip["group"].rpartition(".")[2])
        for rate in (1.0, *VARIANTS):
            wave = stems.wave(number)
            wave = wave if rate == 1.0 else librosa.effects.time_stretch(wave, rate=rate)
            path = root / "genres_stems" / genre / _song(genre, song, rate) / f"{clip['part']}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wave, stems.sample_rate_hz, subtype="FLOAT")


def _song(genre: str, number: int, rate: float) -> str:
    """Songs of the variants are numbered from 10,000 times their place."""
    place = 0 if rate == 1.0 else 1 + VARIANTS.index(rate)
    return f"{genre}.{10_000 * place + number:05d}"


def _figures(told: Adversary) -> dict[str, object]:
    return {
        "auc": round(told.auc, 4),
        "interval": [round(bound, 4) for bound in told.interval],
        "telling": told.telling["feature"].head(SHOWN).tolist(),
        "families": told.families["family"].head(SHOWN).tolist(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a demo competition with eight songs a genre (default: made)")
    parser.add_argument("--mashups", type=int, default=300, help="a side")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
