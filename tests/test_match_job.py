"""The whole search on a tiny bank: what is known is found, what was held out is not, and each fold is calibrated by the
others.
"""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from banks import RATE_HZ
from example_trees import write_wave
from messy_mashup.errors import UserError
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import FoldRecipe, MashupRecipe
from messy_mashup.scoring import match_job, predictions
from messy_mashup.scoring.match_folder import OOF, TEST, write_outcome
from messy_mashup.scoring.match_job import Job, run
from messy_mashup.scoring.predictions import NO_LABEL
from messy_mashup.search import match_finds, stretched_voices
from messy_mashup.search.match_finds import Way
from mixed_voices import Mixed, mixed, stem, write_sung_corpus

GENRES, SONGS = ("blues", "rock"), 6  # songs 0 to 5 and 6 to 11
MASHUP = MashupRecipe(
    ("drums", "vocals", "other"), length_s=(2.4, 2.4), stretched=0.3, bursts=(1, 1), burst_s=(0.5, 0.8)
)
FOLDS = FoldRecipe(count=2, validation_per_song=1, validation=MASHUP)
TESTED = {
    "0003": [Mixed(7, "drums", offset_s=0.3), Mixed(8, "vocals", offset_s=0.6), Mixed(9, "other")],
    "0001": [Mixed(60, "drums"), Mixed(61, "vocals"), Mixed(62, "other")],
    "0002": [Mixed(1, "drums", offset_s=0.1), Mixed(2, "vocals", gain=0.8), Mixed(90, "bass")],
}
sung = partial(stem, seconds=3.2, slide=1.0)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    bank = write_sung_corpus(root, GENRES, SONGS, sung)
    files = [root / f"song{name}.wav" for name in TESTED]
    for file, voices in zip(files, TESTED.values(), strict=True):
        write_wave(file, 0.9 * mixed(voices, 2.4, sung), RATE_HZ)
    plan = open_plan(bank, FOLDS, root / "folds")
    ids = np.array(list(TESTED))
    return Job(bank, plan, MASHUP.burst_level, ids, files, "digest of the test", root / "match", Way(), 6, 0)


@pytest.fixture(scope="module")
def outcome(job):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretched_voices, "HOPEFUL", 1.5)  # so that enough is looked at that is not there
        return run(job)


def copied(job: Job, folder) -> Job:
    """The same job with a copy of what it found."""
    shutil.copytree(job.folder, folder)
    return replace(job, folder=folder)


def test_most_voices_of_known_probes_are_found_and_hardly_anything_else(outcome, job):
    assert len(outcome.known.id) == job.probes
    assert len(outcome.known.truth) == 3 * job.probes
    found = outcome.known.matches[outcome.known.matches["found"]]
    assert found["right"].sum() >= 0.8 * len(outcome.known.truth)
    assert found["right"].mean() > 0.95


def test_of_held_out_probes_hardly_anything_is_found(outcome, job):
    matches = outcome.held_out.matches
    assert outcome.held_out.id.tolist() == job.plan.validation["id"].tolist()
    assert not matches["right"].any()
    assert matches["found"].sum() <= 1
    for fold in range(job.plan.folds.count):
        held_out = job.plan.folds.split(job.bank.index, fold)[1]
        assert not set(matches.loc[matches["fold"] == fold, "song"]) & set(held_out["group"])


def test_truth_is_what_the_validation_mashups_are_made_of(outcome, job):
    table = job.plan.validation.set_index("id")
    truth = outcome.held_out.truth
    assert len(truth) == 3 * len(table)
    for row in truth.itertuples():
        assert f"{row.song}/{row.part}" in table.loc[row.id, [f"voice{voice}_clip" for voice in range(3)]].tolist()
        assert row.fold == table.loc[row.id, "fold"]
    sampled = outcome.known.truth
    assert sampled.merge(truth).shape == sampled.shape


def test_what_is_found_in_known_probes_tells_their_genre(outcome, job):
    found = outcome.known.matches[outcome.known.matches["found"] & outcome.known.matches["right"]]
    label = job.plan.validation.set_index("id")["label"]
    assert found["label"].tolist() == label.loc[found["id"]].tolist()


def test_held_out_predictions_are_of_all_validation_mashups(outcome, job):
    oof, table = outcome.oof, job.plan.validation.set_index("id")
    assert sorted(oof.id.tolist()) == sorted(table.index)
    assert oof.fold.tolist() == table.loc[oof.id, "fold"].tolist()
    assert oof.classes[oof.label].tolist() == table.loc[oof.id, "label"].tolist()
    assert oof.classes.tolist() == list(GENRES)
    assert oof.origin == job.plan.digest
    assert logsumexp(oof.logits, axis=1) == pytest.approx(np.zeros(len(oof.id)), abs=1e-5)
    # Their own songs were kept from the search, so that little speaks for any genre
    assert np.abs(np.diff(oof.logits, axis=1)).mean() < 1


