"""Many files at once: in order, each by itself, in flat memory, and gone on with where they were broken off."""

import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.scoring import hearing
from messy_mashup.scoring.hearing import opinions_of_files, origin_of
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.predict import Listener, file_log_mel
from messy_mashup.scoring.side_by_side import AHEAD, in_order

SPEC = librosa_log_mel(mels=64, hop=320, fft=1024)


def listener(seed: int = 0) -> Listener:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(50 * 64, 16), nn.GELU(), nn.Linear(16, 3))
    return Listener(model, SPEC, 50, ("a", "b", "c"), torch.device("cpu"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    paths = [folder / f"{number:02d}.wav" for number in range(20)]
    for number, path in enumerate(paths):
        wave = np.random.default_rng(number).normal(0, 0.1, 16_000 + 3_000 * number)
        soundfile.write(path, wave.clip(-1, 1), 16_000)
    return paths


def told(results) -> np.ndarray:
    return np.array([opinions[0].logits for _, opinions in results])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order_and_few_are_begun_before_they_are_asked_for(threads):
    begun, together, most, lock = 0, 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal begun, together, most
        with lock:
            begun, together = begun + 1, together + 1
            most = max(most, together)
        time.sleep(0.002 * (number % 3))
        with lock:
            together -= 1
        assert torch.get_num_threads() == 1
        return number

    before, taken = torch.get_num_threads(), []
    for number in in_order(work, iter(range(100)), threads):
        taken.append(number)
        assert begun <= len(taken) + AHEAD * threads + 1
    assert taken == list(range(100))
    assert most == threads
    assert torch.get_num_threads() == before


def test_whoever_stops_asking_ends_the_work():
    done = []
    results = in_order(lambda number: done.append(number) or number, iter(range(1000)), 2)
    assert next(results) == 0
    results.close()
    assert len(done) <= 2 * AHEAD + 2


def test_a_failure_comes_in_its_place():
    def work(number: int) -> float:
        return 1 / (number - 3)

    results = in_order(work, range(10), 2)
    assert [next(results) for _ in range(3)] == [-1 / 3, -1 / 2, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_file_gives_the_same_bits_whatever_is_heard_beside_it(files):
    hearer = listener()
    together = told(opinions_of_files([hearer], files))
    alone = np.concatenate([told(opinions_of_files([hearer], [file])) for file in files])
    np.testing.assert_array_equal(together, alone)
    by_hand = hearer.logits(file_log_mel(file, SPEC) for file in files)
    np.testing.assert_allclose(together, by_hand, rtol=1e-4, atol=1e-5)


def test_each_listener_hears_through_its_own_front_end(files):
    fine = replace(SPEC, hop=160)
    hearers = [listener(1), replace(listener(2), spec=fine), listener(3)]
    for file, opinions in opinions_of_files(hearers, files[:3]):
        expected = [hearer.logits([file_log_mel(file, hearer.spec)])[0] for hearer in hearers]
        np.testing.assert_allclose([opinion.logits for opinion in opinions], expected, rtol=1e-4, atol=1e-5)


def test_on_a_gpu_windows_of_several_files_go_together_and_tell_the_same(files, monkeypatch):
    """The way of a GPU, tried on the CPU: it is chosen by the device's kind."""
    hearer, sizes = listener(), []
    hook = hearer.model.register_forward_hook(lambda model, inputs, outputs: sizes.append(len(outputs)))
    expected = told(opinions_of_files([hearer], files))
    few = max(sizes)
    sizes.clear()
    monkeypatch.setattr(hearing, "_is_processor", lambda device: False)
    text = files[0].with_name("text.wav")
    text.write_text("no audio")
    results = list(opinions_of_files([hearer], [*files[:7], text, *files[7:]]))
    hook.remove()
    assert isinstance(results.pop(7)[1], UserError)
    np.testing.assert_allclose(told(results), expected, rtol=1e-4, atol=1e-5)
    assert max(sizes) == 64 > few


def test_a_journal_is_gone_on_with_and_a_changed_file_is_heard_anew(files, tmp_path, monkeypatch):
    path, hearer, heard = tmp_path / ".a.journal", listener(), []
    expected = told(opinions_of_files([hearer], files))
    with suppress(KeyboardInterrupt), Journal.of(path, [origin_of(hearer)], "") as journal:
        for number, _ in enumerate(opinions_of_files([hearer], files, journal)):
            if number == 11:
                raise KeyboardInterrupt
    original = hearing.file_log_mel
    monkeypatch.setattr(hearing, "file_log_mel", lambda file, spec: heard.append(file) or original(file, spec))
    bytes_of_third = files[2].read_bytes()
    files[2].write_bytes(files[3].read_bytes())
    with Journal.of(path, [origin_of(hearer)], "") as journal:
        again = told(opinions_of_files([hearer], files, journal))
    files[2].write_bytes(bytes_of_third)
    assert sorted(heard) == [files[2], *files[12:]]
    np.testing.assert_array_equal(again[2], expected[3])
    np.testing.assert_array_equal(np.delete(again, 2, axis=0), np.delete(expected, 2, axis=0))


def test_an_origin_is_of_weights_front_end_and_scoring():
    hearer = listener()
    assert origin_of(hearer) == origin_of(listener())
    others = [listener(1), replace(hearer, frames=51), replace(hearer, scoring=replace(hearer.scoring, overlap=0.25))]
    assert len({origin_of(one) for one in [hearer, *others]}) == 4
