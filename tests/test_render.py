"""A rendered mashup against what it was arranged to be: tempo, gains, bursts, echoes, filters, at every sample rate."""

import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import soxr
import torch

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.data import synthetic_noise
from messy_mashup.data.audio import read_mono
from messy_mashup.data.demo_music import host
from messy_mashup.data.demo_music.song import song
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.mashup.render import burst_spans, render
from messy_mashup.mashup.stretch import best_installed, time_stretch
from messy_mashup.recipe import MashupRecipe
from test_tempo_truth import clicks, decibels, mono_16k

STEADY = MashupRecipe(length_s=(1.0, 2.0), stretched=0.0, noisy=1.0, bursts=(1, 3), burst_s=(0.2, 0.7))
SPECS = {"librosa": librosa_log_mel(mels=64, hop=320, fft=1024), "ast": AST_FBANK}
EVERY_RATE_HZ = (44_100, 22_050, 16_000)
STRETCHES = ["librosa", *(["signalsmith"] if best_installed() == "signalsmith" else [])]


class Voice(NamedTuple):
    """A voice of a mashup, in the order of its columns."""

    clip: int
    offset_s: float = 0.0
    rate: float = 1.0
    gain: float = 1.0


class Burst(NamedTuple):
    """A burst of a mashup, in the order of its columns."""

    clip: int
    offset_s: float = 0.0
    at_s: float = 0.0
    length_s: float = 1.0
    fade_s: float = 0.0
    gain: float = 1.0


NO_BURST = Burst(ABSENT, length_s=0.0, gain=0.0)


def mashup_of(length_s: float, voices: list, bursts: list = (NO_BURST,), high_pass_hz=0.0, low_pass_hz=0.0):
    """One mashup, of these voices and bursts."""
    whole = (np.array([value]) for value in (0, length_s, 0.0, high_pass_hz, low_pass_hz))
    each = (np.array([column]) for part in (voices, bursts) for column in zip(*part, strict=True))
    return Arrangements(*whole, *each)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(5)
    noises = {f"1-{n}-A-{n}": generator.uniform(-0.3, 0.3, RATE_HZ).astype(np.float32) for n in range(3)}
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("jazz", "rock"), 5, 2.5) | noises)


def drawn(bank, recipe, count):
    return draw(Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS), recipe, (0, 0, 0), 0, count)


def bank_of_files(folder, clips: dict[str, np.ndarray], sample_rate_hz: int):
    """A bank at 16 kHz of float files at another sample rate."""
    waves, paths = {}, []
    for number, (name, wave) in enumerate(clips.items()):
        paths.append(f"{number}.wav")
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / paths[-1], wave, sample_rate_hz, subtype="FLOAT")
        waves[name] = read_mono(folder / paths[-1], RATE_HZ)
    bank = bank_of(folder / "bank", waves)
    return replace(bank, source=str(folder), index=bank.index.assign(path=paths))


def tone(hz: float, seconds: float, sample_rate_hz: int, peak: float = 0.3) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz)).astype("f4")


def low_noise(samples: int, seed: int) -> np.ndarray:
    """Noise with next to nothing above 2 kHz where it is at 44.1 kHz."""
    white = np.random.default_rng(seed).normal(0, 0.5, samples)
    return np.convolve(white, np.hanning(64) / 32, "same").astype(np.float32)


def level_at(wave: np.ndarray, hz: float, sample_rate_hz: int) -> float:
    """The amplitude of a tone in a wave."""
    window = np.hanning(len(wave))
    turning = np.exp(-2j * np.pi * hz * np.arange(len(wave)) / sample_rate_hz)
    return 2 * abs(np.sum(wave * window * turning)) / window.sum()


