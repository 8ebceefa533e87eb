"""A bank for those who prefer Hugging Face `datasets` and Trainer: a folder that `datasets.load_from_disk` opens.

`datasets` is optional: nothing else imports it. From version 4 on its own encoder of audio cannot do without torchcodec
(nor can save_to_disk count audio in flat memory), so only the layout is left to save_to_disk, of an empty data set. The
clips are streamed into its files as Arrow record batches, one at a time.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import soundfile
from tqdm import tqdm

from messy_mashup.claim import claimed
from messy_mashup.data import corpora
from messy_mashup.data.bank import SAMPLES, Bank
from messy_mashup.errors import UserError
from messy_mashup.files import write_faults_told

if TYPE_CHECKING:
    from datasets import Features

TRAIN, UNUSED, NOISE = "train", "unused", "noise"
SPLITS = (TRAIN, "validation", "test", UNUSED, NOISE)
README = "README.md"
MARK = "messy_mashup.json"  # what an export is known by, and the bank it was made of

CARD = """# {title}

The corpus `{bank.corpus}` as a Hugging Face data set, made by Messy Mashup's `build.py --to-datasets` from the bank
{bank.digest:.12}: every file decoded, its channels averaged, resampled to {bank.sample_rate_hz} Hz (soxr HQ), scaled
to full scale and rounded to 16 bit. Those samples are here without loss, as FLAC. Files left out as broken: {left_out}.

## Splits

{splits}

{origin} Rows are sorted by class: shuffle before training.

## Columns

- `clip`: the clip's name, unique.
- `audio`: bytes of a FLAC, {bank.sample_rate_hz} Hz, mono, 16 bit, whose peak is full scale.
- `scale`: what an int16 sample is to be multiplied with for the clip's true level, at which full scale is 1.
- `label`: the class, a number; its name is `features["label"].int2str(label)`. `noise` has classes of its own.
- `group`: what belongs together, such as the stems of a song, or the takes of one recording of noise.
- `artist`: whose song it is; empty where that is not known.
- `part`: the stem's name, `mix` for a song that is not taken apart, or `noise`.

## Reading

Decoding the column by itself (`row["audio"]["array"]`) needs torchcodec since `datasets` 4. Without it:

```python
import io

import datasets
import numpy as np
import soundfile

splits = datasets.load_from_disk("{folder}").cast_column("audio", datasets.Audio(decode=False))
row = splits["train"][0]
codes, rate_hz = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
wave = codes * np.float32(row["scale"])  # at its true level
```

For Trainer, with `remove_unused_columns=False`, since the transform needs the columns that a model does not take:

```python
from transformers import ASTFeatureExtractor

extractor = ASTFeatureExtractor()  # of a longer clip it takes the first 10.24 s

def transform(rows):
    codes = [soundfile.read(io.BytesIO(audio["bytes"]), dtype="int16")[0] for audio in rows["audio"]]
    waves = [clip * np.float32(scale) for clip, scale in zip(codes, rows["scale"])]
    features = extractor(waves, sampling_rate=rate_hz, return_tensors="pt")
    return {{"input_values": features["input_values"], "labels": rows["label"]}}

train = splits["train"].with_transform(transform)
```

## Splitting without leaks

Rows of one `group` belong on one side, and so do all rows of one `artist`: a model that has met them is not tested by
them. To cut anew, give the artist where there is one, else the group, to scikit-learn's `StratifiedGroupKFold`:

```python
groups = [artist or group for artist, group in zip(splits["train"]["artist"], splits["train"]["group"])]
```

## The data as they came: source, licence, quirks

{quoted}
"""


def check(folder: Path) -> None:
    """UserError where nothing can be exported to `folder`: `datasets` is missing, or what is there is no export."""
    _library()
    remedy = "name another folder with --to-datasets, or empty this one"
    if folder.is_file():
        raise UserError(f"{folder} is a file: name a folder with --to-datasets")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and MARK not in names:
        raise UserError(f"{folder} is not empty and holds no earlier export ({MARK} is missing): {remedy}")
    if strange := sorted(names - {MARK, README, "dataset_dict.json", *SPLITS}):
        raise UserError(f"{folder} would be replaced whole and holds {strange[0]} beside an earlier export: {remedy}")


def export(bank: Bank, folder: Path) -> dict[str, int]:
    """Write a bank's music and noise to `folder`, in place of an earlier export; gives the number of clips by split.

    Interrupted, it leaves what was there before. Synthetic noise and stretched variants are left out.
    """
    check(folder)
    folder, splits = folder.resolve(), splits_of(bank.index)
    partial, outdated, lock = (folder.with_name(f".{folder.name}.{use}") for use in ("partial", "outdated", "lock"))
    with claimed(lock, f"{folder} is being written"), write_faults_told(folder):
        if outdated.exists() and not folder.exists():  # killed when one was to take the other's place
            os.replace(outdated, folder)
        try:
            if partial.exists():  # of an export that was killed
                shutil.rmtree(partial)
            _write(bank, splits, partial, folder.name)
            shutil.rmtree(outdated, ignore_errors=True)
            if folder.exists():
                os.replace(folder, outdated)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(outdated, ignore_errors=True)
    return {name: len(clips) for name, clips in splits.items()}


def splits_of(index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A bank's music by the corpus's own split, or all in "train" where it has none, and its noise; none is empty."""
    clips = index[index["kind"].isin(["stem", NOISE])]
    music = clips["kind"] == "stem"
    has_own = (clips["split"][music] != "").any()
    split = clips["split"].replace("", UNUSED) if has_own else pd.Series(TRAIN, clips.index)
    parts = dict(list(clips.groupby(split.where(music, NOISE), sort=False)))
    return {name: parts[name] for name in sorted(parts, key=SPLITS.index)}


