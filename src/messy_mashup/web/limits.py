"""What the page takes: sound of some megabytes and minutes, whatever its header claims."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from messy_mashup.data.audio import mono_blocks, read_header
from messy_mashup.errors import UserError

MB = 1_000_000
MOST_CHANNELS = 8  # a block of more would take hundreds of megabytes
FORMATS = "wav, flac, mp3 or ogg"
# Where in a file, and what there tells a video, or its container, from sound
VIDEOS = ((4, b"ftyp"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI "), (0, b"FLV"), (0, b"\x00\x00\x01\xba"))


@dataclass(frozen=True)
class Limits:
    """The largest and the longest file."""

    megabytes: float = 20
    minutes: float = 10

    @property
    def most_bytes(self) -> int:
        """Of one file."""
        return round(self.megabytes * MB)

    @property
    def told_mb(self) -> str:
        """The size in words."""
        return f"{self.megabytes:g} MB at most"

    def wave(self, path: Path, rate_hz: int) -> np.ndarray:
        """A file's wave, float32 (samples,) at that rate; UserError where it is no sound, or beyond the limits.

        Decoding ends at the limit, so memory does too, also for a file that is longer than its header claims.
        """
        self.refuse(path)
        waves, samples = [], 0
        for block in mono_blocks(path, rate_hz):
            waves.append(block)
            samples += len(block)
            if samples > (self.minutes * 60 + 1) * rate_hz:
                raise UserError(f"{path} is longer than {self.minutes:g} min: cut out a part")
        return np.concatenate(waves)

    def refuse(self, path: Path) -> None:
        """UserError where a file is empty, a video, no sound, larger or longer: by its size, beginning and header."""
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"{path} is empty: give a {FORMATS} file")
        if size > self.most_bytes:
            raise UserError(f"{path} has {size / MB:.0f} MB, and this page takes {self.told_mb}: give a shorter clip")
        if _is_video(path):
            raise UserError(f"{path} is a video, or kept like one: save its sound as {FORMATS}, and give that")
        try:
            header = read_header(path)
        except UserError as error:
            raise UserError(f"{error}; this page takes whole {FORMATS} files") from error
        if header.channels > MOST_CHANNELS:
            raise UserError(f"{path} has {header.channels} channels, and this page takes {MOST_CHANNELS} at most")
        minutes = header.frames / header.sample_rate_hz / 60
        if minutes > self.minutes:
            raise UserError(f"{path} is {minutes:.1f} min long, and this page takes {self.minutes:g}: cut out a part")


def _is_video(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    return any(head[place:].startswith(mark) for place, mark in VIDEOS)