def test_with_librosa_it_is_what_the_demo_s_host_mixes(tmp_path):
    """Two programs that share no line: the host's whole stems, stretched and cut, against ours."""
    names, paths = [], []
    for number, (stem, wave) in enumerate(song("rock", 0, 1, 3.0).items()):
        names.append(f"rock.{number:05d}/{stem}")
        paths.append(f"genres_stems/rock/{names[-1]}.wav")
        (tmp_path / paths[-1]).parent.mkdir(parents=True)
        soundfile.write(tmp_path / paths[-1], wave, 44_100)
    names, paths = [*names, "1-1-A-1"], [*paths, "ESC-50-master/audio/1-1-A-1.wav"]
    (tmp_path / paths[-1]).parent.mkdir(parents=True)
    soundfile.write(tmp_path / paths[-1], low_noise(44_100, seed=0), 44_100)
    rates, gains = (1.0, 0.9, 1.1, 0.95), (0.9, 0.5, 0.7, 0.4)
    parts = tuple(host.Part(number, rate, gain) for number, (rate, gain) in enumerate(zip(rates, gains, strict=True)))
    plan = host.MashupPlan("0", "rock", True, parts, 0.8, (host.Burst("1-1-A-1.wav", 0.25, 0.5),))
    truth = host.mix_mashup(plan, tmp_path, 0, 3.0)

    waves = {name: read_mono(tmp_path / path, RATE_HZ) for name, path in zip(names, paths, strict=True)}
    bank = bank_of(tmp_path / "bank", waves)
    bank = replace(bank, source=str(tmp_path), index=bank.index.assign(path=paths))
    length_s = (len(truth) + 0.5) / host.MASHUP_HZ  # so that it counts as many samples when it is cut to whole ones
    voices = [Voice(number, 0.0, rate, gain) for number, (rate, gain) in enumerate(zip(rates, gains, strict=True))]
    at_s = (int(0.25 * len(truth)) + 0.5) / host.MASHUP_HZ
    mashup = mashup_of(length_s, voices, [Burst(4, 0.0, at_s, 1.0, gain=0.5)])
    ours = render(bank, mashup, 0, "peak", host.MASHUP_HZ, "librosa")
    assert np.sqrt(np.mean((ours - truth) ** 2)) < 0.03 * np.sqrt(np.mean(truth**2))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
