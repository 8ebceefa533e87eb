"""A bank becomes a Hugging Face data set without loss, whole or not at all, and Trainer trains on it."""

import io
import re
import runpy
import socket
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from banks import bank_of
from example_trees import noise_wave, write_messy_mashup, write_text, write_wave
from kill_harness import tree_digests
from messy_mashup.data import bank_build, corpora, to_datasets
from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.paths import REPOSITORY
from messy_mashup.torchvision_import import import_torchvision

datasets = pytest.importorskip("datasets")

PARTS_OF_ISMIR2004 = {"training": 2, "development": 1, "evaluation": 1}
CLIP_S = 10.0


def write_gtzan(root: Path) -> None:
    """Two genres of five excerpts; the filtered lists leave the last of each out, and the first two share an artist."""
    clips = [f"{genre}.{number:05d}" for genre in ("blues", "rock") for number in range(5)]
    for seed, clip in enumerate(clips):
        wave = noise_wave(seed, 0.4, 22_050, channels=1)
        write_wave(root / f"genres/{clip[:-6]}/{clip}.wav", wave, 22_050)
    for name, numbers in {"train": "01", "valid": "2", "test": "3"}.items():
        listed = [f"{clip[:-6]}/{clip}.wav" for clip in clips if clip[-1] in numbers]
        write_text(root / f"{name}_filtered.txt", listed)
    write_text(root / "artists.csv", ["file,artist", *(f"{clip}.wav,Ada" for clip in clips if clip[-1] in "01")])


def write_ismir2004(root: Path) -> None:
    """Three parts of two classes as mp3, with their tracklists."""
    for seed, (part, count) in enumerate(PARTS_OF_ISMIR2004.items()):
        rows = []
        for number, label in enumerate(("classical", "world") * count):
            path = root / f"audio/{part}/{label}/ada/album/{number}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = noise_wave(10 * seed + number, 0.6)
            soundfile.write(path, wave, 44_100, format="MP3")
            rows.append(f'"{label}","ada {number}","album","song","{number}","{label}/ada/album/{number}.mp3"')
        write_text(root / f"metadata/{part}/tracklist.csv", rows)


WRITERS = {"gtzan": write_gtzan, "ismir2004": write_ismir2004, "messy_mashup": write_messy_mashup}
WITHOUT_SPLIT = {"gtzan": "unused", "messy_mashup": "train"}
of_each_corpus = pytest.mark.parametrize("corpus", WRITERS)


@dataclass(frozen=True)
class Exported:
    """A data set, its bank, and what was made of that."""

    data: Path
    bank: Bank
    folder: Path
    counts: dict[str, int]

    def splits(self) -> "datasets.DatasetDict":
        """As a user reads it where there is no torchcodec."""
        return datasets.load_from_disk(self.folder).cast_column("audio", datasets.Audio(decode=False))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """The export of a corpus, made once."""
    made: dict[str, Exported] = {}

    def export(corpus: str) -> Exported:
        if corpus not in made:
            root = tmp_path_factory.mktemp(corpus)
            data, folder = root / "data", root / "dataset"
            WRITERS[corpus](data)
            assert corpora.recognise(data) == corpus
            bank = bank_build.build(corpus, data, root / "bank", workers=1)
            made[corpus] = Exported(data, bank, folder, to_datasets.export(bank, folder))
        return made[corpus]

    return export


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """Six clips, made without a corpus on disk."""
    generator = np.random.default_rng(0)
    names = ["rock.00000/drums", "pop.00000/drums", "rock.00000/drums@0.9", "1-2-A-3", "1-2-A-12", "synthetic-pink-00"]
    return bank_of(tmp_path / "bank", {name: generator.normal(0, 0.1, 3000).astype(np.float32) for name in names})


def codes_of(audio: dict) -> np.ndarray:
    with soundfile.SoundFile(io.BytesIO(audio["bytes"])) as file:
        assert (file.format, file.subtype, file.channels, file.samplerate) == ("FLAC", "PCM_16", 1, 16_000)
        return file.read(dtype="int16")


@pytest.mark.parametrize(
    ("corpus", "counts", "classes"),
    [
        ("gtzan", {"train": 4, "validation": 2, "test": 2, "unused": 2}, ["blues", "rock"]),
        ("ismir2004", {"train": 4, "validation": 2, "test": 2}, ["classical", "world"]),
        ("messy_mashup", {"train": 16, "noise": 3}, ["blues", "rock"]),
    ],
)
def test_the_splits_are_the_corpus_s_own(exported, corpus, counts, classes):
    loaded = datasets.load_from_disk(exported(corpus).folder)
    assert {name: len(split) for name, split in loaded.items()} == counts
    assert exported(corpus).counts == counts
    for name, split in loaded.items():
        assert split.split == name
        assert split.features["audio"] == datasets.Audio(sampling_rate=16_000)
        assert split.features["label"].names == (["0", "10"] if name == "noise" else classes)


