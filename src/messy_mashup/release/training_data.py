"""What a release was trained on, as its card tells it: the corpus, how much of it, and whether it is music at all."""

import re
from dataclasses import dataclass
from pathlib import Path

from messy_mashup.data import corpora
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music import is_demo
from messy_mashup.data.demo_music.competition import Parameters, noise_table
from messy_mashup.errors import UserError
from messy_mashup.training.validation_waves import bank_of


@dataclass(frozen=True)
class TrainingData:
    """The data behind a member; counts are None where the bank is not there any more."""

    corpus: str
    about: str  # what the corpus is, and its source and licence
    is_synthetic: bool  # made by this project's synthesiser
    songs: int | None = None
    clips: int | None = None  # stems, or whole songs
    noises: int | None = None
    minutes: float | None = None  # of stems or whole songs

    @classmethod
    def of(cls, member: Path, corpus: str, runs: Path, data: Path | None = None) -> "TrainingData":
        """The data that a member was trained on, from its bank, or the data set's folder `data` where that is gone.

        UserError where neither tells whether it was music.
        """
        if data and not data.is_dir():
            raise UserError(f"there is no folder {data}: give the folder of the data set with --data")
        try:
            bank = bank_of(member, runs)
        except UserError as error:
            if data is None:
                raise UserError(
                    f"{error}; or, for the card alone, name the folder of the data set with --data"
                ) from error
            return cls(corpus, _about(corpus), is_demo(data))
        songs = bank.index[bank.index["kind"] == "stem"]
        return cls(
            corpus,
            _about(corpus),
            _was_made_here(bank) or (data is not None and is_demo(data)),
            int(songs["group"].nunique()),
            len(songs),
            int((bank.index["kind"] == "noise").sum()),
            float(songs["length"].sum()) / bank.sample_rate_hz / 60,
        )


def _was_made_here(bank: Bank) -> bool:
    """Whether the bank is of a competition that write_competition made: by its folder, where that is still there, or by
    the names of its noise clips, which travel with the bank and are no names of ESC-50's.
    """
    if is_demo(Path(bank.source)):
        return True
    noises = bank.index.loc[bank.index["kind"] == "noise", "path"].map(lambda path: Path(path).name)
    parameters = Parameters(genres=(), songs=0, seconds=0.0, noises=len(noises), mashups=0, seed=0)
    return len(noises) > 0 and set(noises) == set(noise_table(parameters)["filename"])


def _about(corpus: str) -> str:
    """The first line and the paragraph on the source of the corpus file's docstring, each as one line."""
    paragraphs = (corpora.load(corpus).__doc__ or "").strip().split("\n\n")
    told = [paragraphs[0], *(part for part in paragraphs[1:] if part.startswith("Source:"))]
    return " ".join(re.sub(r"\s+", " ", part) for part in told)
