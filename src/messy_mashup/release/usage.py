"""The Python that a release's card gives: plain transformers and onnxruntime, nothing of this project.

Every block runs alone, in the release's own folder, on a file song.wav; the tests run them so.
"""

import json
from collections.abc import Sequence

from messy_mashup.scoring.predict import Listener

RATE_HZ = 16_000
STANDARD = ("import json", "import math")
LIBROSA, NUMPY, ONNX_IMPORT = "import librosa", "import numpy as np", "import onnxruntime"
PIPELINE_IMPORT = "from transformers import pipeline"
AST_IMPORTS = (
    "import math",
    "import torch",
    "from transformers import AutoFeatureExtractor, AutoModelForAudioClassification",
)
LOAD = """wave, rate = librosa.load("song.wav", sr={rate}, mono=True)
"""

PIPELINE = """classify = pipeline("audio-classification", model="{place}")
for answer in classify({{"raw": wave, "sampling_rate": rate}}):
    print(answer["label"], round(answer["score"], 3))
"""

WHOLE_CLIP = '''WINDOW, HOP = {window}, {hop}  # samples of a frame, and from one frame to the next


def {name}(folder, wave):
    """Log-probabilities (classes,) of a whole clip at {rate} Hz: peak 1, overlapping windows, {pooling}."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    frames = model.config.max_length
    unheard = (frames - model.config.patch_size) % model.config.time_stride  # frames after the last patch
    wave = wave / np.abs(wave).max()
    length = 1 + (len(wave) - WINDOW) // HOP + unheard
    step = max(1, frames - math.ceil(frames * {overlap}))
    last = max(0, length - frames)
    starts = np.linspace(0, last, 1 + math.ceil(last / step)).round().astype(int)
    windows = [wave[HOP * start : HOP * (start + frames - 1) + WINDOW] for start in starts]
    log_mels = extractor(windows, sampling_rate={rate}, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**log_mels).logits
    return {pooled}
'''
POOLED = {
    "logits": ("mean of the logits", "logits.mean(0).log_softmax(0).numpy()"),
    "probabilities": ("mean of the probabilities", "logits.softmax(1).mean(0).log().numpy()"),
}

TELL = """

probabilities = np.exp({name}("{place}", wave))
labels = AutoModelForAudioClassification.from_pretrained("{place}").config.id2label
for number in probabilities.argsort()[::-1]:
    print(labels[int(number)], round(float(probabilities[number]), 5))
"""

ONNX = '''def heard_by_onnx(file, wave):
    """Log-probabilities (classes,) of a whole clip at 16 kHz, at peak 1."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"wave": (wave / np.abs(wave).max()).astype(np.float32)})
    return np.log(np.maximum(probabilities, 1e-38))
'''

TELL_ONNX = """

labels = json.load(open("labels.json", encoding="utf-8"))
probabilities = np.exp(heard_by_onnx("model.onnx", wave))
for number in probabilities.argsort()[::-1]:
    print(labels[number], round(float(probabilities[number]), 5))
"""

AVERAGE = """

blend = json.load(open("blend.json", encoding="utf-8"))
by_run = {run: [] for run in blend["runs"]}
for member in blend["members"]:
    folder = member["folder"]
    heard = HEARD[member["format"]]
    temperature = blend["temperatures"][blend["runs"].index(member["counted_for"])]
    by_run[member["counted_for"]].append(log_softmax(heard(folder, wave) / temperature))
runs = np.stack([np.log(np.mean(np.exp(members), axis=0)) for members in by_run.values()])
"""
SOFTMAX = """def log_softmax(values):
    values = values - values.max(-1, keepdims=True)
    return values - np.log(np.exp(values).sum(-1, keepdims=True))
"""
COMBINED = {
    "mean": 'probabilities = np.tensordot(blend["combiner"]["shares"], np.exp(runs), axes=1)\n',
    "geometric": "probabilities = np.exp(log_softmax(runs.mean(axis=0)))\n",
    "stack": (
        'stack = blend["combiner"]\n'
        'scores = np.array(stack["coefficients"]) @ runs.clip(min=np.log(1e-6)).reshape(-1) + stack["intercepts"]\n'
        "probabilities = np.exp(log_softmax(scores))\n"
    ),
}
TELL_AVERAGE = """for number in probabilities.argsort()[::-1]:
    print(blend["labels"][number], round(float(probabilities[number]), 5))
"""


