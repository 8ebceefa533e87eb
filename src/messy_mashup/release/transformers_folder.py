"""An AST member as a folder that plain transformers loads: config.json, model.safetensors, preprocessor_config.json.

The network is built from a configuration of its own and takes the member's tensors strictly, so that nothing is left
at random. Adapters are merged into the weights that they adapt, by peft.
"""

from pathlib import Path

import torch
from torch import nn

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.models.adapters import merge
from messy_mashup.models.ast import AST
from messy_mashup.scoring.predict import Listener
from messy_mashup.torchvision_import import import_torchvision

MERGED_ATOL = 1e-4  # of logits: merging rounds each weight once


def write_transformers_folder(folder: Path, listener: Listener) -> None:
    """Write the listener's AST, whose head is the plain linear one, and its feature extractor into `folder`.

    The listener's own network is changed where it has adapters: they are merged. ValueError where that changes logits.
    """
    network = listener.model
    if not isinstance(network, AST) or not hasattr(network.classifier, "layernorm"):
        raise ValueError("only an AST with the plain linear head is an ASTForAudioClassification")
    heard = torch.randn(2, listener.frames, listener.spec.mels, generator=torch.Generator().manual_seed(0))
    expected = _logits(network, heard)
    merge(network)
    model = classifier_of(network, listener.classes)
    difference = (_logits(model, heard) - expected).abs().max().item()
    if not difference <= MERGED_ATOL * max(1.0, expected.abs().max().item()):
        raise ValueError(f"the released network's logits differ by {difference:.2g} from the member's")
    model.save_pretrained(folder)
    extractor_of(listener.spec, listener.frames).save_pretrained(folder)


def classifier_of(network: AST, classes: tuple[str, ...]) -> nn.Module:
    """transformers' ASTForAudioClassification of the network's tensors, by the names of its classes."""
    import_torchvision()
    from transformers import ASTConfig, ASTForAudioClassification

    fields = network.audio_spectrogram_transformer.config.to_dict()
    labels = {"id2label": dict(enumerate(classes)), "label2id": {name: key for key, name in enumerate(classes)}}
    model = ASTForAudioClassification(ASTConfig(**fields | labels))
    encoder = network.audio_spectrogram_transformer.state_dict()
    tensors = {f"audio_spectrogram_transformer.{name}": tensor for name, tensor in encoder.items()}
    head = {f"classifier.{name}": tensor for name, tensor in network.classifier.state_dict().items()}
    model.load_state_dict(tensors | head, strict=True)
    return model.eval()


def extractor_of(spec: FrameSpec, frames: int):
    """transformers' ASTFeatureExtractor of the front-end, for windows of so many frames."""
    from transformers import ASTFeatureExtractor

    return ASTFeatureExtractor(
        sampling_rate=spec.sample_rate_hz,
        num_mel_bins=spec.mels,
        max_length=frames,
        mean=spec.mean,
        std=spec.divisor / 2,
    )


@torch.inference_mode()
def _logits(network: nn.Module, heard: torch.Tensor) -> torch.Tensor:
    found = network.eval().cpu()(heard)
    return found if isinstance(found, torch.Tensor) else found.logits
