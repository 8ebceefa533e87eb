"""A MAEST of random weights in the hub's format, as its authors push it: plain AST, and a front-end in remote code."""

import json
from pathlib import Path

import torch
from torch import nn

from messy_mashup.models.maest import EXTRACTOR_FIELDS
from messy_mashup.torchvision_import import import_torchvision

WIDTH, LAYERS, HEADS = 32, 2, 2
FRAMES = 46  # 0.72 s: 9 rows by 4 columns of patches
STYLES = ("Blues---Delta Blues", "Electronic---Techno", "Jazz---Bebop", "Reggae---Dub", "Rock---Post-Punk")


def write_maest(folder: Path, frames: int = FRAMES, seed: int = 0, std: float = 0.1) -> nn.Module:
    """Write the folder; gives transformers' own model of these weights."""
    import_torchvision()
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(seed)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    names = {"id2label": dict(enumerate(STYLES)), "label2id": {name: key for key, name in enumerate(STYLES)}}
    grid = {"num_mel_bins": 96, "max_length": frames, "time_stride": 10, "frequency_stride": 10}
    config = ASTConfig(**sizes, **grid, **names, intermediate_size=4 * WIDTH, layer_norm_eps=1e-6)
    model = ASTForAudioClassification(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    model.save_pretrained(folder)
    remote = {"auto_map": {"AutoFeatureExtractor": "feature_extraction_maest.MAESTFeatureExtractor"}}
    fields = EXTRACTOR_FIELDS | remote | {"max_length": frames, "feature_extractor_type": "MAESTFeatureExtractor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(fields))
    (folder / "feature_extraction_maest.py").write_text("raise SystemExit('remote code was executed')\n")
    return model