@of_each_corpus
def test_samples_come_back_without_loss_and_at_their_level(exported, corpus):
    bank, rows = exported(corpus).bank, [row for split in exported(corpus).splits().values() for row in split]
    numbers = {clip: number for number, clip in enumerate(bank.index["clip"])}
    assert len({row["clip"] for row in rows}) == len(rows) == len([*bank.select("stem"), *bank.select("noise")])
    for row in rows:
        number, codes = numbers[row["clip"]], codes_of(row["audio"])
        offset, length = bank.index.loc[number, ["offset", "length"]]
        np.testing.assert_array_equal(codes, bank.samples[offset : offset + length])
        np.testing.assert_array_equal(codes * np.float32(row["scale"]), bank.wave(number))


@of_each_corpus
def test_the_columns_are_those_of_the_bank(exported, corpus):
    index = exported(corpus).bank.index.set_index("clip")
    for name, split in exported(corpus).splits().items():
        for row in split:
            clip = index.loc[row["clip"]]
            assert {key: row[key] for key in ("group", "artist", "part")} == dict(clip[["group", "artist", "part"]])
            assert split.features["label"].int2str(row["label"]) == clip["label"]
            assert name == (clip["split"] or ("noise" if clip["kind"] == "noise" else WITHOUT_SPLIT[corpus]))


def test_numbered_noise_keeps_its_order_and_variants_and_synthetic_noise_stay_out(bank, tmp_path):
    assert to_datasets.export(bank, tmp_path / "out") == {"train": 2, "noise": 2}
    noise = datasets.load_from_disk(tmp_path / "out")["noise"]
    assert noise.features["label"].names == ["3", "12"]


def test_the_card_explains_every_column_and_names_the_licence(exported):
    made = exported("ismir2004")
    card = (made.folder / "README.md").read_text()
    train = made.splits()["train"]
    assert train.info.description == card
    assert set(re.findall(r"^- `(\w+)`: ", card, re.M)) == set(train.column_names)
    assert set(train.column_names) == {"clip", "audio", "scale", "label", "group", "artist", "part"}
    assert "CC BY-NC-SA" in card
    assert made.bank.digest[:12] in card


