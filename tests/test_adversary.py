"""The adversary tells apart what differs, says what it is, and is at a loss where nothing does."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from messy_mashup.calibration.adversary import (
    Features,
    adversarial_auc,
    area,
    features_of,
    likeness,
    match_lengths,
    random_folds,
)
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)
FOLDS = 3


def log_mels(count: int, seed: int, seconds: float = 0.6, tilt: float = 0.0) -> list[torch.Tensor]:
    """Clips of noise with a random level, whose neighbouring samples are mixed as `tilt` says."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        wave = generator.normal(size=round(seconds * generator.uniform(0.8, 1.2) * 16_000)) * generator.uniform(0.1, 1)
        wave[1:] += tilt * wave[:-1]
        made.append(wave_log_mel(torch.from_numpy((wave / np.abs(wave).max()).astype(np.float32)), SPEC))
    return made


def clips(*args, **options) -> Features:
    made = log_mels(*args, **options)
    return features_of(made, SPEC, random_folds(len(made), FOLDS, 0))


@pytest.fixture(scope="module")
def plain():
    return clips(60, 1)


def test_clips_of_one_kind_cannot_be_told_apart(plain):
    told = adversarial_auc(plain, clips(60, 2))
    low, high = told.interval
    assert low < 0.5 < high
    assert 0.3 < told.auc < 0.7
    assert high - low == pytest.approx(0.2, abs=0.07)  # 60 against 60 clips: about four standard errors of .053


def test_another_colour_is_told_and_named(plain):
    told = adversarial_auc(plain, clips(60, 2, tilt=0.05))
    assert told.auc > 0.9
    assert told.interval[0] > 0.8
    first = told.telling.iloc[0]
    assert first["feature"].split(",")[0] in {"mean_db", "p50_db", "high_db", "centroid_hz", "rolloff_hz"}
    assert abs(first["auc"] - 0.5) > 0.3
    table = told.telling.set_index("feature")
    assert table.loc["high_db", "test"] < table.loc["high_db", "simulated"]
    assert table.loc["high_db", "auc"] < 0.5
    assert told.families["drop"].is_monotonic_decreasing
    assert told.families["drop"].iat[0] > 0


def test_scores_are_those_of_clips_that_were_not_learnt(plain):
    told = adversarial_auc(plain, clips(60, 3, tilt=0.03))
    folds = np.concatenate([plain.folds, random_folds(60, FOLDS, 0)])
    assert told.is_test.tolist() == [False] * 60 + [True] * 60
    for fold, auc in told.per_fold.items():
        assert auc == pytest.approx(roc_auc_score(told.is_test[folds == fold], told.score[folds == fold]))
    assert told.auc == pytest.approx(np.mean(list(told.per_fold.values())))


def test_songs_that_stay_in_their_fold_are_not_recognised():
    """Each song has a colour of its own and is simulated or of the test: what is learnt of one tells of no other."""
    generator = np.random.default_rng(0)
    colours = generator.normal(size=(24, 12))
    song = np.repeat(np.arange(24), 5)
    table = pd.DataFrame(colours[song] + 0.1 * generator.normal(size=(120, 12))).add_prefix("colour ")
    of_test = song % 2 == 1

    def told(folds: np.ndarray) -> float:
        sides = (Features(table[side].reset_index(drop=True), folds[side]) for side in (~of_test, of_test))
        return adversarial_auc(*sides).auc

    assert told(song // 2 % 4) < 0.7
    assert told(np.tile(np.arange(5), 24)) > 0.95


def test_a_length_tells_only_where_it_is_among_the_features(plain):
    simulated, test = log_mels(60, 5), log_mels(60, 6, seconds=1.2)
    folds = random_folds(60, FOLDS, 0)
    told = likeness(simulated, folds, test, SPEC)
    assert told.with_length.auc > 0.99
    assert "length_s" in set(told.with_length.telling["feature"])
    assert "length_s" not in set(told.without_length.telling["feature"])
    low, high = told.without_length.interval
    assert low < 0.5 < high


def test_matched_lengths_are_distributed_alike_and_keep_what_they_can():
    short, long = ([torch.full((frames, 2), float(frames)) for frames in lengths] for lengths in (
        (100, 60, 80), (120, 70, 50, 90, 110, 200))
    )  # fmt: skip
    spec = replace(SPEC, mels=2)
    one, other = match_lengths(short, long, spec)
    edge = 4  # half a window of 1024 samples, in hops of 160
    assert [len(clip) for clip in one] == [100 - 2 * edge, 60 - 2 * edge, 80 - 2 * edge]
    assert np.median([len(clip) for clip in other]) == pytest.approx(np.median([len(clip) for clip in one]), abs=12)
    assert max(len(clip) for clip in other) == max(len(clip) for clip in one)
    assert [float(clip[0, 0]) for clip in other] == [120, 70, 50, 90, 110, 200]
    same, again = match_lengths(short, short, spec)
    assert [len(clip) for clip in same] == [len(clip) for clip in again] == [92, 52, 72]


def test_the_same_arguments_give_the_same_numbers(plain):
    test = clips(40, 7, tilt=0.02)
    once, again = adversarial_auc(plain, test, seed=3), adversarial_auc(plain, test, seed=3)
    assert (once.auc, once.interval, once.per_fold) == (again.auc, again.interval, again.per_fold)
    assert once.score.tolist() == again.score.tolist()
    pd.testing.assert_frame_equal(once.families, again.families)


def test_the_area_is_sklearns():
    generator = np.random.default_rng(0)
    truth, score = generator.random(50) < 0.4, generator.integers(0, 8, 50)
    assert area(truth, score) == pytest.approx(roc_auc_score(truth, score))


def test_silence_and_half_a_second_have_finite_features():
    waves = [torch.zeros(8000), torch.randn(8000)]
    table = features_of([wave_log_mel(wave, SPEC) for wave in waves], SPEC, np.arange(2)).table
    assert np.isfinite(table.to_numpy(float)).all()
    assert "change_10ms_db, 0-155 Hz" in table


def test_what_cannot_be_compared_is_refused(plain):
    with pytest.raises(ValueError, match="different features"):
        adversarial_auc(plain, plain.without_length())
    with pytest.raises(ValueError, match="two folds"):
        adversarial_auc(plain, replace(plain, folds=np.zeros(60, int)))
    with pytest.raises(ValueError, match="each clip needs one"):
        features_of([torch.zeros(20, 96)], SPEC, np.arange(2))
