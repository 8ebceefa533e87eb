"""Songs in their turn, and one change at a time: which, how far, kept or fresh; heard in the frames themselves."""

from dataclasses import fields, replace

import numpy as np
import pytest

from banks import RATE_HZ, bank_of
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.mashup.turns import turns_in_epoch
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe import MashupRecipe
from messy_mashup.recipes.gtzan_ast_dora import BUNDLE
from messy_mashup.recipes.whole_songs import WHOLE_SONGS

SONGS = {"blues": 5, "jazz": 3, "rock": 4}
COPIES = 1 + len(BUNDLE)
KEPT = replace(WHOLE_SONGS, changes=BUNDLE, copies="kept", rate=(0.8, 1.25))
FRESH = replace(KEPT, copies="fresh")
SECONDS = 1.0


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(0)
    clips = {}
    for label, count in SONGS.items():
        for number in range(count):
            clips[f"{label}.{number:05d}/mix"] = generator.normal(0, 0.1, round(SECONDS * RATE_HZ)).astype(np.float32)
    return bank_of(tmp_path_factory.mktemp("bank"), clips)


@pytest.fixture(scope="module")
def pool(bank):
    return Pool.of(bank.index, RATE_HZ, bank.classes, ("mix",))


def epoch_of(pool, recipe, epoch=0, seed=0):
    return draw(pool, recipe, (seed, TRAINING, epoch), 0, turns_in_epoch(pool, recipe))


def effects(mashups) -> np.ndarray:
    """What happens to each mashup: (mashups, changes in the order of BUNDLE)."""
    rate = mashups.voice_rate[:, 0]
    echoed = (mashups.voice_clip != ABSENT).sum(axis=1) == 2
    return np.stack([rate < 1, rate > 1, mashups.high_pass_hz > 0, mashups.low_pass_hz > 0, echoed], axis=1)


def test_every_song_has_its_turn_once_an_epoch_in_an_order_of_its_own(bank, pool):
    orders = []
    for epoch in range(3):
        mashups = epoch_of(pool, WHOLE_SONGS, epoch)
        clips = mashups.voice_clip[:, 0]
        assert sorted(clips) == list(range(12))
        np.testing.assert_array_equal(np.array(bank.classes)[mashups.label], bank.index["label"].to_numpy()[clips])
        orders.append(tuple(clips))
    assert len(set(orders)) == 3
    more = draw(pool, WHOLE_SONGS, (0, TRAINING, 0), 0, 18)
    assert tuple(more.voice_clip[12:, 0]) == orders[0][:6]  # then the first ones again


def test_any_part_of_an_epoch_is_the_same_as_in_one_piece(pool):
    for recipe in (WHOLE_SONGS, KEPT, FRESH):
        whole = epoch_of(pool, recipe, 2)
        part = draw(pool, recipe, (0, TRAINING, 2), 3, 5)
        for field in fields(whole):
            np.testing.assert_array_equal(getattr(part, field.name), getattr(whole, field.name)[3:8])


def test_songs_have_their_turn_in_mashups_of_several_voices_too(tmp_path):
    names = [f"{label}.{n:05d}/{part}" for label in "ab" for n in range(5) for part in ("bass", "other")]
    clips = {name: np.full(4000, 0.1, np.float32) for name in names}
    bank = bank_of(tmp_path, clips)
    pool = Pool.of(bank.index, RATE_HZ, ("a", "b"), ("bass", "other"))
    mashups = draw(pool, MashupRecipe(parts=("bass", "other"), drawn="songs", noisy=0), (0, TRAINING, 0), 0, 10)
    first, second = (bank.index["group"].to_numpy()[mashups.voice_clip[:, voice]] for voice in range(2))
    assert sorted(first) == sorted(bank.index["group"].unique())
    assert (first != second).all()
    assert [name[0] for name in first] == [name[0] for name in second]


