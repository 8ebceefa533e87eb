"""Transformers in 8 bits: nearly the same, smaller layers, with adapters merged; convolutions and GPUs are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.scoring.hearing import origin_of
from messy_mashup.scoring.int8 import int8_listener
from test_onnx_file import CNN, SMALL_AST, member

WIDER = replace(SMALL_AST, width=64, layers=3)


def log_mels(listener):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(listener.frames * 2, listener.spec.mels, generator=generator) for _ in range(8)]


def test_it_tells_nearly_the_same():
    whole = member(WIDER, 0)
    before = origin_of(whole)
    small = int8_listener(whole)
    expected, told = whole.logits(log_mels(whole)), small.logits(log_mels(whole))
    scale = np.abs(expected).max()
    assert 0 < np.abs(told - expected).max() < 0.15 * scale
    assert not any(type(one) is nn.Linear for one in small.model.audio_spectrogram_transformer.modules())
    assert type(small.model.classifier.dense) is nn.Linear
    assert origin_of(whole) == before  # the member itself is left as it was
    assert origin_of(small) == origin_of(int8_listener(whole)) != before


def test_what_gains_nothing_is_refused():
    with pytest.raises(UserError, match="CNN is made of convolutions"):
        int8_listener(member(CNN, 0))
    with pytest.raises(UserError, match="is for processors"):
        int8_listener(replace(member(WIDER, 0), device=torch.device("meta")))
