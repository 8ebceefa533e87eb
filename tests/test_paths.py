"""Data are found by their contents, on one's own machine and in a kernel."""

import pytest

from messy_mashup import paths
from messy_mashup.data.corpora import is_corpus
from messy_mashup.errors import UserError


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    monkeypatch.setattr(paths, "KAGGLE_INPUT", tmp_path / "input")
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path / "working")
    return tmp_path


@pytest.mark.parametrize(
    "mount", ["jan-2026-dl-gen-ai-project/messy_mashup", "competitions/jan-2026-dl-gen-ai-project/messy_mashup"]
)
def test_both_mounts_of_a_kernel(kernel, mount):
    data = kernel / "input" / mount
    (data / "genres_stems" / "rock").mkdir(parents=True)
    (kernel / "input" / "datasets" / "someone" / "esc50" / "audio").mkdir(parents=True)
    assert paths.find_data(is_corpus) == data
    assert paths.runs() == kernel / "working" / "runs"


def test_none_and_two_are_sentences(kernel):
    (kernel / "input").mkdir()
    with pytest.raises(UserError, match="no data set found"):
        paths.find_data(is_corpus)
    for name in ("a", "b"):
        (kernel / "input" / name / "genres_stems").mkdir(parents=True)
    with pytest.raises(UserError, match=r"2 data sets found.*--data"):
        paths.find_data(is_corpus)
    assert paths.find_data(is_corpus, kernel / "input" / "b") == kernel / "input" / "b"


def test_a_blend_is_found_where_it_is_the_only_one(kernel):
    with pytest.raises(UserError, match=r"blend\.py"):
        paths.find_runs_with_blend()
    attached = kernel / "input" / "members" / "runs"
    attached.mkdir(parents=True)
    (attached / "blend.json").write_text("{}")
    assert paths.find_runs_with_blend() == attached
    own = kernel / "working" / "runs"
    own.mkdir(parents=True)
    (own / "blend.json").write_text("{}")
    assert paths.find_runs_with_blend() == own


def test_on_ones_own_machine_all_is_in_the_repository(monkeypatch):
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    assert paths.runs() == paths.REPOSITORY / "runs"
    assert paths.inputs() == paths.REPOSITORY / "input"
    assert (paths.REPOSITORY / "src" / "train.py").is_file()


def is_weights(folder) -> bool:
    return (folder / "model.safetensors").is_file()


def weights_at(folder):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "mount",
    [
        "models/someone/ast-finetuned-audioset-10-10-0-4593/transformers/default/1",
        "datasets/someone/ast-finetuned-audioset-10-10-0-4593",
        "ast-finetuned-audioset-10-10-0-4593/snapshot",
    ],
)
def test_weights_are_found_in_a_mount_by_the_last_part_of_their_name(kernel, mount):
    weights_at(kernel / "input" / "models" / "someone" / "another-model")
    place = weights_at(kernel / "input" / mount)
    assert paths.find_weights("MIT/ast-finetuned-audioset-10-10-0.4593", is_weights) == place
    assert paths.find_weights("MIT/ast-finetuned-speech-commands", is_weights) is None


def test_weights_that_are_named_by_their_path_are_taken(kernel):
    place = weights_at(kernel / "mine" / "ast")
    assert paths.find_weights(str(place), is_weights) == place


def test_weights_in_two_mounts_are_named(kernel):
    for number in ("1", "2"):
        weights_at(kernel / "input" / "models" / "someone" / "ast-base" / "transformers" / "default" / number)
    with pytest.raises(UserError, match="2 folders hold weights me/ast-base"):
        paths.find_weights("me/ast-base", is_weights)


def test_a_bank_is_read_where_an_earlier_kernel_left_it(kernel):
    data = kernel / "input" / "competitions" / "slug" / "messy_mashup"
    built = kernel / "working" / "runs" / "banks" / "messy_mashup"
    assert paths.find_bank(data) == built
    attached = kernel / "input" / "notebooks" / "someone" / "step-02" / "runs" / "banks" / "messy_mashup"
    attached.mkdir(parents=True)
    assert paths.find_bank(data) == built, "an unfinished bank is none"
    (attached / paths.BANK_CARD).touch()
    assert paths.find_bank(data) == attached
    other = kernel / "input" / "step-02" / "runs" / "banks" / "messy_mashup"
    other.mkdir(parents=True)
    (other / paths.BANK_CARD).touch()
    with pytest.raises(UserError, match=r"2 banks.*--bank"):
        paths.find_bank(data)
    built.mkdir(parents=True)
    assert paths.find_bank(data) == built
