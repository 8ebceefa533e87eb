"""Turn an original checkpoint of MAEST into a folder in the hub's format, which every command takes as weights.

    python src/convert_maest.py CHECKPOINT FOLDER [--labels FILE] [--heads N]

CHECKPOINT is a safetensors file, or one of torch that holds tensors alone: no code in it is ever run. --labels is a
text file with the name of one style a line, in the order of the training, or a JSON list.
"""

import argparse
import json
from pathlib import Path

from messy_mashup.errors import UserError, run_script


def main() -> None:
    """Parse, convert, print."""
    options = _options()
    from messy_mashup.models.maest_checkpoint import convert

    labels = _labels(options.labels) if options.labels else []
    convert(options.checkpoint, options.folder, labels, options.heads)
    if not labels:
        print("the styles have no names but LABEL_0, LABEL_1, ...: give their list with --labels")
    print(options.folder)


def _labels(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
        labels = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a list of styles ({error}): give one name a line") from error
    labels = [str(label).strip() for label in labels if str(label).strip()]
    if len(set(labels)) < len(labels):
        raise UserError(f"{path} names a style twice: each logit has a name of its own")
    return labels


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="safetensors, or tensors of torch")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where config.json and model.safetensors go")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="names of the styles, one a line (default: none)")
    parser.add_argument("--heads", type=int, help="of attention (default: the width over 64)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
