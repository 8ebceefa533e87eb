"""The fit: from made-up finds of known numbers, of which some are missed and some wrong, the numbers come back."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.calibration.burst_fit import BurstShape
from messy_mashup.calibration.fit import calibrated, probes
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.recipe import MashupRecipe
from messy_mashup.search.evidence import LEVELS, Evidence
from messy_mashup.search.found_bursts import FoundBurst
from messy_mashup.search.found_voices import FoundVoice

BASE = MashupRecipe(length_s=(1.8, 3.0))
# Gains by one measure are uniform; by the others a clip's own level spreads them.
CLIP_LEVELS = {"raw": 3.0, "peak": 1.0, "piece": 1.0, "snr": 6.0}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    rng = np.random.default_rng(1)
    noises = {f"1-{n}-A-{n}": rng.uniform(-0.3, 0.3, round(RATE_HZ * 5)).astype(np.float32) for n in range(9)}
    waves = {name: wave[: rng.integers(32_000, 48_000)] for name, wave in songs(("jazz", "rock"), 12, 3.0).items()}
    bank = bank_of(tmp_path_factory.mktemp("bank"), waves | noises)
    return Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)


def finds(mashups, seed, level="peak"):
    """What a search would find of these: loud bursts and steady voices mostly, stretched ones half of the time."""
    rng = np.random.default_rng(seed)
    bursts, voices = [], []
    for row in range(len(mashups)):
        for place in np.flatnonzero(mashups.burst_clip[row] != ABSENT):
            gain, at_s = mashups.burst_gain[row, place], mashups.burst_at_s[row, place]
            heard_s = min(mashups.burst_length_s[row, place], mashups.length_s[row] - at_s)
            if rng.random() > min(0.95, 3 * gain) or heard_s < 0.1:
                continue
            found = FoundBurst(
                int(mashups.burst_clip[row, place]), at_s, mashups.burst_offset_s[row, place], heard_s, 0.0, 20.0
            )
            spread = {name: gain * (np.exp(rng.normal()) if name != level else 1.0) for name in LEVELS}
            bursts.append({"mashup": row, **{k: v for k, v in asdict(found).items() if k != "gain"}, **spread})
        for place, rate in enumerate(mashups.voice_rate[row]):
            steady = abs(rate - 1) < 0.006
            if rng.random() < (0.95 if steady else 0.5):
                rate = rate if rng.random() > 0.03 else rng.uniform(0.8, 1.25)
                gain = 0.3 * mashups.voice_gain[row, place]
                found = FoundVoice(
                    int(mashups.voice_clip[row, place]), float(rate), 0.0, gain, 0.01, 20.0, bool(steady)
                )
                voices.append({"mashup": row, **asdict(found)})
    columns = ["mashup", "clip", "at_s", "offset_s", "length_s", "significance", *LEVELS]
    return Evidence(mashups.length_s, pd.DataFrame(bursts, columns=columns), pd.DataFrame(voices))


def fitted(pool, host, level="peak", count=150, base=BASE):
    test = draw(pool, host, (9, 9, 9), 0, count)
    lengths_s = draw(pool, host, (9, 9, 9), 0, 1000).length_s
    evidence = finds(test, 1, level)
    shape = BurstShape.of(evidence, pool.length_s)
    _, known = probes(pool, base, shape, 60, 0)
    return calibrated(base, pool, evidence, lengths_s, finds(known, 2, "piece"), known, shape)


def test_the_hosts_numbers_come_back(pool):
    host = MashupRecipe(
        whole=0.8, length_s=(0.5, 2.5), gain=(0.3, 1.0), stretched=0.7, rate=(0.85, 1.15), noisy=0.9, bursts=(2, 4),
        burst_s=(6.0, 6.0), burst_gain=(0.2, 0.9),
    )  # fmt: skip
    fit = fitted(pool, host)
    recipe = fit.recipe
    assert (recipe.burst_level, recipe.inside, recipe.tempo) == ("peak", False, "random")
    assert recipe.burst_s == (pytest.approx(5.0), pytest.approx(5.0))
    assert recipe.noisy * sum(recipe.bursts) == pytest.approx(0.9 * 6, rel=0.2)
    assert sum(recipe.burst_gain) == pytest.approx(1.1, rel=0.1)
    assert np.ptp(recipe.burst_gain) == pytest.approx(0.7, rel=0.2)
    assert np.ptp(recipe.rate) == pytest.approx(0.3, rel=0.2)
    assert recipe.stretched == pytest.approx(0.7, abs=0.1)
    assert recipe.gain == (pytest.approx(0.3, abs=0.08), 1.0)
    theirs_s, ours_s = (np.sort(draw(pool, one, (5, 5, 5), 0, 2000).length_s) for one in (host, recipe))
    assert np.abs(theirs_s - ours_s).mean() < 0.06
    assert fit.figures["identified"].all(), fit.figures
    figures = fit.figures.dropna()
    assert len(figures) == 11
    assert (figures["low"].le(figures["fitted"]) & figures["fitted"].le(figures["high"])).mean() > 0.8


@pytest.mark.parametrize("level", ["raw", "piece"])
def test_pieces_within_the_mashup_and_their_level_are_recognised(pool, level):
    host = MashupRecipe(whole=1.0, bursts=(1, 3), burst_s=(0.5, 1.2), inside=True, burst_gain=(0.2, 0.6))
    recipe = fitted(pool, host, level).recipe
    assert (recipe.burst_level, recipe.inside) == (level, True)
    assert recipe.burst_s == (pytest.approx(0.5, abs=0.1), pytest.approx(1.2, abs=0.1))
    assert recipe.burst_gain == (pytest.approx(0.2, abs=0.08), pytest.approx(0.6, abs=0.08))
    assert recipe.whole == 1.0


def test_what_cannot_be_identified_keeps_its_value_and_is_told(pool):
    base = replace(BASE, burst_level="snr", inside=True, tempo="sync", echo=1.0, synthetic=0.3)
    host = MashupRecipe(whole=1.0, noisy=0.02, stretched=0.0)
    fit = fitted(pool, host, count=40, base=base)
    figures = fit.figures.set_index("number")
    for name in ("burst_snr_db.low", "burst_snr_db.high", "rate.low", "rate.high"):
        assert not figures["identified"][name]
    kept = ("burst_gain", "burst_snr_db", "rate", "burst_s", "burst_level", "inside", "tempo")
    assert replace(fit.recipe, **{name: getattr(base, name) for name in kept}) == fit.recipe
    assert fit.recipe.stretched < 0.1
    assert fit.recipe.noisy < 0.15  # that hardly any noise is found is known, too
