"""Who looks on sees the numbers; who is not asked for is not started."""

import sys
from types import SimpleNamespace

import pytest

from messy_mashup.errors import UserError
from messy_mashup.training import watch
from messy_mashup.training.watch import watching


def test_tensorboard_shows_what_was_written(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with watching(tmp_path, {}, None) as watches:
        for step in range(3):
            for one in watches:
                one.write({"step/loss": 2.0 - step}, step)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("step/loss")] == [(0, 2.0), (1, 1.0), (2, 0.0)]


def test_without_tensorboard_nobody_looks_on(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "find_spec", lambda name: None)
    with watching(tmp_path, {}, None) as watches:
        assert watches == []
    with pytest.raises(UserError, match="pip install wandb"), watching(tmp_path, {}, "mashups"):
        pass


def test_weights_and_biases_gets_a_run_that_goes_on_under_its_own_name(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        log=lambda numbers, step: calls.append((numbers, step)), finish=lambda: calls.append("finished")
    )

    def init(**options):
        calls.append(options)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    monkeypatch.setattr(watch, "find_spec", lambda name: name == "wandb")
    folder = tmp_path / "messy_mashup_cnn" / "fold3"
    with watching(folder, {"fold": 3}, "mashups") as (one,):
        one.write({"step/loss": 1.5}, 7)
    started, logged, ended = calls
    assert (started["project"], started["id"], started["resume"]) == ("mashups", "messy_mashup_cnn-fold3", "allow")
    assert started["config"] == {"fold": 3}
    assert logged == ({"step/loss": 1.5}, 7)
    assert ended == "finished"
