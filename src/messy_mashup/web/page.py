"""The page as Gradio lays it out, and what happens when somebody does something on it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from messy_mashup.errors import UserError
from messy_mashup.web.found_stems import LONGEST_S, Matcher
from messy_mashup.web.hearing import Ears
from messy_mashup.web.limits import Limits
from messy_mashup.web.mashup_by_hand import SILENT, Choice, Desk
from messy_mashup.web.pictures import change, genre_over_time, spectrogram

TITLE = "Messy Mashup: what genre is it?"
STYLE = """
.gradio-container { max-width: 60rem !important; margin: auto; }
#told, #made_told { min-height: 1.5em; font-size: 1.1rem; }
#told .wrong, #made_told .wrong { color: #b00020; }
"""
FONTS = ["system-ui", "sans-serif"]  # of the reader's own: nothing is fetched from elsewhere
KEPT_S = 600  # made mashups are removed after that; uploads at once


@dataclass(frozen=True)
class Page:
    """What the page is about: a blend's ears and, where there is a bank, its stems."""

    ears: Ears
    limits: Limits
    desk: Desk | None = None
    matcher: Matcher | None = None

    def heard(self, upload: str | None, search: bool) -> tuple[Any, ...]:
        """told, probabilities, spectrogram, genre over time, stems, and the emptied input, for an upload."""
        if upload is None:
            return _wrong("drop a file or record something first"), *_nothing(), None
        path = Path(upload)
        try:
            self.limits.refuse(path)
            wave, impression = self.ears.file(path)
            stems = self.matcher.found(wave) if search and self.matcher else None
        except UserError as error:
            return _wrong(str(error).replace(str(path), path.name)), *_nothing(), None
        finally:
            _remove(path)
        likely = impression.by_class()
        best = max(likely, key=likely.__getitem__)
        told = f"**{best}** ({likely[best]:.0%}) — {_plain(path.name)}, {impression.length_s:.1f} s"
        if stems is not None:
            told += f"; {len(stems)} known stems found"
        table = gr.Dataframe(stems, visible=stems is not None)
        return told, likely, spectrogram(impression), genre_over_time(impression), table, None

    def made(
        self, before: dict[str, float] | None, rate: float, noise: str, gain: float, *songs: str
    ) -> tuple[Any, ...]:
        """told, sound, change, spectrogram and the probabilities to compare the next with, for a mashup by hand."""
        try:
            wave = self.desk.wave(Choice(dict(zip(self.desk.parts, songs, strict=True)), rate, noise, gain))
            impression = self.ears.wave(wave, "the mashup")
        except UserError as error:
            return _wrong(str(error)), None, None, None, before
        likely = impression.by_class()
        best = max(likely, key=likely.__getitem__)
        told = f"**{best}** ({likely[best]:.0%})"
        if before:
            told += f"; for the one before {best} had {before[best]:.0%}"
        sound = (self.desk.bank.sample_rate_hz, (wave * 32_000).astype(np.int16))
        return told, sound, change(before, likely), spectrogram(impression), likely

    def drawn(self, genre: str) -> tuple[Any, ...]:
        """Tempo, noise, its level, and a song for each part, at random."""
        choice = self.desk.drawn(genre, int(np.random.default_rng().integers(1 << 32)))
        songs = [gr.Dropdown([SILENT, *self.desk.songs(genre)], value=choice.songs[part]) for part in self.desk.parts]
        return choice.rate, choice.noise, choice.noise_gain, *songs

    def blocks(self) -> gr.Blocks:
        """The page, ready to be launched."""
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as blocks:
            gr.Markdown(f"# {TITLE}\n{self._about()}")
            with gr.Tab("Listen"):
                self._listening()
            with gr.Tab("Make a mashup"):
                self._making()
        return blocks.queue(max_size=16, default_concurrency_limit=1)

    def _about(self) -> str:
        genres = ", ".join(self.ears.classes)
        return (
            f"It knows {len(self.ears.classes)} genres and answers with one of them, whatever it hears: {genres}. "
            f"At most {self.limits.megabytes:g} MB and {self.limits.minutes:g} minutes. Nothing that you give is kept."
        )

    def _listening(self) -> None:
        audio = gr.Audio(sources=["upload", "microphone"], type="filepath", label="A song or a mashup", elem_id="audio")
        search = gr.Checkbox(
            False,
            label=f"Look for stems of the data set too (clips up to {LONGEST_S:g} s, takes longer)",
            visible=bool(self.matcher),
        )
        if not self.matcher:
            gr.Markdown("There is no bank of stems beside the model, so known stems cannot be looked for.")
        ask = gr.Button("What genre is it?", variant="primary", elem_id="ask")
        told = gr.Markdown(elem_id="told")
        likely = gr.Label(num_top_classes=5, label="Probability of each genre", show_heading=False, elem_id="likely")
        over_time = gr.HTML(elem_id="over_time")
        picture = gr.HTML(elem_id="spectrogram")
        stems = gr.Dataframe(label="Known stems in it", visible=False, interactive=False, elem_id="stems")
        outputs = [told, likely, picture, over_time, stems, audio]
        ask.click(self.heard, [audio, search], outputs, api_name="listen", show_progress_on=likely)

    def _making(self) -> None:
        if not self.desk:
            gr.Markdown(
                "There is no bank of stems beside the model: build one with build.py, and name its data with --data."
            )
            return
        desk, first = self.desk, self.desk.drawn(self.desk.genres[0], seed=0)
        genre = gr.Dropdown(list(desk.genres), value=desk.genres[0], label="Genre of the songs", elem_id="genre")
        with gr.Row():
            songs = [
                gr.Dropdown(
                    [SILENT, *desk.songs(desk.genres[0])],
                    value=first.songs[part],
                    label=part.capitalize(),
                    min_width=140,
                )
                for part in desk.parts
            ]
        with gr.Row():
            rate = gr.Slider(0.8, 1.25, 1.0, step=0.01, label="Tempo (1: as recorded)", min_width=140)
            noise = gr.Dropdown([SILENT, *desk.noises()], value=SILENT, label="Noise", min_width=140)
            gain = gr.Slider(0.05, 1.0, 0.4, step=0.05, label="Noise level (1: as loud as the music)", min_width=140)
        with gr.Row():
            random = gr.Button("Choose at random", elem_id="random")
            make = gr.Button("Make it and listen", variant="primary", elem_id="make")
        told = gr.Markdown(elem_id="made_told")
        sound = gr.Audio(label="The mashup", interactive=False, buttons=["download"], elem_id="made")
        bars = gr.HTML(elem_id="change")
        picture = gr.HTML(elem_id="made_spectrogram")
        before = gr.State(None)
        drawn = [rate, noise, gain, *songs]
        random.click(self.drawn, genre, drawn, api_name=False)
        genre.change(self.drawn, genre, drawn, api_name=False)
        make.click(
            self.made, [before, *drawn], [told, sound, bars, picture, before], api_name=False, show_progress_on=sound
        )


