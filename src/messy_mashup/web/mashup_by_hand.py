"""A mashup that somebody puts together: for each part a song, at a tempo of its own, and one noise."""

from dataclasses import dataclass

import numpy as np

from messy_mashup.data.bank import Bank
from messy_mashup.data.survey import noise_name
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.render import render

NO_NOISE = "no noise"
RATES = (0.8, 1.25)  # tempos that can be chosen
LONGEST_S = 15.0
LEAST_S = 0.5


@dataclass(frozen=True)
class Voice:
    """A song's stem of one part. rate: its tempo, above 1 is faster than recorded. on: it is heard."""

    genre: str
    song: str
    rate: float = 1.0
    on: bool = True


@dataclass(frozen=True)
class Choice:
    """voices: by part. noise_gain: of the music's peak, the noise clip being set to peak 1."""

    voices: dict[str, Voice]
    noise: str = NO_NOISE
    noise_gain: float = 0.4


class Desk:
    """The stems and noises of a bank, by names that a person can choose."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        index = bank.index
        stems, noises = (index.iloc[bank.select(kind)] for kind in ("stem", "noise"))
        self.genres, self.parts = bank.classes, tuple(dict.fromkeys(stems["part"]))
        self._stem = dict(zip(zip(stems["group"], stems["part"], strict=True), stems.index, strict=True))
        self._genre = dict(zip(stems["group"], stems["label"], strict=True))
        names = noises["label"].map(noise_name) + " (" + noises["clip"] + ")"
        self._noise = dict(zip(names, noises.index, strict=True))

    def songs(self, genre: str) -> list[str]:
        """The songs of a genre."""
        return sorted(song for song, label in self._genre.items() if label == genre)

    def noises(self) -> list[str]:
        """The noise clips."""
        return sorted(self._noise)

    def drawn(self, seed: int, genre: str | None = None) -> Choice:
        """A choice at random, of one genre: another song for each part, as far as there are."""
        random = np.random.default_rng(seed)
        genre = genre or str(random.choice(self.genres))
        songs, rates = random.permutation(self.songs(genre)), random.uniform(0.9, 1.1, len(self.parts)).round(2)
        voices = [Voice(genre, str(songs[place % len(songs)]), float(rate)) for place, rate in enumerate(rates)]
        noise = str(random.choice(self.noises())) if self._noise else NO_NOISE
        return Choice(dict(zip(self.parts, voices, strict=True)), noise, round(float(random.uniform(0.1, 0.8)), 2))

    def wave(self, choice: Choice) -> np.ndarray:
        """The mashup: float32 (samples,) at the bank's rate and peak 1. UserError where nothing is chosen or known."""
        voices = {part: voice for part, voice in choice.voices.items() if voice.on}
        if not voices:
            raise UserError("every voice is off: turn one of them on at least")
        missing = [f"{one.song} ({part})" for part, one in voices.items() if (one.song, part) not in self._stem]
        missing += [choice.noise] if choice.noise != NO_NOISE and choice.noise not in self._noise else []
        if missing:
            raise UserError(f"the bank has no {', '.join(missing)}: choose another")
        if not all(RATES[0] <= one.rate <= RATES[1] for one in voices.values()) or not 0 <= choice.noise_gain <= 1:
            raise UserError(f"tempos are from {RATES[0]:g} to {RATES[1]:g}, and levels from 0 to 1: choose others")
        wave = render(self.bank, self._arrangement(voices, choice), 0, "peak")
        if not np.abs(wave).max() > 0:
            raise UserError("the stems that are chosen are silent there: choose others")
        return wave

    def _arrangement(self, chosen: dict[str, Voice], choice: Choice) -> Arrangements:
        clips = np.array([self._stem[voice.song, part] for part, voice in chosen.items()])
        rates = np.array([voice.rate for voice in chosen.values()])
        length_s = self.bank.index["length"].to_numpy()[clips] / self.bank.sample_rate_hz / rates
        heard_s = float(np.clip(length_s.min(), LEAST_S, LONGEST_S))
        noise = self._noise.get(choice.noise, ABSENT)
        one, voices = np.ones(1), np.ones((1, len(clips)))
        return Arrangements(
            label=np.zeros(1, int),
            length_s=heard_s * one,
            heard_at=0 * one,
            high_pass_hz=0 * one,
            low_pass_hz=0 * one,
            voice_clip=clips[None],
            voice_offset_s=0 * voices,
            voice_rate=rates[None],
            voice_gain=voices,
            burst_clip=np.array([[noise]]),
            burst_offset_s=np.zeros((1, 1)),
            burst_at_s=np.zeros((1, 1)),
            burst_length_s=np.full((1, 1), heard_s),
            burst_fade_s=np.zeros((1, 1)),
            burst_gain=np.full((1, 1), choice.noise_gain),
        )
