"""A release's model card, filled from the run: README.md with the hub's front matter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from huggingface_hub import EvalResult, ModelCardData

from messy_mashup.recipe import Recipe
from messy_mashup.release import usage
from messy_mashup.release.card_data import data_section, licence_section, recipe_section
from messy_mashup.release.card_harm import ethics_section, limits_section
from messy_mashup.release.card_scores import LeaderboardScore, results_section
from messy_mashup.release.licences import OWN, strictest, weights_name
from messy_mashup.release.released_members import Member, Released
from messy_mashup.release.training_data import TrainingData
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.report_figures import Figures

CONFUSION = "confusion.png"
INDEXED = {"macro F1": "f1", "accuracy": "accuracy"}  # the hub's names of metrics
CORPORA_ON_HUB = {"gtzan": "marsyas/gtzan"}


@dataclass(frozen=True)
class Card:
    """What a card says beside what is in the members themselves."""

    figures: Figures  # of the run or blend, on held-out songs
    data: TrainingData
    licences: Mapping[str, str]  # by member
    root_figures: Figures | None = None  # of the root's own run, where a blend is released
    leaderboard: tuple[LeaderboardScore, ...] = ()
    repository: str | None = None  # OWNER/NAME on the hub

    @property
    def place(self) -> str:
        """What the snippets load: the repository, or the folder that they run in."""
        return self.repository or "."

    @property
    def licence(self) -> str:
        """The release's."""
        return strictest(list(self.licences.values()))


