"""Real audio, where the mini set is at hand: the bank and mashups of real music."""

from pathlib import Path

import numpy as np
import pytest
import torch

from messy_mashup import models, recipes
from messy_mashup.data import bank_build
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import open_plan

MINI = Path(__file__).resolve().parents[1] / "input" / "mini_mashup"


@pytest.mark.slow
@pytest.mark.skipif(not MINI.is_dir(), reason="input/mini_mashup is not unpacked")
def test_mashups_of_real_music(tmp_path):
    recipe = recipes.load("messy_mashup_resnet34_tiny")
    bank = bank_build.build("messy_mashup", MINI, tmp_path / "bank")
    assert len(bank.select("stem")) == 1600
    plan = open_plan(bank, recipe.folds, tmp_path)
    _, mashups = plan.mashups(0)
    heard = MashupPlayer(bank, models.frame_spec(recipe.backbone)).log_mel(mashups, 100, "peak")
    assert torch.isfinite(heard).all()
    assert np.bincount(mashups.label, minlength=10).min() > 10
