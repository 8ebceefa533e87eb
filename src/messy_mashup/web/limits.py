"""What the page takes: files of some megabytes and minutes, told apart before anything is decoded."""

from dataclasses import dataclass
from pathlib import Path

from messy_mashup.data.audio import read_header
from messy_mashup.errors import UserError

MB = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The largest and the longest file."""

    megabytes: float = 20
    minutes: float = 10

    def refuse(self, path: Path) -> None:
        """UserError where a file is larger or longer, by its size and its header."""
        megabytes = path.stat().st_size / MB
        if megabytes > self.megabytes:
            raise UserError(
                f"{path} has {megabytes:.0f} MB, and this page takes {self.megabytes:g}: give a shorter clip"
            )
        header = read_header(path)
        minutes = header.frames / header.sample_rate_hz / 60
        if minutes > self.minutes:
            raise UserError(f"{path} is {minutes:.0f} min long, and this page takes {self.minutes:g}: cut out a part")