def card_text(released: Released, card: Card, listeners: Mapping[str, Listener]) -> str:
    """The whole README.md."""
    parts = [
        f"---\n{front_matter(released, card)}\n---",
        f"# {released.subject.name}",
        _summary(released, card),
        _use(released, card, listeners),
        recipe_section(released, listeners[released.root.name]),
        data_section(released, card.data),
        results_section(released, card.figures, card.root_figures, card.leaderboard, CONFUSION),
        limits_section(released, card.figures, card.data, listeners[released.root.name]),
        ethics_section(released, card.figures, card.data),
        licence_section(released, card.licences, card.licence),
        _files(released),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def front_matter(released: Released, card: Card) -> str:
    """The YAML that the hub reads, without its fences."""
    root = released.root
    tags = ["audio", "music", "genre-classification", root.recipe.backbone.name]
    tags += ["synthetic-data"] if card.data.is_synthetic else []
    tags += [] if root.is_plain_ast else ["onnx"]
    base = weights_name(root.recipe.backbone)
    fields = ModelCardData(
        model_name=released.subject.name,
        license=card.licence,
        library_name="transformers" if root.is_plain_ast else "onnx",
        pipeline_tag="audio-classification",
        tags=tags,
        datasets=CORPORA_ON_HUB.get(card.data.corpus) and [CORPORA_ON_HUB[card.data.corpus]],
        base_model=base if "/" in base else None,
        metrics=list(INDEXED.values()),
        eval_results=_measured(released, card),
    )
    return fields.to_yaml().strip()


def public_recipe(recipe: Recipe) -> Recipe:
    """The recipe without the folders of the machine it was trained on: weights by their name alone."""
    if not getattr(recipe.backbone, "weights", ""):
        return recipe
    return replace(recipe, backbone=replace(recipe.backbone, weights=weights_name(recipe.backbone)))


def _measured(released: Released, card: Card) -> list[EvalResult]:
    music = "synthetic music" if card.data.is_synthetic else "held-out songs"
    whole = f"{card.data.corpus}, {music}, the {released.subject.kind}"
    told = [(whole, card.figures)]
    if card.root_figures is not None:
        told.append((f"{card.data.corpus}, {music}, the run of the model in the root", card.root_figures))
    results = []
    for name, figures in told:
        value = figures.scores.set_index("score")["value"]
        for score, metric in INDEXED.items():
            results.append(
                EvalResult(
                    task_type="audio-classification",
                    dataset_type=card.data.corpus,
                    dataset_name=name,
                    metric_type=metric,
                    metric_name=score,
                    metric_value=round(float(value[score]), 4),
                )
            )
    return results


def _summary(released: Released, card: Card) -> str:
    root, count = released.root, len(released.classes)
    heard, kind = root.recipe.backbone.name.upper(), released.subject.kind.capitalize()
    macro = card.figures.scores.set_index("score").loc["macro F1"]
    told = [
        f"{heard} that tells {count} classes of music apart ({', '.join(released.classes)}). {kind} "
        f"`{released.subject.name}` scores macro F1 **{macro.value:.3f}** (95 % interval {macro.low:.3f} to "
        f"{macro.high:.3f}) on songs that the models which scored them had not heard."
    ]
    if card.data.is_synthetic:
        told.insert(
            0,
            "> **Trained and measured on synthetic music.** All songs, noises and mashups were made by a synthesiser, "
            "so that the project can be tried without data. The scores say nothing about real music. Use it to try "
            "the software, not to label anything.",
        )
    return "\n\n".join([*told, _which(released)])


def _which(released: Released) -> str:
    root = released.root
    what = (
        "It was trained on all songs, so it has no held-out score of its own: the score is that of its run's folds, "
        "each trained in the same way on the other songs."
        if root.folder.name == "all"
        else "It was trained without the songs of its fold; its own held-out score is that fold's row below."
    )
    told = f"The model in this folder's root is the member `{root.name}`. {what}"
    if released.others:
        told += (
            f" The {len(released.others)} other members are in `members/`. The score above is that of all together"
            if released.blend and released.subject.kind == "blend"
            else f" The {len(released.others)} other members of its run are in `members/`; how good the average of all "
            "is was not measured, since every song was heard by some of them"
        )
        told += ", which the last snippet computes." if released.subject.kind == "blend" else "."
    if released.matcher_left_out:
        told += (
            " The blend in use also knew stems that had been found in the competition's test mashups. That tells "
            "nothing of other music, so it is left out here, and the figures are without it."
        )
    return told


def _use(released: Released, card: Card, listeners: Mapping[str, Listener]) -> str:
    root, listener = released.root, listeners[released.root.name]
    parts = ["## How to use it"]
    if root.is_plain_ast:
        parts += _use_transformers(root, card, listener)
    else:
        why = "has a hidden layer in its head" if root.recipe.backbone.name == "ast" else "is no model of transformers'"
        parts += [
            f"The member in the root {why}, so it is released as ONNX: `model.onnx` takes a wave at 16 kHz and gives "
            "the probabilities of the classes in `labels.json`. It hears the whole clip; "
            "`from_pretrained` does not load it. Needed: onnxruntime, librosa.",
            _block(usage.onnx_code()),
        ]
    if released.blend:
        parts += _use_blend(released, listeners)
    if card.repository:
        parts.append(f"For files beside the model, get the folder: `hf download {card.repository} --local-dir .`")
    return "\n\n".join(parts)


def _use_transformers(root: Member, card: Card, listener: Listener) -> list[str]:
    adapted = " Its DoRA adapters are merged into the weights." if root.recipe.backbone.dora.rank else ""
    heard_s = root.recipe.backbone.heard_s
    told = [
        f"It is a plain `ASTForAudioClassification`.{adapted} The pipeline hears **the first {heard_s:g} s** of a "
        f"clip, at "
        "the level that the file has. Needed: transformers, torch, librosa.",
        _block(usage.pipeline_code(listener, card.place)),
        "What was measured below is different in two ways: each clip is first scaled to peak 1, as every clip in "
        "training "
        "was, and heard whole, by overlapping windows whose logits are averaged. This does the same (within 1e-4 of "
        "the "
        "project's own probabilities):",
        _block(usage.whole_clip_code(listener, card.place)),
    ]
    if not usage.is_told_exactly(listener):
        told.append(
            f"The scores below were made with other windows (`scoring.windows={listener.scoring.windows}`, "
            f"`scoring.pooled={listener.scoring.pooled}`), which are not written out here, so results differ a little."
        )
    return told


def _use_blend(released: Released, listeners: Mapping[str, Listener]) -> list[str]:
    kind = released.blend.rule.combiner.kind
    code = usage.average_code(_asts(released, listeners), _has_onnx(released), kind)
    if code is None:
        return [
            "The rule in `blend.json` ranks many clips against each other, and tells nothing of one clip, so no "
            "code is "
            "given for it: use single members, or the project's own `infer.py`."
        ]
    return [
        f"All {len(released.members)} members together ({released.blend.method}, `blend.json`): the probabilities of a "
        "run's members are averaged, then the runs are combined. Run it in this folder.",
        _block(code),
    ]


def _asts(released: Released, listeners: Mapping[str, Listener]) -> list[Listener]:
    return [listeners[member.name] for member in released.members if member.is_plain_ast]


def _has_onnx(released: Released) -> bool:
    return not all(member.is_plain_ast for member in released.members)


def _files(released: Released) -> str:
    rows = ["| file | what it is |", "|---|---|"]
    if released.root.is_plain_ast:
        rows += [
            "| `config.json`, `model.safetensors` | the network, its classes and its weights |",
            "| `preprocessor_config.json` | the log-mel that it hears |",
        ]
    else:
        rows.append("| `model.onnx`, `labels.json` | a wave in, probabilities out, and the classes in their order |")
    rows.append("| `recipe.json` | everything that the training depended on |")
    if released.others:
        rows.append("| `members/` | the other members, each a folder like this |")
    if released.blend:
        rows.append("| `blend.json` | which members there are and how they are averaged |")
    rows.append(f"| `{CONFUSION}` | which classes are taken for which |")
    rows.append("| `release.json` | SHA-256 of every file |")
    return f"## Files\n\n{chr(10).join(rows)}\n\nThe code's own licence is {OWN.upper()}."


def _block(code: str) -> str:
    return f"```python\n{code}```"
