"""Transformers with linear layers in 8 bits, for processors.

Weights are rounded to int8 once, with a scale for each row, activations to uint8 as they come, with one scale (torch's
dynamic quantisation); sums and all else stay float32. Processors with VNNI multiply 8 bits several times as fast.
Those without add up in 16 bits, so torch takes 7 bits of activations by itself; with VNNI all 8 are taken here.
"""

import copy
import warnings
from dataclasses import replace

import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.models.adapters import merge
from messy_mashup.models.ast import AST
from messy_mashup.scoring.predict import Listener

DynamicLinear = torch.ao.nn.quantized.dynamic.Linear
ENGINE = "onednn"  # torch's, that uses VNNI where the processor has it


class _AllBits(DynamicLinear):
    """A layer that takes its activations in all 8 bits."""

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        return torch.ops.quantized.linear_dynamic(activations, self._packed_params._packed_params, reduce_range=False)


def int8_listener(listener: Listener) -> Listener:
    """The listener with its transformer's linear layers in 8 bits; the head stays as it is.

    UserError on a GPU, and for a network whose work is in convolutions, which 8 bits would leave as they are.
    """
    if listener.device.type != "cpu":
        raise UserError("--int8 is for processors: on a GPU leave it out, half precision is faster there")
    if not isinstance(listener.model, AST):
        told = type(listener.model).__name__
        raise UserError(f"--int8 is for transformers, and {told} is made of convolutions: leave it out")
    if ENGINE not in torch.backends.quantized.supported_engines:
        raise UserError(f"--int8: this build of torch has no {ENGINE}: leave it out")
    model = copy.deepcopy(listener.model).eval()
    merge(model)
    torch.backends.quantized.engine = ENGINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this moves to another package, which Kaggle's image has not
        by_rows = {nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
        transformer = torch.ao.quantization.quantize_dynamic(model.audio_spectrogram_transformer, by_rows)
    for layer in transformer.modules():
        if isinstance(layer, DynamicLinear) and torch.cpu._is_vnni_supported():
            layer.__class__ = _AllBits
    model.audio_spectrogram_transformer = transformer
    return replace(listener, model=model)
