"""The mistakes on a report's page: the pairs of classes taken for each other, and the surest mistakes, to be played."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from messy_mashup.scoring import page
from messy_mashup.scoring.errors import confused_pairs, worst, worst_of_pairs
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.scoring.report_page import Part

TITLE = "Mistakes"
MOST_HEARD = 12  # clips that can be played: the page shall stay small enough to be sent
LONGEST_S = 10.0
HEARD_PAIRS, LISTED_PAIRS, LISTED_CLIPS = 6, 10, 20


@dataclass(frozen=True)
class Sound:
    """How the clips of a report are heard, by their ids."""

    wave: Callable[[str], np.ndarray]  # mono (samples,)
    made_of: Callable[[str], str]
    sample_rate_hz: int


@dataclass(frozen=True)
class Silence:
    """Why they cannot be heard, in a sentence."""

    why: str


def part_of_mistakes(held_out: Predictions, sound: Sound | Silence) -> Part:
    """The most confused pairs with the surest mistakes of each, then the surest mistakes of all."""
    pairs = confused_pairs(held_out)
    if pairs.empty:
        return Part(TITLE, [page.paragraph("There is none.")])
    first = pairs.head(HEARD_PAIRS)
    tables = worst_of_pairs(held_out, first, max(1, MOST_HEARD // len(first)))
    names = [f"{one} and {other}" for one, other in zip(pairs["one"], pairs["other"], strict=True)]
    anchors = {name: f"pair{number}" for number, name in enumerate(names[: len(first)])}
    body = [_pair_table(pairs, names, anchors)]
    match sound:
        case Silence(why):
            body.append(page.paragraph(f"The clips cannot be played here: {why}."))
            links: Mapping[str, str] = {}
        case Sound():
            longest = f"At most {LONGEST_S:g} s of each are heard. What each is made of is told in small print."
            body.append(page.paragraph(f"The surest mistakes of the first {len(first)} pairs. {longest}"))
            for (name, anchor), table in zip(anchors.items(), tables, strict=True):
                body += [page.subheading(name, anchor), *(_clip(row, sound) for row in table.itertuples())]
            links = {
                row.id: f"#{anchor}"
                for anchor, table in zip(anchors.values(), tables, strict=True)
                for row in table.itertuples()
            }
    return Part(TITLE, [*body, page.subheading("The surest of all", "surest"), _worst_table(held_out, links)])


def _pair_table(pairs: pd.DataFrame, names: list[str], anchors: Mapping[str, str]) -> str:
    listed = pairs.head(LISTED_PAIRS)
    rows = pd.DataFrame(
        {
            "pair": names[: len(listed)],
            "first called second": listed["one_as_other"],
            "second called first": listed["other_as_one"],
            "together": listed["together"],
        }
    )
    return page.linked_table(rows, {name: f"#{anchor}" for name, anchor in anchors.items()})


def _clip(row: tuple, sound: Sound) -> str:
    wave = sound.wave(row.id)[: round(LONGEST_S * sound.sample_rate_hz)]
    title = f"{row.true}, called {row.predicted} ({100 * row.p_predicted:.0f} %; {row.true} {100 * row.p_true:.0f} %)"
    return page.clip(page.ogg(wave, sound.sample_rate_hz), title, f"{row.id}: {sound.made_of(row.id)}")


def _worst_table(held_out: Predictions, links: Mapping[str, str]) -> str:
    table = worst(held_out, LISTED_CLIPS)
    rows = pd.DataFrame(
        {
            "clip": table["id"],
            "true": table["true"],
            "called": table["predicted"],
            "probability": table["p_predicted"].map("{:.3f}".format),
            "of the true class": table["p_true"].map("{:.3f}".format),
            "fold": table["fold"],
        }
    )
    return page.linked_table(rows, links)
