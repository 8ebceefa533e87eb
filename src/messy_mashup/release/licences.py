"""Under which licence a release stands: that of the pretrained weights that its members began with."""

from pathlib import Path

from messy_mashup.errors import UserError
from messy_mashup.paths import find_weights
from messy_mashup.recipe import Backbone

OWN = "mit"  # this repository's, of weights that began at random: see LICENSE
# By the beginning of a hub id, as their model cards say
KNOWN = {
    "MIT/ast-finetuned-audioset-": "bsd-3-clause",
    "mtg-upf/discogs-maest": "cc-by-nc-sa-4.0",
    "timm/resnet34.": "apache-2.0",
}
# From the one that allows most: of several the last is the release's
STRICTER = ("mit", "bsd-3-clause", "apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")


def licence_of(backbone: Backbone, named: str | None = None) -> str:
    """The licence of a member's weights by the hub's name of it; `named` is the publisher's word, where it is given.

    UserError where it is neither known nor told by the README.md beside the weights.
    """
    weights = getattr(backbone, "weights", "")
    if named:
        return named.lower()
    if not weights:
        return OWN
    known = next((licence for name, licence in KNOWN.items() if weights.startswith(name)), None)
    licence = known or _told_beside(weights)
    if not licence:
        raise UserError(
            f"the licence of the weights {weights} is not known, and no README.md beside them tells it: name it with "
            "--licence, as the hub does (apache-2.0, cc-by-4.0, other)"
        )
    return licence


def strictest(licences: list[str]) -> str:
    """The licence of a release whose members have these; one that is not in STRICTER counts as stricter than all."""
    return max(licences, key=lambda licence: STRICTER.index(licence) if licence in STRICTER else len(STRICTER))


def is_noncommercial(licence: str) -> bool:
    """Whether a licence of this name forbids commercial use."""
    return "nc" in licence.lower().split("-")


def shares_alike(licence: str) -> bool:
    """Whether what is made of it must stand under the same licence."""
    return "sa" in licence.lower().split("-")


def weights_name(backbone: Backbone) -> str:
    """What the weights are called: a hub id as it is, of a path its last part alone; empty where they were random."""
    weights = getattr(backbone, "weights", "")
    is_id = any(weights.startswith(name) for name in KNOWN)
    return weights if is_id else Path(weights).name


def _told_beside(weights: str) -> str | None:
    from huggingface_hub import metadata_load

    path = find_weights(weights, lambda folder: (folder / "README.md").is_file())
    if path is None:
        return None
    folder = path if path.is_dir() else path.parent
    try:
        fields = metadata_load(folder / "README.md") or {}
    except (OSError, ValueError):
        return None
    licence = fields.get("license")
    return str(licence).lower() if isinstance(licence, str) and licence else None