def test_kept_copies_are_one_of_each_change_and_the_same_in_every_epoch(pool):
    assert turns_in_epoch(pool, KEPT) == 12 * COPIES
    first, later = epoch_of(pool, KEPT, 0), epoch_of(pool, KEPT, 7)
    happened = effects(first)
    assert (happened.sum(axis=1) <= 1).all()
    for clip in range(12):
        of_clip = happened[first.voice_clip[:, 0] == clip]
        assert sorted(map(tuple, of_clip.astype(int))) == sorted(map(tuple, [[0] * 5, *np.eye(5, dtype=int)]))

    def by_copy(mashups):
        columns = [mashups.voice_clip[:, 0], mashups.voice_rate[:, 0], mashups.high_pass_hz, mashups.low_pass_hz]
        columns += [mashups.voice_offset_s[:, 0], mashups.voice_offset_s[:, 1], mashups.voice_gain[:, 1]]
        return sorted(map(tuple, np.stack(columns, axis=1)))

    assert by_copy(first) == by_copy(later)
    assert sorted(first.heard_at) != sorted(later.heard_at)  # where a model listens is new
    assert by_copy(first) != by_copy(epoch_of(pool, KEPT, 0, seed=1))


def test_fresh_changes_are_new_in_every_epoch_and_equally_likely(pool):
    drawn = [epoch_of(pool, FRESH, epoch) for epoch in range(400)]
    happened = np.concatenate([effects(mashups) for mashups in drawn])
    assert (happened.sum(axis=1) <= 1).all()
    shares = np.append(happened.mean(axis=0), 1 - happened.any(axis=1).mean())
    np.testing.assert_allclose(shares, 1 / COPIES, atol=0.02)
    rates = np.concatenate([mashups.voice_rate[:, 0] for mashups in drawn])
    assert len(set(rates[rates != 1])) > 1000
    assert 0.8 <= rates.min() < 0.81
    assert 1.24 < rates.max() <= 1.25


def test_single_changes_and_shares_do_not_meet(pool):
    only = replace(FRESH, changes=("echo",), stretched=1.0, high_pass=1.0, low_pass=1.0, echo=0.0)
    happened = np.concatenate([effects(epoch_of(pool, only, epoch)) for epoch in range(40)])
    assert not happened[:, :4].any()
    assert 0.4 < happened[:, 4].mean() < 0.6


def test_a_slower_song_is_cropped_at_random_to_its_own_length(pool):
    mashups = epoch_of(pool, KEPT)
    rate, length_s, offset_s = mashups.voice_rate[:, 0], mashups.length_s, mashups.voice_offset_s[:, 0]
    np.testing.assert_allclose(length_s[rate <= 1], SECONDS)
    np.testing.assert_allclose(length_s[rate > 1], SECONDS / rate[rate > 1])
    slow = rate < 1
    room_s = SECONDS * (1 - rate[slow])  # of the source that is not heard
    assert (offset_s[slow] >= 0).all()
    assert (offset_s[slow] <= room_s + 1e-9).all()
    assert np.std(offset_s[slow] / room_s) > 0.1
    assert (offset_s[~slow] == 0).all()


def test_the_changes_are_heard(bank, pool):
    """High-pass and low-pass take away bands, an echo comes later: in the log-mels that a model sees."""
    spec = librosa_log_mel(mels=64, hop=160, fft=1024)
    player, mashups = MashupPlayer(bank, spec), epoch_of(pool, KEPT)
    happened = effects(mashups)
    for clip in range(0, 12, 5):
        rows = {
            name: np.flatnonzero((mashups.voice_clip[:, 0] == clip) & happened[:, place])[0]
            for place, name in enumerate(BUNDLE)
        }
        plain = np.flatnonzero((mashups.voice_clip[:, 0] == clip) & ~happened.any(axis=1))[0]
        level = {
            name: player.whole_log_mel(mashups[row : row + 1], "peak").mean(0)
            for name, row in (rows | {"plain": plain}).items()
        }
        assert level["high_pass"][0] < level["plain"][0] - 0.3
        assert level["low_pass"][-1] < level["plain"][-1] - 0.3
        assert abs(level["high_pass"][-1] - level["plain"][-1]) < 0.3
