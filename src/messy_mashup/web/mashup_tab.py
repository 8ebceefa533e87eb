"""The tab where a mashup is put together: it is heard, and its genres are shown beside those of the one before."""

from typing import NamedTuple

import gradio as gr
import numpy as np

from messy_mashup.errors import UserError
from messy_mashup.web.hearing import Ears
from messy_mashup.web.listen_tab import HEARING
from messy_mashup.web.mashup_by_hand import NO_NOISE, RATES, Choice, Desk, Voice
from messy_mashup.web.pictures import change, spectrogram
from messy_mashup.web.sentences import Changes, guarded

ANY = "any genre"
ABOUT = "A song for each voice, at a tempo of its own (1: as recorded), and a noise (level 1: as loud as the music)."
FULL_SCALE = 32_000


class _VoiceRow(NamedTuple):
    """The components of a voice, in the order of Voice's fields."""

    genre: gr.Dropdown
    song: gr.Dropdown
    rate: gr.Slider
    on: gr.Checkbox


class MashupTab:
    """The components, and what happens when somebody uses them. Made within a gr.Tab."""

    def __init__(self, ears: Ears, desk: Desk) -> None:
        self.ears, self.desk = ears, desk
        gr.Markdown(ABOUT)
        first = desk.drawn(seed=0, genre=desk.genres[0])
        self.rows = [self._voice_row(part, voice) for part, voice in first.voices.items()]
        with gr.Row(elem_classes="voice"):
            self.noise = gr.Dropdown([NO_NOISE, *desk.noises()], value=NO_NOISE, label="Noise", min_width=140)
            self.gain = gr.Slider(0.05, 1.0, 0.4, step=0.05, label="Noise level", min_width=140)
        with gr.Row(equal_height=True):
            genres = [(f"of {genre}", genre) for genre in (ANY, *desk.genres)]
            self.of_genre = gr.Dropdown(
                genres, value=ANY, label="Genre at random", container=False, show_label=False, min_width=140
            )
            self.random = gr.Button("Choose at random", elem_id="random", min_width=140)
            self.make = gr.Button("Make it and listen", variant="primary", elem_id="make", min_width=140)
        self.told = gr.Markdown(elem_id="made_told")
        self.sound = gr.Audio(
            label="The mashup", interactive=False, buttons=["download"], elem_id="made", visible=False
        )
        self.bars = gr.HTML(elem_id="change")
        self.picture = gr.HTML(elem_id="made_spectrogram")
        self.before = gr.State(None)
        self._connect()

    def _voice_row(self, part: str, voice: Voice) -> _VoiceRow:
        genres, songs = list(self.desk.genres), self.desk.songs(voice.genre)
        with gr.Row(elem_classes="voice", elem_id=f"voice_{part}"):
            on = gr.Checkbox(voice.on, label=part.capitalize(), min_width=100, scale=1, elem_classes="voice_on")
            genre = gr.Dropdown(genres, value=voice.genre, label="Genre", min_width=120, scale=2)
            song = gr.Dropdown(songs, value=voice.song, label="Song", min_width=140, scale=2)
            rate = gr.Slider(*RATES, 1.0, step=0.01, label="Tempo", min_width=160, scale=3)
        return _VoiceRow(genre, song, rate, on)

    def _connect(self) -> None:
        private = {"api_visibility": "private"}
        cells = [cell for row in self.rows for cell in row]
        for row in self.rows:
            row.genre.input(self.songs, row.genre, row.song, queue=False, show_progress="hidden", **private)
        drawn = [*cells, self.noise, self.gain]
        self.random.click(self.drawn, self.of_genre, drawn, queue=False, show_progress="hidden", **private)
        self.make.click(
            self.made,
            [self.before, self.noise, self.gain, *cells],
            [self.told, self.sound, self.bars, self.picture, self.before],
            show_progress_on=self.told,
            concurrency_id=HEARING,
            **private,
        )

    def songs(self, genre: str) -> gr.Dropdown:
        """The songs to choose from."""
        songs = self.desk.songs(genre)
        return gr.Dropdown(songs, value=songs[0] if songs else None)

    def drawn(self, genre: str) -> Changes:
        """A mashup at random, every voice on."""
        choice = self.desk.drawn(int(np.random.default_rng().integers(1 << 32)), None if genre == ANY else genre)
        shown = {self.noise: choice.noise, self.gain: choice.noise_gain}
        for row, voice in zip(self.rows, choice.voices.values(), strict=True):
            songs = gr.Dropdown(self.desk.songs(voice.genre), value=voice.song)
            shown |= {row.genre: voice.genre, row.song: songs, row.rate: voice.rate, row.on: voice.on}
        return shown

    def refused(self, sentence: str) -> Changes:
        """In place of a mashup; the next is compared with the last that was made."""
        return {self.told: sentence, self.sound: gr.Audio(None, visible=False), self.bars: "", self.picture: ""}

    @guarded(refused)
    def made(self, before: dict[str, float] | None, noise: str, gain: float, *cells: str | float | bool) -> Changes:
        """The mashup to listen to, and what is made of it beside the one before."""
        width = len(_VoiceRow._fields)
        voices = [Voice(*cells[start : start + width]) for start in range(0, len(cells), width)]
        if any(voice.song is None for voice in voices if voice.on):
            raise UserError("a voice has no song: choose one, or turn the voice off")
        wave = self.desk.wave(Choice(dict(zip(self.desk.parts, voices, strict=True)), noise, gain))
        impression = self.ears.wave(wave, "the mashup")
        likely = impression.by_class()
        best = max(likely, key=likely.__getitem__)
        was = f"; for the one before {best} had {before[best]:.0%}" if before else ""
        sound = (self.desk.bank.sample_rate_hz, (wave * FULL_SCALE).astype(np.int16))
        return {
            self.told: f"**{best}** ({likely[best]:.0%}){was}",
            self.sound: gr.Audio(sound, visible=True),
            self.bars: change(before, likely),
            self.picture: spectrogram(impression),
            self.before: likely,
        }