def pipeline_code(listener: Listener, place: str) -> str:
    """The pipeline, which hears the first window."""
    return _script([LIBROSA, PIPELINE_IMPORT], "", PIPELINE.format(place=place), listener.spec.sample_rate_hz)


def whole_clip_code(listener: Listener, place: str) -> str:
    """A whole clip by one AST folder, as this project scores it."""
    told = TELL.format(name="whole_clip", place=place)
    return _script([*AST_IMPORTS, LIBROSA, NUMPY], _heard(listener), told, listener.spec.sample_rate_hz)


def onnx_code() -> str:
    """A whole clip by model.onnx."""
    return _script(["import json", LIBROSA, NUMPY, ONNX_IMPORT], ONNX, TELL_ONNX, RATE_HZ)


def average_code(listeners: Sequence[Listener], has_onnx: bool, kind: str) -> str | None:
    """The rule of blend.json over its members; `listeners` are those that transformers loads.

    None for a rule that ranks clips against each other: of one clip it tells nothing.
    """
    if kind not in COMBINED:
        return None
    variants = dict.fromkeys(_variant(listener) for listener in listeners)
    functions = [
        _heard(next(one for one in listeners if _variant(one) == variant), _format_name(listeners, variant))
        for variant in variants
    ]
    names = [f'"{name}": {name}' for name in (_format_name(listeners, variant) for variant in variants)]
    if has_onnx:
        functions.append(ONNX)
        names.append('"onnx": lambda folder, wave: heard_by_onnx(f"{folder}/model.onnx", wave)')
    table = "\n\nHEARD = {\n" + "".join(f"    {name},\n" for name in names) + "}\n"
    imports = ["import json", LIBROSA, NUMPY, *(AST_IMPORTS if variants else []), *([ONNX_IMPORT] if has_onnx else [])]
    told = AVERAGE + COMBINED[kind] + TELL_AVERAGE
    return _script(imports, "\n\n".join([*functions, SOFTMAX]) + table, told, RATE_HZ)


def ast_format(listeners: Sequence[Listener], listener: Listener) -> str:
    """What blend.json calls the way in which an AST among these is scored: the name of the function that does it."""
    return _format_name(listeners, _variant(listener))


def _format_name(listeners: Sequence[Listener], variant: tuple[float, str]) -> str:
    """`whole_clip` for the first way among the listeners, `whole_clip_2` for the second."""
    number = list(dict.fromkeys(map(_variant, listeners))).index(variant) + 1
    return "whole_clip" if number == 1 else f"whole_clip_{number}"


def is_told_exactly(listener: Listener) -> bool:
    """Whether whole_clip_code scores a clip as the member itself does: it has overlapping windows alone, no votes."""
    return listener.scoring.windows == "overlapping" and listener.scoring.pooled in POOLED


def labels_text(classes: list[str]) -> str:
    """labels.json: the classes in the order of the probabilities."""
    return json.dumps(classes, ensure_ascii=False) + "\n"


def _script(imports: Sequence[str], functions: str, told: str, rate_hz: int) -> str:
    """A block: imports as a linter sorts them, functions, then the wave and what is told of it."""
    own = sorted(line for line in imports if line in STANDARD)
    others = sorted(
        (line for line in imports if line not in STANDARD), key=lambda line: (line.startswith("from"), line)
    )
    head = "\n\n".join("\n".join(part) for part in (own, others) if part)
    body = f"\n\n{functions.strip()}\n\n\n" if functions else "\n\n"
    return head + body + LOAD.format(rate=rate_hz) + told.lstrip("\n")


def _variant(listener: Listener) -> tuple[float, str]:
    return listener.scoring.overlap, listener.scoring.pooled


def _heard(listener: Listener, name: str = "whole_clip") -> str:
    pooling, pooled = POOLED.get(listener.scoring.pooled, POOLED["logits"])
    return WHOLE_CLIP.format(
        name=name,
        rate=listener.spec.sample_rate_hz,
        window=listener.spec.window,
        hop=listener.spec.hop,
        overlap=listener.scoring.overlap,
        pooling=pooling,
        pooled=pooled,
    )
