"""High-pass, low-pass and echo: the responses are measured on what the frame domain plays."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch

from banks import RATE_HZ, bank_of
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.filters import power_response
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.render import render
from test_frames import one_voice

SPEC = replace(librosa_log_mel(mels=64, hop=320, fft=1024), mean=0.0, divisor=1.0)
HERTZ = np.linspace(0, RATE_HZ / 2, 513)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * RATE_HZ).astype(np.float32)
    return bank_of(tmp_path_factory.mktemp("bank"), {"a.0/drums": noise})


def filtered(high_pass_hz=0.0, low_pass_hz=0.0):
    mashup = one_voice(0, 8.0)
    return replace(mashup, high_pass_hz=np.array([high_pass_hz]), low_pass_hz=np.array([low_pass_hz]))


@pytest.mark.parametrize(("kind", "hertz"), [("highpass", 300.0), ("lowpass", 3000.0), ("lowpass", 7000.0)])
def test_the_curves_are_scipy_s(kind, hertz):
    sections = scipy.signal.butter(4, hertz, kind, fs=RATE_HZ, output="sos")
    _, response = scipy.signal.sosfreqz(sections, worN=HERTZ, fs=RATE_HZ)
    passes = (np.array([hertz]), np.array([0.0]))
    curve = power_response(*(passes if kind == "highpass" else passes[::-1]), 513, RATE_HZ)[0]
    assert curve == pytest.approx(np.abs(response) ** 2, abs=1e-6)
    assert curve[np.abs(HERTZ - hertz).argmin()] == pytest.approx(0.5, abs=0.03)


def test_no_filter_leaves_everything():
    assert (power_response(np.zeros(2), np.zeros(2), 513, RATE_HZ) == 1).all()


@pytest.mark.parametrize(
    "settings", [{"high_pass_hz": 500.0}, {"low_pass_hz": 3000.0}, {"high_pass_hz": 300.0, "low_pass_hz": 5000.0}]
)
def test_the_response_of_a_mashup_is_the_filter_s_and_that_of_its_waveform(bank, settings):
    player = MashupPlayer(bank, SPEC)
    plain, played = (player.whole_log_mel(mashup, "peak").mean(0) for mashup in (filtered(), filtered(**settings)))
    rendered = wave_log_mel(torch.from_numpy(render(bank, filtered(**settings), 0)), SPEC).mean(0)
    asked = [settings.get(name, 0.0) for name in ("high_pass_hz", "low_pass_hz")]
    curve = power_response(*(np.array([hertz]) for hertz in asked), 513, RATE_HZ)[0]
    audible = plain > -100
    for heard in (played, rendered):
        loss_db = (heard - plain)[audible].numpy()
        near = loss_db > -20  # further down a band is wider than the slope is long
        middle = _band_middles()[audible.numpy()]
        expected_db = 10 * np.log10(np.interp(middle, HERTZ, curve))
        assert near.sum() > 30
        assert loss_db[near] == pytest.approx(expected_db[near], abs=1.3)
    assert (heard - plain).min() < -15


def test_an_echo_is_a_comb_whose_teeth_are_measured(tmp_path):
    """Noise with itself 1 ms later, half as loud: 3.5 dB up at multiples of 1 kHz, 6 dB down between them."""
    noise = np.random.default_rng(1).normal(0, 0.1, 10 * RATE_HZ).astype(np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": noise})
    late_s = 0.001
    columns = {
        "voice_clip": [[0, 0]], "voice_offset_s": [[0.5, 0.5 - late_s]], "voice_rate": [[1.0, 1.0]],
        "voice_gain": [[1.0, 0.5]],
    }  # fmt: skip
    mashup = replace(one_voice(0, 8.0), **{name: np.array(value) for name, value in columns.items()})
    spec = replace(SPEC, mels=128)
    player = MashupPlayer(bank, spec)
    single = replace(mashup, voice_gain=np.array([[1.0, 0.0]]))
    comb_db = (player.whole_log_mel(mashup, "raw").mean(0) - player.whole_log_mel(single, "raw").mean(0)).numpy()
    comb_db -= comb_db.mean()
    middle = _band_middles(128)
    expected_db = 10 * np.log10(1.25 + np.cos(2 * np.pi * middle * late_s))
    expected_db -= expected_db.mean()
    narrow = middle < 2500
    assert np.corrcoef(comb_db[narrow], expected_db[narrow])[0, 1] > 0.99
    assert np.ptp(comb_db[narrow]) == pytest.approx(np.ptp(expected_db[narrow]), abs=1.5)


def _band_middles(mels=64):
    import librosa

    return librosa.mel_frequencies(n_mels=mels + 2, fmin=0, fmax=RATE_HZ / 2)[1:-1]