def launched(page: Page, host: str, port: int, **options: Any) -> tuple[gr.Blocks, str]:
    """Start serving; the blocks, to be closed, and the address."""
    blocks = page.blocks()
    theme = gr.themes.Soft(font=FONTS, font_mono=["monospace"])
    _, address, _ = blocks.launch(
        server_name=host,
        server_port=port,
        max_file_size=f"{page.limits.megabytes:g}mb",
        share=False,
        quiet=True,
        ssr_mode=False,
        theme=theme,
        css=STYLE,
        footer_links=[],
        **options,
    )
    return blocks, address


def _nothing() -> tuple[Any, ...]:
    """In place of probabilities, pictures and stems."""
    return None, None, None, gr.Dataframe(visible=False)


def _wrong(sentence: str) -> str:
    return f'<span class="wrong" role="alert">{_plain(sentence)}</span>'


def _plain(text: str) -> str:
    """Text of a user's own, such as a file's name, as text and nothing else."""
    return "".join(f"&#{ord(letter)};" if letter in "<>&*_`[]()#!|~\\\"'" else letter for letter in text)


def _remove(upload: Path) -> None:
    """The upload with its folder in Gradio's cache, which holds nothing else."""
    upload.unlink(missing_ok=True)
    if not any(upload.parent.iterdir()):
        shutil.rmtree(upload.parent, ignore_errors=True)
