"""A mashup that somebody puts together: a song for each part, one tempo, one noise."""

from dataclasses import dataclass

import numpy as np

from messy_mashup.data.bank import Bank
from messy_mashup.data.survey import noise_name
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.render import render

SILENT = "—"  # of a part or of the noise: none
LONGEST_S = 15.0
LEAST_S = 0.5


@dataclass(frozen=True)
class Choice:
    """songs: by part, or SILENT. noise_gain: of the music's peak, the noise clip being set to peak 1."""

    songs: dict[str, str]
    rate: float = 1.0
    noise: str = SILENT
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

    def drawn(self, genre: str, seed: int) -> Choice:
        """A choice at random: another song for each part, as far as there are."""
        random = np.random.default_rng(seed)
        songs = random.permutation(self.songs(genre))
        by_part = {part: str(songs[place % len(songs)]) for place, part in enumerate(self.parts)}
        noise = str(random.choice(self.noises())) if self._noise else SILENT
        return Choice(
            by_part, round(float(random.uniform(0.9, 1.1)), 2), noise, round(float(random.uniform(0.1, 0.8)), 2)
        )

    def wave(self, choice: Choice) -> np.ndarray:
        """The mashup: float32 (samples,) at the bank's rate and peak 1. UserError where nothing is chosen or known."""
        songs = {part: song for part, song in choice.songs.items() if song and song != SILENT}
        if not songs:
            raise UserError("every part is silent: choose a song for one of them at least")
        missing = [f"{song} ({part})" for part, song in songs.items() if (song, part) not in self._stem]
        missing += [choice.noise] if choice.noise != SILENT and choice.noise not in self._noise else []
        if missing:
            raise UserError(f"the bank has no {', '.join(missing)}: choose another")
        wave = render(self.bank, self._arrangement(songs, choice), 0, "peak")
        if not np.abs(wave).max() > 0:
            raise UserError("the stems that are chosen are silent there: choose others")
        return wave

    def _arrangement(self, songs: dict[str, str], choice: Choice) -> Arrangements:
        clips = np.array([self._stem[song, part] for part, song in songs.items()])
        length_s = self.bank.index["length"].to_numpy()[clips] / self.bank.sample_rate_hz / choice.rate
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
            voice_rate=choice.rate * voices,
            voice_gain=voices,
            burst_clip=np.array([[noise]]),
            burst_offset_s=np.zeros((1, 1)),
            burst_at_s=np.zeros((1, 1)),
            burst_length_s=np.full((1, 1), heard_s),
            burst_fade_s=np.zeros((1, 1)),
            burst_gain=np.full((1, 1), choice.noise_gain),
        )