@pytest.mark.parametrize("burst_level", ["raw", "peak", "piece"])
def test_at_rate_1_its_log_mel_is_the_frame_domain_s(bank, spec, burst_level):
    mashups = drawn(bank, STEADY, 8)
    player = MashupPlayer(bank, spec)
    for row in range(len(mashups)):
        wave = render(bank, mashups, row, burst_level)
        assert wave.dtype == np.float32
        assert len(wave) == int(mashups.length_s[row] * RATE_HZ)
        assert np.abs(wave).max() == pytest.approx(1, abs=1e-6)
        heard = wave_log_mel(torch.from_numpy(wave), spec)
        assert (heard - player.whole_log_mel(mashups[row : row + 1], burst_level)).abs().max() < 1e-3


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_echoes_beds_and_fades_are_the_frame_domain_s_too(bank, spec):
    mashups = drawn(bank, replace(STEADY, echo=1.0, bed=1.0, repeated=True, burst_fade_s=(0.01, 0.3)), 8)
    player = MashupPlayer(bank, spec)
    for row in range(len(mashups)):
        heard = wave_log_mel(torch.from_numpy(render(bank, mashups, row)), spec)
        assert (heard - player.whole_log_mel(mashups[row : row + 1], "peak")).abs().max() < 1e-3


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_the_tempo_that_comes_out(tmp_path, rate, stretch, sample_rate_hz):
    bank = bank_of_files(tmp_path, {"a.0/drums": clicks(120, 14.0)}, RATE_HZ)
    wave = render(bank, mashup_of(12.0, [Voice(0, 0.1, rate)]), 0, "peak", sample_rate_hz, stretch)
    assert len(wave) == 12 * sample_rate_hz
    # A vocoder smears clicks, each by another amount, so the tempo is that of all of them: the strongest wave about
    # a beat long in their loudness, blocks of 10 ms to the power of a quarter. Its phase tells where they are.
    block = sample_rate_hz // 100
    blocks = np.mean(wave[: len(wave) // block * block].reshape(-1, block) ** 2, axis=1) ** 0.25
    time_s = (np.arange(len(blocks)) + 0.5) * block / sample_rate_hz
    beats_hz = np.arange(1.5, 2.7, 0.001)
    loudness = (blocks - blocks.mean()) * np.hanning(len(blocks))
    waves = np.exp(-2j * np.pi * beats_hz[:, None] * time_s) @ loudness
    strongest = np.abs(waves).argmax()
    assert beats_hz[strongest] == pytest.approx(2 * rate, rel=0.003)
    beat_s = 0.5 / rate
    late_s = -np.angle(waves[strongest]) / (2 * np.pi) * beat_s - 0.1 / rate  # the first click is at 0.2 s of the clip
    assert (late_s + beat_s / 2) % beat_s - beat_s / 2 == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize("rate", [0.8, 0.9, 1.1, 1.25])
@pytest.mark.skipif("signalsmith" not in STRETCHES, reason="python-stretch is not installed")
def test_signalsmith_leaves_every_onset_within_5_ms(tmp_path, rate, sample_rate_hz):
    bank = bank_of_files(tmp_path, {"a.0/drums": clicks(120, 8.0)}, RATE_HZ)
    offset_s, length_s = 0.15, 5.5
    wave = render(bank, mashup_of(length_s, [Voice(0, offset_s, rate)]), 0, "peak", sample_rate_hz, "signalsmith")
    for beat_s in np.arange(0.2, offset_s + (length_s - 0.2) * rate, 0.5):
        expected_s = (beat_s - offset_s) / rate
        # the clicks' energy, whose middle is 1.5 ms after their begin, from 0.1 s before to 0.2 s after
        span = np.arange(max(0, int((expected_s - 0.1) * sample_rate_hz)), int((expected_s + 0.2) * sample_rate_hz))
        energy = np.square(wave[span], dtype=np.float64)
        assert (span * energy).sum() / energy.sum() / sample_rate_hz == pytest.approx(expected_s + 0.0015, abs=0.005)


@pytest.mark.parametrize("rate", [0.9, 1.1])
@pytest.mark.skipif("signalsmith" not in STRETCHES, reason="python-stretch is not installed")
def test_signalsmith_is_closer_than_librosa_to_music_truly_at_that_tempo(rate):
    errors_db = {stretch: [] for stretch in STRETCHES}
    for genre in ("rock", "jazz", "classical"):
        own, truth = (sum(map(mono_16k, song(genre, 0, 1, 5.0, tempo_scale=tempo).values())) for tempo in (1.0, rate))
        target = decibels(wave_log_mel(torch.from_numpy(truth / np.abs(truth).max()), AST_FBANK), AST_FBANK)
        for stretch, errors in errors_db.items():
            wave = time_stretch(own, rate, RATE_HZ, stretch)
            heard = decibels(wave_log_mel(torch.from_numpy(wave / np.abs(wave).max()), AST_FBANK), AST_FBANK)
            errors.append(float((heard[: len(target)] - target[: len(heard)]).abs().mean()))
    assert np.mean(errors_db["signalsmith"]) < 0.95 * np.mean(errors_db["librosa"])


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_stretch_is_the_same_for_a_view_of_its_samples(stretch):
    strided = np.repeat(tone(440, 1.0, RATE_HZ), 2)[::2]
    of_view, of_copy = (time_stretch(wave, 1.1, RATE_HZ, stretch) for wave in (strided, strided.copy()))
    assert np.array_equal(of_view, of_copy)


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("samples", [0, 1, 7, 500, 3000])
@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_stretch_of_very_few_samples_is_finite_and_as_long_as_it_should_be(stretch, samples, rate):
    if stretch == "librosa" and 0 < samples < 2048:
        pytest.skip("librosa warns of it")
    wave = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    stretched = time_stretch(wave, rate, RATE_HZ, stretch)
    assert len(stretched) == pytest.approx(samples / rate, abs=1)
    assert np.isfinite(stretched).all()


def test_without_its_package_librosa_is_the_default_and_signalsmith_says_what_to_do(monkeypatch):
    for name in ("python_stretch", "python_stretch.Signalsmith"):
        monkeypatch.setitem(sys.modules, name, None)
    assert best_installed() == "librosa"
    with pytest.raises(UserError, match="pip install python-stretch, or take the stretch librosa"):
        time_stretch(np.ones(100, np.float32), 1.1, RATE_HZ, "signalsmith")


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize("stretch", STRETCHES)
def test_each_voice_keeps_its_gain_at_any_rate(tmp_path, stretch, sample_rate_hz):
    """Three tones an octave and more apart: their levels are read off the spectrum of the mix."""
    tones = {f"a.0/{part}": tone(hz, 3.0, 44_100) for part, hz in zip(PARTS, (500, 2000, 5000), strict=False)}
    bank = bank_of_files(tmp_path, tones, 44_100)
    mashup = mashup_of(2.0, [Voice(0, 0.2, 1.0, 0.8), Voice(1, 0.1, 1.1, 0.4), Voice(2, 0.0, 0.9, 0.6)])
    wave = render(bank, mashup, 0, "peak", sample_rate_hz, stretch)[sample_rate_hz // 2 : sample_rate_hz * 3 // 2]
    levels = [level_at(wave, hz, sample_rate_hz) for hz in (500, 2000, 5000)]
    # librosa's vocoder takes up to a decibel off a tone
    tolerance = 0.12 if stretch == "librosa" else 0.02
    assert levels[1] / levels[0] == pytest.approx(0.5, rel=tolerance)
    assert levels[2] / levels[0] == pytest.approx(0.75, rel=tolerance)


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize("burst_level", ["peak", "raw"])
def test_bursts_are_where_and_as_loud_as_arranged(tmp_path, burst_level, sample_rate_hz):
    """Over silence a burst is all there is; over a loud sample it is measured against that sample."""
    music = np.zeros(2 * sample_rate_hz, np.float32)
    music[100] = 0.5
    noise = np.full(sample_rate_hz, 0.25, np.float32)
    bank = bank_of_files(tmp_path, {"a.0/drums": music, "1-1-A-22": noise}, sample_rate_hz)
    mashup = mashup_of(1.5, [Voice(0, gain=0.7)], [Burst(1, 0.2, 1.0, 0.3, gain=0.4)])
    wave = render(bank, mashup, 0, burst_level, sample_rate_hz)
    sounding = np.zeros(len(wave), bool)
    sounding[sample_rate_hz : sample_rate_hz + int(0.3 * sample_rate_hz)] = True
    level = {"raw": 1.0, "peak": bank.index["peak"][1]}[burst_level]  # resampled, a step goes a bit beyond
    assert wave[sounding] == pytest.approx(0.4 * 0.25 / level, abs=1e-4)
    assert wave[100] == 1
    assert np.flatnonzero(wave[~sounding]).tolist() == [100]
    assert burst_spans(bank, mashup, 0) == [("clapping (1-1-A-22)", 1.0, 1.3)]


@pytest.mark.parametrize("sample_rate_hz", [44_100, 16_000])
def test_snr_is_that_of_the_whole_clip_and_the_whole_music(tmp_path, sample_rate_hz):
    """A burst of half a clip, a quarter of which is loud: its level is measured in decibels."""
    noise = low_noise(44_100, seed=3)
    noise[11_025:] *= 0.01
    bank = bank_of_files(tmp_path, {"a.0/drums": tone(1000, 2.0, 44_100), "1-1-A-1": noise}, 44_100)
    quiet, snr_db = mashup_of(2.0, [Voice(0)]), 12.0
    burst = Burst(1, 0.0, 0.5, 0.5, gain=10 ** (-snr_db / 20))
    music, mixed = (
        render(bank, one, 0, "snr", sample_rate_hz).astype(np.float64)
        for one in (quiet, mashup_of(2.0, [Voice(0)], [burst]))
    )
    # the music where there is no burst tells by how much the final peak has turned everything down
    before = slice(0, int(0.45 * sample_rate_hz))
    turned_down = np.dot(mixed[before], music[before]) / np.dot(music[before], music[before])
    heard = (mixed / turned_down - music)[int(0.5 * sample_rate_hz) : int(1.0 * sample_rate_hz)]
    whole = np.sqrt(np.square(heard).sum() / sample_rate_hz)  # as if over the whole clip: the rest of it is 40 dB down
    measured_db = 20 * np.log10(np.sqrt(np.mean(music**2)) / whole)
    assert measured_db == pytest.approx(snr_db, abs=0.05)


def test_several_bursts_at_once_add_up(tmp_path):
    waves = {"a.0/drums": np.zeros(RATE_HZ), "1-1-A-1": np.full(RATE_HZ, 0.5), "1-2-A-1": np.full(RATE_HZ, 0.25)}
    bank = bank_of(tmp_path, {name: wave.astype(np.float32) for name, wave in waves.items()})
    bursts = [Burst(1, 0.0, 0.1, 0.6, gain=0.4), Burst(2, 0.0, 0.4, 0.5, gain=0.4), NO_BURST]
    wave = render(bank, mashup_of(1.0, [Voice(0)], bursts), 0, "raw")
    levels = [wave[int(at_s * RATE_HZ)] for at_s in (0.05, 0.2, 0.5, 0.8, 0.95)]
    assert levels == pytest.approx([0, 2 / 3, 1, 1 / 3, 0], abs=1e-4)


def test_a_burst_past_the_end_is_cut(tmp_path):
    waves = {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.ones(RATE_HZ, np.float32)}
    bank = bank_of(tmp_path, waves)
    mashup = mashup_of(1.0, [Voice(0)], [Burst(1, 0.0, 0.75, 1.0, gain=0.4)])
    assert np.flatnonzero(render(bank, mashup, 0)).tolist() == list(range(12_000, 16_000))
    assert burst_spans(bank, mashup, 0)[0][2] == 1.0


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
def test_a_bed_begins_its_clip_again_until_the_end(tmp_path, sample_rate_hz):
    size = sample_rate_hz // 2
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    bank = bank_of_files(tmp_path, {"a.0/drums": np.zeros(2 * size, np.float32), "1-1-A-1": ramp}, sample_rate_hz)
    # its voice is shorter than it
    wave = render(bank, mashup_of(1.7, [Voice(0)], [Burst(1, 0.2, 0.0, 1.7)]), 0, "peak", sample_rate_hz)
    expected = np.tile(ramp, 5)[int(0.2 * sample_rate_hz) :][: len(wave)]
    expected = expected / np.abs(expected).max()
    assert wave == pytest.approx(expected, abs=1e-4)


def test_a_burst_fades_in_and_out_linearly(tmp_path):
    waves = {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.ones(RATE_HZ, np.float32)}
    bank = bank_of(tmp_path, waves)
    wave = render(bank, mashup_of(1.0, [Voice(0)], [Burst(1, 0.0, 0.2, 0.5, fade_s=0.1)]), 0)
    times_s = np.array([0.19, 0.225, 0.25, 0.275, 0.31, 0.45, 0.59, 0.625, 0.65, 0.675, 0.71])
    shape = [0, 0.25, 0.5, 0.75, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert wave[np.round(times_s * RATE_HZ).astype(int)] == pytest.approx(shape, abs=1e-3)
    assert np.abs(np.diff(wave)).max() < 1.01 / 1600


def test_a_fade_ends_with_its_burst_and_not_with_the_mashup(tmp_path):
    waves = {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.ones(RATE_HZ, np.float32)}
    bank = bank_of(tmp_path, waves)
    wave = render(bank, mashup_of(1.0, [Voice(0)], [Burst(1, 0.0, 0.5, 0.8, fade_s=0.1)]), 0)
    assert (wave[int(0.61 * RATE_HZ) :] == 1).all()


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize("rate", [0.9, 1.0])
def test_outside_its_clip_a_voice_is_silent(tmp_path, rate, sample_rate_hz):
    size = sample_rate_hz // 2
    ones = np.ones(size, np.float32)
    bank = bank_of_files(tmp_path, {"a.0/drums": 0.1 * ones, "a.1/drums": ones}, sample_rate_hz)
    wave = render(bank, mashup_of(1.0, [Voice(0, 0.25, rate)]), 0, "peak", sample_rate_hz)
    assert len(wave) == sample_rate_hz
    ends = round(size / 2 / rate)
    assert (wave[ends + 1 :] == 0).all()
    assert np.abs(wave[: ends - size // 16]).min() > 0.1


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_before_a_negative_offset_is_over_a_voice_is_silent(tmp_path, rate, stretch):
    bank = bank_of(tmp_path, {"a.0/drums": tone(1000, 1.0, RATE_HZ)})
    wave = render(bank, mashup_of(1.0, [Voice(0, -0.4, rate)]), 0, "peak", RATE_HZ, stretch)
    begins = round(0.4 / rate * RATE_HZ)
    assert (wave[:begins] == 0).all()
    assert np.abs(wave[begins : begins + 160]).max() > 0.3
    late = render(bank, mashup_of(0.3, [Voice(0, -0.4, rate)]), 0, "peak", RATE_HZ, stretch)
    assert (late == 0).all()


def test_an_echo_combs_the_spectrum(tmp_path):
    """Voice and echo: |1 + g exp(-j 2 pi f d)|, measured on white noise at the teeth and between them."""
    noise = np.random.default_rng(1).normal(0, 0.1, 4 * RATE_HZ).astype(np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": noise})
    delay_s, gain = 0.01, 0.5
    voices = [Voice(0, 0.5), Voice(0, 0.5 - delay_s, 1.0, gain), Voice(ABSENT, 0.0, 1.0, 0.0)]
    dry, wet = (render(bank, mashup_of(3.0, some), 0).astype(np.float64) for some in (voices[:1], voices))
    # Blocks of half a second: the echo of what came before a block is a small part of it.
    dry, wet = (np.fft.rfft(wave.reshape(-1, 8000) * np.hanning(8000)) for wave in (dry, wet))
    response = np.abs((wet * dry.conj()).sum(axis=0)) / np.square(np.abs(dry)).sum(axis=0)
    hz = np.fft.rfftfreq(8000, 1 / RATE_HZ)
    teeth, between = (response[hz % 100 == remainder][1:].mean() for remainder in (0, 50))
    assert teeth / between == pytest.approx((1 + gain) / (1 - gain), rel=0.02)


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
@pytest.mark.parametrize(("high_pass_hz", "low_pass_hz"), [(200.0, 0.0), (0.0, 6000.0), (400.0, 2500.0)])
def test_filters_respond_as_a_butterworth_of_fourth_order(tmp_path, high_pass_hz, low_pass_hz, sample_rate_hz):
    tones_hz = np.array([60, 100, 200, 400, 800, 1600, 2500, 4000, 6000, 7000])
    size = 3 * sample_rate_hz
    wave = sum(tone(hz, 3.0, sample_rate_hz, 0.05) * (1 if n % 2 else -1) for n, hz in enumerate(tones_hz))
    bank = bank_of_files(tmp_path, {"a.0/drums": wave}, sample_rate_hz)
    plain, filtered = (
        render(bank, mashup_of(3.0, [Voice(0)], (NO_BURST,), *cutoffs), 0, "peak", sample_rate_hz)[size // 4 :]
        for cutoffs in ((0.0, 0.0), (high_pass_hz, low_pass_hz))
    )
    measured = [level_at(filtered, hz, sample_rate_hz) / level_at(plain, hz, sample_rate_hz) for hz in tones_hz]
    # of a digital filter: the bilinear transform warps what is near half the sample rate
    warped, high, low = (np.tan(np.pi * hz / sample_rate_hz) for hz in (tones_hz, high_pass_hz, low_pass_hz or np.nan))
    power = 1 / (1 + (high / warped) ** 8) / (1 + np.nan_to_num((warped / low) ** 8))
    audible = power > 1e-7
    assert 20 * np.log10(np.array(measured)[audible]) == pytest.approx(10 * np.log10(power[audible]), abs=0.1)


def test_a_filter_does_not_renormalise(tmp_path):
    bank = bank_of(tmp_path, {"a.0/drums": tone(1000, 1.0, RATE_HZ)})
    wave = render(bank, mashup_of(1.0, [Voice(0)], high_pass_hz=1000.0), 0)
    assert np.abs(wave[4000:12000]).max() == pytest.approx(np.sqrt(0.5), rel=0.01)


def test_at_another_sample_rate_it_is_the_same_mashup(tmp_path):
    """Of clips without high frequencies it is the same wave, resampled."""
    clips = {"a.0/drums": low_noise(132_300, seed=1), "1-1-A-1": low_noise(132_300, seed=2)}
    bank = bank_of_files(tmp_path, clips, 44_100)
    mashup = mashup_of(2.0, [Voice(0, 0.25)], [Burst(1, 0.5, 0.75, 1.0, gain=0.5)], high_pass_hz=100.0)
    at_16k, at_44k = (render(bank, mashup, 0, "snr", hz) for hz in (16_000, 44_100))
    difference = soxr.resample(at_44k, 44_100, 16_000) - at_16k
    # each finds the music's peak among its own samples
    assert np.sqrt(np.mean(difference[500:-500] ** 2)) < 0.02 * np.sqrt(np.mean(at_16k**2))


@pytest.mark.parametrize("sample_rate_hz", [44_100, 16_000])
def test_a_stretched_variant_is_the_banks_or_is_made_again_from_its_stem(tmp_path, sample_rate_hz):
    soundfile.write(tmp_path / "0.wav", tone(1000, 2.2, 44_100), 44_100, subtype="FLOAT")
    stem = read_mono(tmp_path / "0.wav", RATE_HZ)
    variant = time_stretch(stem, 1.1, RATE_HZ, "librosa")
    bank = bank_of(tmp_path / "bank", {"a.0/drums": stem, "a.0/drums@1.1": variant})
    bank = replace(bank, source=str(tmp_path), index=bank.index.assign(path="0.wav"))
    wave = render(bank, mashup_of(1.0, [Voice(1, 0.5)]), 0, "peak", sample_rate_hz)
    if sample_rate_hz != RATE_HZ:
        variant = time_stretch(read_mono(tmp_path / "0.wav", sample_rate_hz), 1.1, sample_rate_hz, "librosa")
    expected = variant[sample_rate_hz // 2 : sample_rate_hz * 3 // 2]
    assert wave == pytest.approx(expected / np.abs(expected).max(), abs=1e-3)


@pytest.mark.parametrize("sample_rate_hz", EVERY_RATE_HZ)
def test_synthetic_noise_needs_no_file(tmp_path, sample_rate_hz):
    name = synthetic_noise.CLIPS[0]
    soundfile.write(tmp_path / "0.wav", np.zeros(44_100, np.float32), 44_100)
    waves = {"a.0/drums": np.zeros(RATE_HZ, np.float32), name: synthetic_noise.wave(name, RATE_HZ)}
    bank = bank_of(tmp_path / "bank", waves)
    bank = replace(bank, source=str(tmp_path), index=bank.index.assign(path=["0.wav", ""]))
    mashup = mashup_of(1.0, [Voice(0)], [Burst(1, 2.0)])
    wave = render(bank, mashup, 0, "peak", sample_rate_hz)
    expected = synthetic_noise.wave(name, sample_rate_hz)[2 * sample_rate_hz :][: len(wave)]
    assert wave == pytest.approx(expected / np.abs(expected).max(), abs=1e-3)
    assert burst_spans(bank, mashup, 0) == [(f"{synthetic_noise.kind_of(name)} ({name})", 0.0, 1.0)]


def test_a_missing_file_is_named_unless_the_bank_is_enough(tmp_path):
    bank = bank_of_files(tmp_path, {"a.0/drums": tone(1000, 1.0, 44_100)}, 44_100)
    (tmp_path / "0.wav").unlink()
    mashup = mashup_of(1.0, [Voice(0)])
    assert np.abs(render(bank, mashup, 0)).max() == 1
    with pytest.raises(UserError, match=r"no file .*0\.wav, .*--data.*16000 Hz"):
        render(bank, mashup, 0, "peak", 44_100)


def test_a_file_that_is_another_by_now_is_refused(tmp_path):
    bank = bank_of_files(tmp_path, {"a.0/drums": tone(1000, 1.0, 44_100)}, 44_100)
    soundfile.write(tmp_path / "0.wav", tone(1000, 0.9, 44_100), 44_100)
    with pytest.raises(UserError, match=r"0\.wav gives 0\.900 s, the bank .* holds 1\.000 s of it: run build\.py"):
        render(bank, mashup_of(0.5, [Voice(0)]), 0, "peak", 22_050)


def test_silence_stays_silent(tmp_path):
    bank = bank_of(tmp_path, {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.zeros(RATE_HZ, np.float32)})
    mashup = mashup_of(1.0, [Voice(0, rate=1.1)], [Burst(1, 0.0, 0.1, 0.5, gain=0.4)], 100.0, 4000.0)
    for burst_level in ("raw", "peak", "snr"):
        assert (render(bank, mashup, 0, burst_level) == 0).all()


@pytest.mark.parametrize("stretch", STRETCHES)
def test_the_same_mashup_whatever_its_batch_and_every_time(bank, stretch):
    mashups = drawn(bank, replace(STEADY, stretched=1.0), 3)
    first, again = (render(bank, some, row, stretch=stretch) for some, row in ((mashups, 2), (mashups[2:], 0)))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_that_is_not_there_is_refused(bank, row):
    mashups = drawn(bank, STEADY, 3)
    for of_row in (render, burst_spans):
        with pytest.raises(IndexError, match=f"no mashup {row}: the arrangements are numbered 0 to 2"):
            of_row(bank, mashups, row)


@pytest.mark.parametrize("clip", [-2, 43])
def test_a_clip_that_the_bank_does_not_hold_is_refused(bank, clip):
    for mashup in (mashup_of(1.0, [Voice(clip)]), mashup_of(1.0, [Voice(0)], [Burst(clip)])):
        with pytest.raises(IndexError, match=f"wants clip {clip}: the bank holds clips 0 to 42"):
            render(bank, mashup, 0)