def clip_rows(bank: Bank, clips: pd.DataFrame, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """A row of the data set for each clip, made when it is asked for."""
    for clip in clips.to_dict("records"):
        # Read, not mapped: pages of a map would count as memory until the system wants them back.
        codes = np.fromfile(bank.root / SAMPLES, "<i2", clip["length"], offset=2 * clip["offset"])
        yield {
            **{column: clip[column] for column in ("clip", "scale", "group", "artist", "part")},
            "audio": {"bytes": flac(codes, bank.sample_rate_hz), "path": f"{clip['clip']}.flac"},
            "label": labels.index(clip["label"]),
        }


def flac(codes: np.ndarray, sample_rate_hz: int) -> bytes:
    """The bytes of a mono 16-bit FLAC of int16 samples."""
    buffer = io.BytesIO()
    soundfile.write(buffer, codes.astype(np.int16, copy=False), sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def card_of(bank: Bank, splits: Mapping[str, pd.DataFrame], folder_name: str) -> str:
    """The data set's card: what it is, how it was made, how to read it, where it comes from."""
    told = (corpora.load(bank.corpus).__doc__ or bank.corpus).strip().splitlines()
    table = ["| split | clips | groups | classes | minutes |", "|---|---|---|---|---|"]
    for name, clips in splits.items():
        minutes = clips["length"].sum() / bank.sample_rate_hz / 60
        groups, classes = clips["group"].nunique(), clips["label"].nunique()
        table.append(f"| `{name}` | {len(clips)} | {groups} | {classes} | {minutes:.1f} |")
    has_own = splits.keys() - {TRAIN, NOISE}
    own = "The music is split as the corpus splits it; what it leaves out, if anything, is in `unused`."
    origin = own if has_own else "The corpus has no split of its own: all music is in `train`."
    texts = {"title": told[0], "splits": "\n".join(table), "quoted": "\n".join(f"> {line}".rstrip() for line in told)}
    return CARD.format(bank=bank, folder=folder_name, left_out=len(bank.left_out), origin=origin, **texts)


def _write(bank: Bank, splits: Mapping[str, pd.DataFrame], partial: Path, folder_name: str) -> None:
    datasets, card = _library(), card_of(bank, splits, folder_name)
    labels = dict.fromkeys(splits, bank.classes)
    if NOISE in splits:  # numbers, as ESC-50 has them, in their own order
        labels[NOISE] = tuple(sorted(splits[NOISE]["label"].unique(), key=lambda label: label.zfill(4)))
    features = {name: _features(datasets, labels[name], bank.sample_rate_hz) for name in splits}
    _lay_out(datasets, features, card, bank.digest, partial)
    with tqdm(total=sum(map(len, splits.values())), desc="datasets", unit="clip") as bar:
        for name, clips in splits.items():
            (file,) = (partial / name).glob("*.arrow")
            _stream(clip_rows(bank, clips, labels[name]), features[name], file, bar)
    (partial / README).write_text(card, encoding="utf-8")
    (partial / MARK).write_text(json.dumps({"corpus": bank.corpus, "bank": bank.digest}, indent=1))


def _features(datasets: ModuleType, labels: tuple[str, ...], sample_rate_hz: int) -> "Features":
    features = dict.fromkeys(("clip", "audio", "scale", "label", "group", "artist", "part"), datasets.Value("string"))
    features["audio"] = datasets.Audio(sampling_rate=sample_rate_hz)
    features["scale"] = datasets.Value("float32")  # what a bank's scales are
    features["label"] = datasets.ClassLabel(names=list(labels))
    return datasets.Features(features)


def _lay_out(datasets: ModuleType, features: Mapping[str, "Features"], card: str, digest: str, partial: Path) -> None:
    """Every file of the data set, without a row; what maps of it are cached under depends on the bank's contents."""
    empty = datasets.DatasetDict()
    for name, columns in features.items():
        table = datasets.table.InMemoryTable(columns.arrow_schema.empty_table())
        info = datasets.DatasetInfo(description=card, features=columns)
        empty[name] = datasets.Dataset(table, info=info, split=name, fingerprint=f"{digest[:32]}-{name}")
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # they would tell of files without a row
    try:
        empty.save_to_disk(partial, num_shards=dict.fromkeys(features, 1))
    finally:
        if shown:
            datasets.enable_progress_bars()


def _stream(rows: Iterator[dict[str, Any]], features: "Features", file: Path, bar: tqdm) -> None:
    """Write rows to an Arrow file, each as soon as it is made."""
    import pyarrow

    schema = features.arrow_schema
    with file.open("wb") as sink:
        with pyarrow.ipc.new_stream(sink, schema) as stream:
            for row in rows:
                stream.write_batch(pyarrow.RecordBatch.from_pylist([row], schema=schema))
                bar.update()
        sink.flush()
        os.fsync(sink.fileno())


def _library() -> ModuleType:
    """`datasets`, kept from the network, which nothing here needs: it reads these when it is first imported."""
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"--to-datasets needs the package datasets ({error}): pip install datasets") from error
    return datasets
