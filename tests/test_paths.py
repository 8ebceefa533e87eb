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
