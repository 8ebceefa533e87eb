"""Sound in a notebook: titled players, one below the other, with their log-mels where these are wanted."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np

from messy_mashup.data.audio import read_mono
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.scoring.plots import draw_spectrograms
from messy_mashup.scoring.predict import file_log_mel


def listen(clips: Mapping[str, np.ndarray], sample_rate_hz: int) -> None:
    """Show a player for every wave (samples,) or (samples, channels), under its title, as loud as it is.

    A notebook keeps what it plays: 16 bits a sample, 0.9 MB for 30 s at 16 kHz.
    """
    from IPython.display import HTML, Audio, display

    for title, wave in clips.items():
        display(HTML(f"<b>{escape(title)}</b>"))
        # silence can be played too; above 1 the player would refuse the wave
        level = max(1.0, float(np.abs(wave).max(initial=0.0)))
        display(Audio(np.asarray(wave).T / level, rate=sample_rate_hz, normalize=False))


def show(files: Mapping[str, Path], spec: FrameSpec) -> None:
    """Play titled audio files, and show their log-mels one above the other; a silent one has a player only."""
    from IPython.display import display

    listen({title: read_mono(path, spec.sample_rate_hz) for title, path in files.items()}, spec.sample_rate_hz)
    panels = []
    for title, path in files.items():
        try:
            panels.append((title, file_log_mel(path, spec).numpy()))
        except UserError as error:
            print(error)
    display(draw_spectrograms(panels, spec.hop / spec.sample_rate_hz))
