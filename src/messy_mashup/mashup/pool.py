"""What mashups may be made of: the clips of a bank, or those of them that a fold may use."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.recipe import MashupRecipe

ABSENT = -1  # in place of a clip number: no such song, variant, voice or burst


@dataclass(frozen=True)
class Tempi:
    """Tempo and bars of the songs that clips belong to, as the bank measured them; 0 where they are not known."""

    bpm: np.ndarray  # (clips of the bank,)
    bar_s: np.ndarray  # when the first bar begins
    confidence: np.ndarray  # of the tempo and the beats, 0 to 1
    bar_confidence: np.ndarray


@dataclass(frozen=True)
class Pool:
    """The clips that mashups may be made of: whole songs by class with variants of their stems, and noise clips."""

    classes: tuple[str, ...]
    songs: np.ndarray  # (classes, most songs of a class, parts) clip numbers; rows past `song_count` are ABSENT
    song_count: np.ndarray  # (classes,)
    noises: np.ndarray  # (noise clips,)
    synthetic: np.ndarray  # (synthetic noise clips,)
    variant_rates: np.ndarray  # (variants,) at which a vocoder has played the stems
    variants: np.ndarray  # (clips of the bank, variants) clip numbers or ABSENT
    length_s: np.ndarray  # (clips of the bank,)
    tempi: Tempi

    @classmethod
    def of(cls, index: pd.DataFrame, sample_rate_hz: int, classes: tuple[str, ...], parts: tuple[str, ...]) -> "Pool":
        """The pool of a bank's index, or of the rows of it that a fold may use (row labels are clip numbers)."""
        songs, song_count = _songs(index[index["kind"] == "stem"], classes, parts)
        clips = int(index.index.max()) + 1

        def column(values: pd.Series) -> np.ndarray:
            filled = np.zeros(clips)
            filled[index.index] = values
            return filled

        tempi = Tempi(*(column(index[name]) for name in ("tempo_bpm", "bar_s", "tempo_confidence", "bar_confidence")))
        return cls(
            classes,
            songs,
            song_count,
            index.index[index["kind"] == "noise"].to_numpy(),
            index.index[index["kind"] == "synthetic"].to_numpy(),
            *_variants(index, clips),
            column(index["length"] / sample_rate_hz),
            tempi,
        )

    def refuse(self, recipe: MashupRecipe) -> None:
        """UserError where the recipe wants clips that are not here."""
        noisy = recipe.noisy > 0 or recipe.bed > 0
        wanted = {
            "noise": (noisy and recipe.synthetic < 1, self.noises, "add ESC-50 or set mashup.noisy=0"),
            "synthetic noise": (
                noisy and recipe.synthetic > 0,
                self.synthetic,
                "run build.py again or set mashup.synthetic=0",
            ),
            "pre-stretched": (
                recipe.vocoded > 0,
                self.variant_rates,
                "build it with --stretched 0.9,0.95,1.05,1.1 or set mashup.vocoded=0",
            ),
        }
        for kind, (is_wanted, clips, remedy) in wanted.items():
            if is_wanted and len(clips) == 0:
                raise UserError(f"the recipe wants {kind} clips and the bank holds none: {remedy}")


def _songs(stems: pd.DataFrame, classes: tuple[str, ...], parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    table = stems.assign(number=stems.index).pivot(index="group", columns="part", values="number")
    label = stems.drop_duplicates("group").set_index("group")["label"].loc[table.index].to_numpy()
    rows = [table.loc[label == name, list(parts)].to_numpy(dtype=np.int64) for name in classes]
    for name, songs in zip(classes, rows, strict=True):
        if len(songs) < len(parts):
            raise UserError(
                f"{name} has {len(songs)} songs here; a mashup of {len(parts)} different songs needs as many: "
                "add songs or use fewer folds"
            )
    songs = np.full((len(classes), max(map(len, rows)), len(parts)), ABSENT)
    for number, row in enumerate(rows):
        songs[number, : len(row)] = row
    return songs, np.array([len(row) for row in rows])


def _variants(index: pd.DataFrame, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """The rates of the stretched variants there are, and the variants of every stem."""
    stretched = index[index["kind"] == "stretched"]
    rates = np.sort(stretched["rate"].unique())
    variants = np.full((clips, len(rates)), ABSENT)
    stems = index[index["kind"] == "stem"]
    stem_number = pd.Series(stems.index, index=pd.MultiIndex.from_frame(stems[["group", "part"]]))
    for place, rate in enumerate(rates):
        of_rate = stretched[stretched["rate"] == rate]
        variants[stem_number.loc[pd.MultiIndex.from_frame(of_rate[["group", "part"]])], place] = of_rate.index
    return rates, variants
