"""The stems of a data set's test mashups, and what they say about genres: found, calibrated on probes, and scored.

Probes are the validation mashups. Each is searched with the songs of its fold kept from the search, as a member of that
fold has never heard them: so the matcher has held-out predictions like any member. A sample of them is searched with
all songs: so it is known how many of the stems that are there are found, and how sure a find is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.validation import Plan
from messy_mashup.recipe import BurstLevel
from messy_mashup.scoring.match_likelihood import Sureness, log_likelihoods
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.search.match_finds import Heard, Way, find_all

FOUND = "found"  # the folder of what was found, kept for the next call


@dataclass(frozen=True)
class Job:
    """What is searched: test mashups by id and file, and the validation mashups of a plan."""

    bank: Bank
    plan: Plan
    burst_level: BurstLevel  # of the validation mashups
    id: np.ndarray  # (mashups,) of the test
    files: Sequence[Path]
    digest: str  # of the test mashups, their sound included
    folder: Path
    way: Way
    probes: int
    seed: int


@dataclass(frozen=True)
class Probes:
    """Mashups whose songs are known, and what was looked at in them.

    truth: a row a voice: id, fold, song, part, rate. matches: columns of find_all, fold, and `right`: whether the stem
    is of a song of the mashup.
    """

    id: np.ndarray
    truth: pd.DataFrame
    matches: pd.DataFrame


@dataclass(frozen=True)
class Outcome:
    """test: the test's matches with `probability`, that each stem is there. known, held_out: probes with all songs and
    with their own songs kept from the search. scored, oof: genres' log-likelihoods of test and validation mashups.
    """

    sureness: Sureness
    test: pd.DataFrame
    known: Probes
    held_out: Probes
    scored: Predictions
    oof: Predictions


def run(job: Job) -> Outcome:
    """Search the test mashups and the probes, and calibrate. What was searched by an earlier call is not again."""
    if job.probes < 1:
        raise UserError("without probes of known songs nothing tells how sure a find is: give some with --probes")
    tested = [Heard(name, file) for name, file in zip(job.id.tolist(), job.files, strict=True)]
    card = {"test": job.digest, "ids": job.id.tolist()}
    test = find_all(tested, job.bank, job.folder / FOUND / "test", card, job.way, "the test")
    held_out = _probed(job, _validation(job), "held_out", "mashups of other songs")
    known = _probed(job, _sampled(_validation(job), job.probes, job.seed), "known", "mashups of known songs")
    sureness = _sureness([known, held_out])
    classes = np.array(job.plan.classes)
    likelihood = log_likelihoods(_numbered(test, job.id, classes), len(job.id), sureness, _shares(job))
    unknown = np.full(len(job.id), NO_LABEL)
    scored = Predictions(job.id, classes, likelihood, np.full(len(job.id), -1), unknown, job.digest)
    probability = sureness.probability(test["significance"].to_numpy(float))
    return Outcome(sureness, test.assign(probability=probability), known, held_out, scored, _oof(job, known, held_out))


@dataclass(frozen=True)
class _Probe:
    heard: Heard
    fold: int
    voices: list[dict[str, str | float]]


def _validation(job: Job) -> list[_Probe]:
    index = job.bank.index
    probes = []
    for fold in range(job.plan.folds.count):
        held_out = job.plan.folds.split(index, fold)[1]
        barred = frozenset(held_out.loc[held_out["kind"] == "stem", "group"])
        ids, mashups = job.plan.mashups(fold)
        for row, name in enumerate(ids.tolist()):
            one = mashups[row : row + 1]
            heard = Heard(name, arrangement=one, burst_level=job.burst_level, barred=barred)
            probes.append(_Probe(heard, fold, _voices(one, index)))
    return probes


def _voices(mashup: Arrangements, index: pd.DataFrame) -> list[dict[str, str | float]]:
    clips = index.iloc[mashup.voice_clip[0][mashup.voice_clip[0] != ABSENT]]
    rates = mashup.voice_rate[0][mashup.voice_clip[0] != ABSENT] * clips["rate"].to_numpy()
    rows = zip(clips["group"], clips["part"], rates.tolist(), strict=True)
    return [{"song": song, "part": part, "rate": rate} for song, part, rate in rows]


def _sampled(probes: list[_Probe], count: int, seed: int) -> list[_Probe]:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(probes))[:count])
    return [replace(probes[number], heard=replace(probes[number].heard, barred=frozenset())) for number in chosen]


def _probed(job: Job, probes: list[_Probe], name: str, title: str) -> Probes:
    ids = [probe.heard.id for probe in probes]
    card = {"plan": job.plan.digest, "burst_level": job.burst_level, "ids": ids}
    matches = find_all([probe.heard for probe in probes], job.bank, job.folder / FOUND / name, card, job.way, title)
    voices = [{"id": probe.heard.id, "fold": probe.fold, **row} for probe in probes for row in probe.voices]
    truth = pd.DataFrame(voices).drop_duplicates(["id", "song", "part"])  # an echo is the same stem once more
    pairs = pd.MultiIndex.from_frame(truth[["id", "song"]])
    right = pd.MultiIndex.from_frame(matches[["id", "song"]]).isin(pairs)
    fold = matches["id"].map(truth.drop_duplicates("id").set_index("id")["fold"])
    return Probes(np.array(ids), truth, matches.assign(right=right, fold=fold.astype(int)))


def _sureness(probes: Sequence[Probes], without_fold: int | None = None) -> Sureness:
    rows = pd.concat([each.matches for each in probes])
    rows = rows[rows["fold"] != without_fold]
    folds = pd.concat([each.truth.drop_duplicates("id")["fold"] for each in probes])
    right = rows["right"].to_numpy(bool)
    return Sureness.of(rows["significance"].to_numpy(float), right, int((folds != without_fold).sum()))


def _oof(job: Job, known: Probes, held_out: Probes) -> Predictions:
    """The held-out predictions: in each fold by what the probes of the other folds tell."""
    classes = np.array(job.plan.classes)
    table = job.plan.validation.sort_values("fold", kind="stable")
    parts = []
    for fold, clips in table.groupby("fold"):
        matches = held_out.matches[held_out.matches["fold"] == fold]
        numbered = _numbered(matches, clips["id"].to_numpy(str), classes)
        sureness = _sureness([known, held_out], without_fold=fold)
        parts.append(log_likelihoods(numbered, len(clips), sureness, _shares(job)))
    label = pd.Index(classes).get_indexer(table["label"])
    ids, folds = table["id"].to_numpy(str), table["fold"].to_numpy()
    return Predictions(ids, classes, np.concatenate(parts), folds, label, job.plan.digest)


def _numbered(matches: pd.DataFrame, ids: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Matches with mashups and labels by their numbers."""
    mashup, label = pd.Index(ids).get_indexer(matches["id"]), pd.Index(classes).get_indexer(matches["label"])
    if (mashup < 0).any() or (label < 0).any():
        raise UserError("what was found is of other mashups or classes: remove the folder of finds and search again")
    return pd.DataFrame({"mashup": mashup, "label": label, "significance": matches["significance"].to_numpy(float)})


def _shares(job: Job) -> np.ndarray:
    """(classes,) of the bank's stems."""
    stems = job.bank.index.loc[job.bank.select("stem"), "label"]
    return stems.value_counts(normalize=True).reindex(job.plan.classes).to_numpy(float)
