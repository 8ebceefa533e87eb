"""What a search for stems came to: told in a table, and drawn on a page with its pictures beside it."""

from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.audio import audio_length
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.scoring import page
from messy_mashup.scoring.match_job import Job, Outcome, Probes
from messy_mashup.scoring.metrics import softmax
from messy_mashup.scoring.plots import Drawing, write_png
from messy_mashup.scoring.plots_of_matches import draw_found_counts, draw_significance, draw_stems, lanes_told
from messy_mashup.scoring.predict import file_log_mel
from messy_mashup.search.wave_check import AGREES

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)
PAGE = "index.html"
STEADY = 0.006  # so near 1 is a rate that a phase vocoder has not yet left out a frame
COUNTS = (
    "Each bar is the share of mashups in which so many stems were found. A test of known and of new songs shows the "
    "pattern of both kinds of probes."
)
SIGNIFICANCE = (
    "Above: stems that were looked at closely, by how many deviations their waves agree with the mashup above the same "
    "stem at other times. Right of the dashed line a stem counts as found. Below: the probability that goes with it."
)


def told(job: Job, outcome: Outcome, show: int) -> str:
    """Some mashups with their stems, then how many were found, as lines of text."""
    lines = []
    for number in range(min(show, len(job.id))):
        lines.append(_title(job, outcome, number))
        lines += lanes_told(_found(outcome.test, job.id[number]))
    lines.append("")
    lines.append(summary(outcome).to_string(index=False))
    return "\n".join(lines)


def summary(outcome: Outcome) -> pd.DataFrame:
    """The test, and probes of known and of other songs, a row each: how many stems were found, and how many wrong."""
    rows = [
        _summed("test mashups", outcome.scored.id, outcome.test, ""),
        _summed("probes of known songs", outcome.known.id, outcome.known.matches, len(outcome.known.truth)),
        _summed("probes of other songs", outcome.held_out.id, outcome.held_out.matches, 0),
    ]
    return pd.DataFrame(rows)


def recall(probes: Probes) -> pd.DataFrame:
    """How many of the stems that are in known probes were found, by part and by whether they are stretched."""
    found = probes.matches[probes.matches["found"]]
    truth = probes.truth.merge(found[["id", "song", "part"]].assign(hit=True), on=["id", "song", "part"], how="left")
    stretched = np.where(np.abs(truth["rate"] - 1) < STEADY, "steady", "stretched")
    table = truth.assign(hit=truth["hit"].notna(), kind=stretched).groupby(["part", "kind"])["hit"]
    return (
        table.agg(["mean", "sum", "size"])
        .reset_index()
        .rename(columns={"mean": "share found", "sum": "found", "size": "there"})
    )


def write_match_page(job: Job, outcome: Outcome, show: int) -> None:
    """Write the page and its pictures into the job's folder; the first `show` test mashups are drawn."""
    known, held_out = outcome.known.matches, outcome.held_out.matches
    groups = {
        "in probes, of the mashup's songs": known.loc[known["right"], "significance"].to_numpy(float),
        "in probes, of others": pd.concat([known.loc[~known["right"]], held_out])["significance"].to_numpy(float),
        "in the test": outcome.test["significance"].to_numpy(float),
    }
    counts = {
        "test": _counts(outcome.scored.id, outcome.test),
        "probes of known songs": _counts(outcome.known.id, known),
        "probes of other songs": _counts(outcome.held_out.id, held_out),
    }
    parts = [
        page.paragraph(
            "Which stems of the data set lie in the test mashups. This works on a closed set only, where a test reuses "
            "the songs that come with it, and says nothing of music that is not there. A competition's rules come "
            "first: nothing uses these finds unless they are named to blend.py."
        ),
        page.table(summary(outcome)),
        page.paragraph(
            "Probes are validation mashups, rendered as a host would. Those of known songs tell how much is found; "
            "those whose songs were kept from the search tell how often something is found that is not there."
        ),
        _drawn(job.folder, "counts.png", draw_found_counts(counts), "bars of the number of stems found", COUNTS),
        page.heading("How sure"),
        _drawn(
            job.folder,
            "significance.png",
            draw_significance(groups, outcome.sureness, AGREES),
            "histograms of significance",
            SIGNIFICANCE,
        ),
        page.heading("How much of what is there is found"),
        page.table(recall(outcome.known).map(lambda value: f"{value:.3f}" if isinstance(value, float) else value)),
        page.heading("Some mashups"),
        *[_mashup(job, outcome, number) for number in range(min(show, len(job.id)))],
    ]
    page.write_page(job.folder / PAGE, f"Stems in the test mashups of {job.bank.root.name}", parts)


def _mashup(job: Job, outcome: Outcome, number: int) -> str:
    path = job.files[number]
    log_mel = file_log_mel(path, SPEC).numpy()
    length_s = audio_length(path, job.bank.sample_rate_hz) / job.bank.sample_rate_hz
    title = _title(job, outcome, number)
    drawing = draw_stems(log_mel, _found(outcome.test, job.id[number]), length_s, title)
    return _drawn(job.folder, f"mashup_{job.id[number]}.png", drawing, title, "")


def _title(job: Job, outcome: Outcome, number: int) -> str:
    name = job.files[number].name
    if _found(outcome.test, job.id[number]).empty:
        return f"{name}: no stem found"
    probability = softmax(outcome.scored.logits[number : number + 1])[0]
    best = int(probability.argmax())
    return f"{name}: {outcome.scored.classes[best]}, by its stems alone {probability[best]:.2%}"


def _found(matches: pd.DataFrame, name: str) -> pd.DataFrame:
    return matches[(matches["id"] == name) & matches["found"]]


def _counts(ids: np.ndarray, matches: pd.DataFrame) -> np.ndarray:
    """How many stems were found in each mashup: (mashups,)."""
    return matches[matches["found"]].groupby("id").size().reindex(ids, fill_value=0).to_numpy()


def _summed(name: str, ids: np.ndarray, matches: pd.DataFrame, there: int | str) -> dict[str, str | int]:
    counts = _counts(ids, matches)
    wrong = int((matches["found"] & ~matches["right"]).sum()) if "right" in matches else ""
    genres = matches[matches["found"]].groupby("id")["label"].nunique()
    return {
        "": name,
        "mashups": len(ids),
        "with a stem": int((counts > 0).sum()),
        "stems found": int(counts.sum()),
        "stems there": there,
        "wrong": wrong,
        "of two genres": int((genres > 1).sum()),
    }


def _drawn(folder: Path, name: str, drawing: Drawing, alt: str, caption: str) -> str:
    return page.figure(write_png(drawing, folder / name), alt, caption)