def test_what_the_card_says_runs_without_torchcodec_and_the_network(exported, monkeypatch, tmp_path):
    made = exported("gtzan")

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("torchcodec", "torchaudio"):
        monkeypatch.setitem(sys.modules, name, None)
    to_datasets.export(made.bank, tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    said = card_code(made, "load_from_disk") | card_code(made, "groups = ", splits=made.splits())
    first = made.bank.index["clip"].tolist().index(said["row"]["clip"])
    np.testing.assert_array_equal(said["wave"], made.bank.wave(first))
    assert said["groups"] == ["Ada"] * 4


def card_code(made: Exported, containing: str, **names: object) -> dict:
    """The names that a block of the card's code leaves, run in the folder that holds the export."""
    blocks = re.findall(r"```python\n(.*?)```", (made.folder / "README.md").read_text(), re.S)
    (block,) = (block for block in blocks if containing in block)
    exec(block, names)
    return names


@pytest.mark.parametrize("corpus", ["gtzan", "ismir2004"])
def test_trainer_trains_on_it(exported, corpus, monkeypatch, tmp_path):
    import_torchvision()
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, Trainer, TrainingArguments

    made = exported(corpus)
    monkeypatch.chdir(made.folder.parent)
    said = card_code(made, "with_transform", **card_code(made, "load_from_disk"))
    said["extractor"] = ASTFeatureExtractor(max_length=98)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = ASTForAudioClassification(ASTConfig(**sizes, max_length=98, num_labels=2))
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    arguments = TrainingArguments(
        output_dir=tmp_path,
        max_steps=2,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        warmup_steps=0,
        use_cpu=True,
        remove_unused_columns=False,
        logging_nan_inf_filter=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    result = Trainer(model, arguments, train_dataset=said["train"]).train()
    assert result.global_step == 2
    assert np.isfinite(result.training_loss)
    for name, weights in model.named_parameters():
        assert weights.isfinite().all()
        # a key's bias shifts all scores of a query alike, which softmax does not hear
        assert "key.bias" in name or not torch.equal(weights, before[name]), name


def test_memory_does_not_grow_with_the_bank(tmp_path):
    waves = [noise_wave(seed, CLIP_S, 16_000, channels=1)[:, 0] for seed in range(3)]
    clip_bytes = waves[0].size * 2
    peaks = []
    for count in (5, 40):
        bank = bank_of(tmp_path / f"bank{count}", {f"rock.{n:05d}/drums": waves[n % 3] for n in range(count)})
        tracemalloc.start()
        to_datasets.export(bank, tmp_path / f"out{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + clip_bytes
    assert peaks[1] < 8 * clip_bytes


def test_rows_are_made_one_by_one(bank, monkeypatch):
    encoded = []
    monkeypatch.setattr(to_datasets, "flac", lambda codes, _: encoded.append(codes) or b"")
    rows = to_datasets.clip_rows(bank, bank.index, tuple(bank.index["label"].unique()))
    assert len(encoded) == 0
    next(rows)
    assert len(encoded) == 1


def test_an_earlier_export_is_replaced_whole_and_the_same_bank_gives_the_same_bytes(exported, bank, tmp_path):
    out = tmp_path / "out"
    to_datasets.export(exported("gtzan").bank, out)
    assert (out / "unused").is_dir()
    to_datasets.export(bank, out)
    first = tree_digests(out)
    assert sorted(datasets.load_from_disk(out)) == ["noise", "train"]
    to_datasets.export(bank, out)
    assert tree_digests(out) == first


@pytest.mark.parametrize("earlier", [False, True])
def test_an_interrupted_export_leaves_what_was_there(exported, bank, monkeypatch, tmp_path, earlier):
    out, whole, calls = tmp_path / "out", to_datasets.flac, []
    if earlier:
        to_datasets.export(exported("gtzan").bank, out)
    before = tree_digests(out) if earlier else None

    def interrupted(codes: np.ndarray, rate_hz: int) -> bytes:
        calls.append(rate_hz)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(codes, rate_hz)

    monkeypatch.setattr(to_datasets, "flac", interrupted)
    with pytest.raises(KeyboardInterrupt):
        to_datasets.export(bank, out)
    assert {path.name for path in tmp_path.iterdir()} == {"bank", ".out.lock"} | ({"out"} if earlier else set())
    assert not earlier or tree_digests(out) == before


def test_what_a_killed_export_left_is_no_hindrance(bank, tmp_path):
    to_datasets.export(bank, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.outdated")
    write_text(tmp_path / ".out.partial/train/data-00000-of-00009.arrow", ["half"])
    to_datasets.export(bank, tmp_path / "out")
    assert datasets.load_from_disk(tmp_path / "out").num_rows == {"train": 2, "noise": 2}
    assert {path.name for path in tmp_path.iterdir()} == {"bank", ".out.lock", "out"}


def run_build(*arguments: object) -> int:
    """The exit status of build.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["build.py", *map(str, arguments)])
        try:
            runpy.run_path(str(REPOSITORY / "src/build.py"), run_name="__main__")
        except SystemExit as end:
            return end.code or 0
    return 0


def test_the_command_exports_the_bank_and_says_what(exported, tmp_path, capfd):
    made = exported("messy_mashup")
    place = ("--data", made.data, "--bank", made.bank.root)
    assert run_build(*place, "--to-datasets", tmp_path / "more/out") == 0
    told = capfd.readouterr()
    assert f"16 clips in train, 3 clips in noise: {tmp_path / 'more/out'}" in told.out
    assert "datasets: 100%" in told.err
    assert datasets.load_from_disk(tmp_path / "more/out").num_rows == made.counts


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda out: write_text(out / "thesis.txt", ["mine"]), "is not empty and holds no earlier export"),
        (lambda out: out.write_text("mine"), "is a file: name a folder with --to-datasets"),
        (
            lambda out: write_text(out / "thesis.txt", ["mine"]) or write_text(out / to_datasets.MARK, ["{}"]),
            "would be replaced whole and holds thesis.txt",
        ),
    ],
    ids=["a folder", "a file", "a file beside an export"],
)
def test_what_is_no_export_is_refused_before_anything_is_built(exported, tmp_path, capfd, harm, words):
    harm(tmp_path / "out")
    before = tree_digests(tmp_path)
    asked = ("--data", exported("gtzan").data, "--bank", tmp_path / "bank", "--to-datasets", tmp_path / "out")
    assert run_build(*asked) == 2
    assert words in capfd.readouterr().err
    assert tree_digests(tmp_path) == before


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        to_datasets.check(tmp_path / "out")
