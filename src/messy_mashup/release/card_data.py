"""The parts of a model card that tell what a release was made of: the recipe, the data, the licence."""

from collections.abc import Mapping

from messy_mashup.recipe import Recipe
from messy_mashup.release.licences import is_noncommercial, shares_alike, weights_name
from messy_mashup.release.released_members import Released
from messy_mashup.release.training_data import TrainingData
from messy_mashup.scoring.predict import Listener

MAY_DIFFER = (
    " Where that differs from the corpus as it is described, a part of it was used, or other music in the same layout."
)


def recipe_section(released: Released, listener: Listener) -> str:
    """What the root is and how it was trained, as a table; recipe.json has every field."""
    recipe = released.root.recipe
    rows = {
        "network": _network(recipe, listener),
        "weights to begin with": _begun(recipe),
        "hears": f"{recipe.backbone.heard_s:g} s at once ({listener.frames} frames), {listener.spec.sample_rate_hz} "
        "Hz mono, "
        f"log-mel of {listener.spec.mels} bands",
        "clips in training": _clips(recipe),
        "training": _training(recipe),
        "teacher": f"the blend {recipe.teacher.blend}, {recipe.teacher.share:.0%} of the target"
        if recipe.teacher.blend
        else "",
        "scoring of a clip": f"{recipe.scoring.windows} windows, {recipe.scoring.pooled} averaged"
        if recipe.scoring.pooled != "majority"
        else f"{recipe.scoring.windows} windows, majority of their votes",
        "seed": str(recipe.train.seed),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value)
    return f"## How it was trained\n\nRecipe `{recipe.name}`, in full in `recipe.json`.\n\n| | |\n|---|---|\n{table}"


def data_section(released: Released, data: TrainingData) -> str:
    """What it was trained on."""
    parts = ["## Data"]
    if data.is_synthetic:
        parts.append(
            f"**Synthetic.** The project's own synthesiser wrote songs, noise clips and mashups in the layout of "
            f"the corpus "
            f"`{data.corpus}`, for trying the software; no recording of anybody is in it. Its genres are rules "
            "for rhythm, harmony and timbre: how well they are told apart says nothing of real ones."
        )
    else:
        parts.append(f"Corpus `{data.corpus}`. {data.about}")
    if data.songs is not None:
        parts.append(
            f"Counted in what this model was trained and measured on: {data.songs} songs as {data.clips} clips, "
            f"{data.minutes:.0f} minutes, and {data.noises} noise clips." + ("" if data.is_synthetic else MAY_DIFFER)
        )
    parts.append("The training data are not part of this release.")
    return "\n\n".join(parts)


def licence_section(released: Released, licences: Mapping[str, str], licence: str) -> str:
    """Under which licence the weights are, and from where it comes."""
    by_origin: dict[str, str] = {}
    for member in released.members:
        by_origin[_begun(member.recipe)] = licences[member.name]
    rows = [f"- {origin}: {name}" for origin, name in by_origin.items()]
    parts = [
        "## Licence",
        f"The weights are released under **{licence}**, after what they began with:",
        "\n".join(rows),
    ]
    if is_noncommercial(licence):
        parts.append(
            "**No commercial use.** The weights that this model began with are for non-commercial use only, and so is "
            "what was made of them: no paid product, no service that earns by it."
            + (" Whatever is made of it must be shared under the same licence." if shares_alike(licence) else "")
        )
    parts.append(
        "A licence of weights says nothing of the rights in the recordings that a model learnt from; see Data and "
        "Ethics."
    )
    return "\n\n".join(parts)


def _network(recipe: Recipe, listener: Listener) -> str:
    count = sum(parameter.numel() for parameter in listener.model.parameters())
    backbone = recipe.backbone
    told = {"ast": "Audio Spectrogram Transformer", "maest": "MAEST", "resnet34": "ResNet34", "cnn": "CNN"}[
        backbone.name
    ]
    if backbone.name in ("ast", "maest"):
        told += f", {backbone.layers} layers of width {backbone.width}, patches of 16 by 16 "
        told += f"every {backbone.stride[0]} bands and {backbone.stride[1]} frames"
        told += f", a hidden layer of {backbone.head.hidden} in its head" if backbone.head.hidden else ""
        told += f", DoRA adapters of rank {backbone.dora.rank} (merged)" if backbone.dora.rank else ""
    return f"{told}; {count / 1e6:.1f} M weights"


def _begun(recipe: Recipe) -> str:
    name = weights_name(recipe.backbone)
    frozen = ", frozen" if getattr(recipe.backbone, "frozen", False) else ""
    return f"`{name}`{frozen}" if name else "random weights (this project's own licence)"


def _clips(recipe: Recipe) -> str:
    mashup = recipe.mashup
    if len(mashup.parts) == 1:
        return "songs as they are, cut anew each time"
    return (
        f"fresh mashups of {len(mashup.parts)} stems of different songs of one class ({mashup.length_s[0]:g} to "
        f"{mashup.length_s[1]:g} s), {mashup.stretched:.0%} of the stems stretched by {mashup.rate[0]:g} to "
        f"{mashup.rate[1]:g} (tempo: {mashup.tempo}), {mashup.noisy:.0%} with {mashup.bursts[0]} to {mashup.bursts[1]} "
        "bursts of noise"
    )


def _training(recipe: Recipe) -> str:
    train = recipe.train
    count = f"{train.mashups_per_epoch:,} clips" if train.mashups_per_epoch else "every song once"
    epochs = "1 epoch" if train.epochs == 1 else f"{train.epochs} epochs"
    return f"{epochs} of {count}, batches of {train.batch_size}, AdamW at {train.lr:g}, cosine to zero"