def test_the_tests_predictions_follow_what_is_found(outcome, job):
    scored = outcome.scored
    assert scored.id.tolist() == list(TESTED)
    assert scored.origin == job.digest
    assert (scored.label == NO_LABEL).all()
    assert (scored.fold == -1).all()
    difference = dict(zip(scored.id.tolist(), (scored.logits[:, 1] - scored.logits[:, 0]).tolist(), strict=True))
    assert difference["0003"] > 2
    assert difference["0002"] < -1
    assert abs(difference["0001"]) < 0.7
    found = outcome.test[outcome.test["found"]]
    right = {(name, f"{GENRES[voice.song // SONGS]}.{voice.song:05d}/{voice.part}")
             for name, voices in TESTED.items() for voice in voices if voice.song < SONGS * len(GENRES)}  # fmt: skip
    assert set(zip(found["id"], found["clip"], strict=True)) == right
    assert outcome.test["probability"].between(0, outcome.sureness.ceiling).all()


def test_what_is_written_is_read_back(outcome, job, tmp_path):
    write_outcome(tmp_path, outcome)
    test, oof = predictions.load(tmp_path / TEST), predictions.load(tmp_path / OOF)
    assert test.id.tolist() == job.id.tolist()
    assert test.origin == job.digest
    assert np.array_equal(test.logits, outcome.scored.logits)
    assert np.array_equal(oof.logits, outcome.oof.logits)
    assert pd.read_csv(tmp_path / "matches.csv", dtype={"id": str})["id"].tolist() == outcome.test["id"].tolist()


def test_a_second_run_searches_nothing_and_says_the_same(outcome, job, monkeypatch):
    monkeypatch.setattr(match_finds, "find_matches", None)
    second = run(job)
    assert second.sureness == outcome.sureness
    assert np.array_equal(second.oof.logits, outcome.oof.logits)
    assert np.array_equal(second.scored.logits, outcome.scored.logits)


@pytest.mark.parametrize("fold", [0, 1])
def test_a_folds_likelihoods_do_not_depend_on_how_its_own_probes_were_found(outcome, job, tmp_path, fold):
    other = copied(job, tmp_path / "match")
    of_fold = set(outcome.held_out.truth.loc[outcome.held_out.truth["fold"] == fold, "id"])
    for path in (other.folder / match_job.FOUND / "known").glob("*.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        own = table["id"].isin(of_fold)
        assert own.any()
        table.loc[own, "significance"] = "4.0"
        table.to_csv(path, index=False)
    changed = run(other)
    assert changed.sureness != outcome.sureness
    own = outcome.oof.fold == fold
    assert np.array_equal(changed.oof.logits[own], outcome.oof.logits[own])
    assert not np.array_equal(changed.oof.logits[~own], outcome.oof.logits[~own])


def test_another_seed_samples_other_probes_and_all_can_be_asked_for(job):
    probes = match_job._validation(job)
    first, again, other = ([probe.heard.id for probe in match_job._sampled(probes, 5, seed)] for seed in (0, 0, 1))
    assert first == again != other
    assert [probe.heard.id for probe in match_job._sampled(probes, 10**6, 0)] == [probe.heard.id for probe in probes]
    assert all(probe.heard.barred for probe in probes)
    assert not any(probe.heard.barred for probe in match_job._sampled(probes, 5, 0))


def test_too_few_probes_are_refused(outcome, job, tmp_path):
    with pytest.raises(UserError, match="too few to tell"):
        run(replace(copied(job, tmp_path / "match"), probes=1))


def test_no_probes_at_all_are_refused(outcome, job, tmp_path):
    with pytest.raises(UserError):
        run(replace(copied(job, tmp_path / "match"), probes=0))


def test_probes_that_sound_different_are_searched_anew(outcome, job, tmp_path, monkeypatch):
    monkeypatch.setattr(match_finds, "find_matches", None)
    with pytest.raises(TypeError):
        run(replace(copied(job, tmp_path / "match"), burst_level="raw"))


def test_ids_that_changed_places_are_not_taken_from_an_earlier_search(outcome, job, tmp_path, monkeypatch):
    monkeypatch.setattr(match_finds, "find_matches", None)
    with pytest.raises(TypeError):
        run(replace(copied(job, tmp_path / "match"), id=job.id[::-1]))
