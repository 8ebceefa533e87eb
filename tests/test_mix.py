"""The compiled loop and the batched gathers mix the same windows, of everything that an arrangement can say."""

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.mashup import levels, mix
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer, Part
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.residence import Copied
from messy_mashup.recipe import MashupRecipe
from test_frames import one_voice

ALL_AT_ONCE = MashupRecipe(
    length_s=(0.5, 1.5), stretched=0.7, rate=(0.8, 1.25), burst_level="snr", burst_s=(0.05, 1.2), repeated=True,
    burst_fade_s=(0.0, 0.3), synthetic=0.5, bed=0.5, echo=0.5, high_pass=0.5, low_pass=0.5, vocoded=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(5)
    clips = songs(("jazz", "rock"), 5, 1.7)
    clips |= {f"{name}@0.9": wave[:20_000] for name, wave in clips.items()}
    clips |= {f"1-{n}-A-{n}": generator.uniform(-0.3, 0.3, 3000 + 4000 * n).astype(np.float32) for n in range(3)}
    clips["synthetic-white-00"] = generator.normal(0, 0.1, RATE_HZ // 50).astype(np.float32)
    return bank_of(tmp_path_factory.mktemp("bank"), clips)


@pytest.fixture(scope="module")
def mashups(bank):
    return draw(Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS), ALL_AT_ONCE, (0, 0, 0), 0, 24)


def score_of(player, mashups, burst_level="snr"):
    reading = player.residence.reading(mashups)
    return reading.samples, player._score(mashups, reading, burst_level)


@pytest.mark.parametrize("size", [256, 400, 1024])
def test_both_ways_mix_the_same_windows(bank, mashups, size):
    samples, score = score_of(MashupPlayer(bank, AST_FBANK), mashups)
    first = torch.arange(-700, 26_000, 173).expand(len(mashups), -1).contiguous()
    looped = mix.mixed(samples, score, first, size)
    assert looped.abs().max() > 0.5
    torch.testing.assert_close(mix._gathered(samples, score, first, size), looped, rtol=0, atol=2e-6)


def test_both_ways_promise_the_same(bank, mashups):
    player = MashupPlayer(bank, AST_FBANK)
    _, score = score_of(player, mashups)
    first = torch.arange(0, 24_000, levels.BLOCK).expand(len(mashups), -1).contiguous()
    found = mix.promised(player.levels.envelope, levels.BLOCK, score, first)
    torch.testing.assert_close(mix._looked_up(player.levels.envelope, levels.BLOCK, score, first), found)


def test_no_window_is_louder_than_promised(bank, mashups):
    player = MashupPlayer(bank, AST_FBANK)
    samples, score = score_of(player, mashups)
    first = torch.arange(0, 24_000, levels.BLOCK).expand(len(mashups), -1).contiguous()
    promise = mix.promised(player.levels.envelope, levels.BLOCK, score, first)
    peak = mix.mixed(samples, score, first, levels.BLOCK).abs().amax(dim=2)
    assert (peak <= promise * 1.001 + 1e-4).all()


def test_a_bank_that_does_not_fit_the_device_plays_the_same(bank, mashups):
    player = MashupPlayer(bank, AST_FBANK)
    here = player.log_mel(mashups, 90, "snr")
    index = bank.index
    begin, length = (torch.tensor(index[name].to_numpy()) for name in ("offset", "length"))
    player.residence = Copied(player.residence.on_disk, begin, length, torch.device("cpu"))
    assert len(player.residence.reading(mashups[:1]).samples) < len(bank.samples) / 2
    assert torch.equal(player.log_mel(mashups, 90, "snr"), here)


def test_a_gpu_s_way_hears_what_a_cpu_s_does(bank, mashups):
    for spec in (AST_FBANK, librosa_log_mel(mels=64, hop=200, fft=1024)):
        player = MashupPlayer(bank, spec)
        reading = player.residence.reading(mashups)
        score = player._score(mashups, reading, "snr")
        first = (torch.arange(80) * spec.hop + spec.first_sample(0)).expand(len(mashups), -1).contiguous()
        part = Part(reading.samples, score, first, torch.arange(57, 81), player._response(mashups))
        torch.testing.assert_close(player._levels(part), player._levels_on_cpu(part), rtol=0, atol=1e-3)


def test_a_burst_longer_than_its_clip_begins_it_again(tmp_path):
    noise = np.linspace(0.1, 0.9, 1000).astype(np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": noise})
    mashup = one_voice(0, 1.0, burst=(1, 0.025, 0.1, 0.5, 1.0))
    samples, score = score_of(MashupPlayer(bank, AST_FBANK), mashup, "raw")
    heard = mix.mixed(samples, score, torch.tensor([[0]]), RATE_HZ)[0, 0]
    truth = np.zeros(RATE_HZ, np.float32)
    truth[1600:9600] = np.resize(np.roll(noise, -400), 8000)
    assert heard.numpy() == pytest.approx(truth / 0.9, abs=1e-4)


def test_fades_are_ramps_at_both_ends_of_a_burst(tmp_path):
    clips = {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.full(RATE_HZ, 0.5, np.float32)}
    bank = bank_of(tmp_path, clips)
    mashup = one_voice(0, 1.0, burst=(1, 0.0, 0.1, 0.6, 0.8), fade_s=0.2)
    samples, score = score_of(MashupPlayer(bank, AST_FBANK), mashup, "peak")
    heard = mix.mixed(samples, score, torch.tensor([[0]]), RATE_HZ)[0, 0].numpy()
    at_s = np.array([0.05, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.75])
    ramp = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0])
    assert heard[(at_s * RATE_HZ).astype(int)] == pytest.approx(ramp, abs=1e-3)
