"""Pretrained weights, fetched from the hub once and laid out so that a kernel without internet finds them."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from messy_mashup import models, recipe
from messy_mashup.files import write_whole
from messy_mashup.models.hub import from_hub

FOLDER = "weights"  # below input/
CLASSES = 10
TENSORS = "model.safetensors"
SETTINGS = ("config.json", "preprocessor_config.json")
RESNET34 = "timm/resnet34.a1_in1k"  # what timm's create_model("resnet34", pretrained=True) takes


@dataclass(frozen=True)
class Source:
    """Weights by their name on the hub, and the network that takes them."""

    name: str
    backbone: recipe.ASTRecipe | recipe.ResNet34Recipe

    @property
    def folder(self) -> str:
        """Its folder here and on Kaggle, by which paths.find_weights knows it: the last part of the name."""
        return self.name.rsplit("/", 1)[-1]


def fetch(sources: Iterable[Source], folder: Path, say: Callable[[str], None] = print) -> list[Path]:
    """Give each source a folder below `folder`, with weights that load; what is there and loads is not fetched."""
    fetched = []
    for source in sources:
        target = folder / source.folder
        if (target / TENSORS).is_file():
            check(target, source)
            say(f"{target}: there already, and it loads")
        else:
            found = from_hub(source.name, [TENSORS, SETTINGS[0]], SETTINGS[1:])
            check(found, source)
            # the tensors last: a copy that was killed is begun again
            for path in [*(found / name for name in SETTINGS if (found / name).is_file()), found / TENSORS]:
                with write_whole(target / path.name) as temporary:
                    shutil.copyfile(path, temporary)
            say(f"{target}: fetched, and it loads")
        fetched.append(target)
    return fetched


def check(folder: Path, source: Source) -> None:
    """UserError where the network of the source does not take the weights in `folder`."""
    backbone = replace(source.backbone, weights=str(folder))
    models.load_pretrained(models.build(backbone, CLASSES), backbone)


def pack_weights(folders: Iterable[Path], folder: Path) -> None:
    """Copy each folder of weights, under its own name, into `folder`."""
    for source in folders:
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns(".*"))
