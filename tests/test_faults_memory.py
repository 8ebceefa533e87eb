"""Memory runs out, for real: the process may have only so many addresses.

command  fault                              what the user sees                     the next run
-------  ---------------------------------  -------------------------------------  -----------------------------------
train    a step is too large                the portions in which it fits          right, with the setting it names
train    no portion fits                    that, and what else can be done        -
any      memory runs out elsewhere          a sentence, no stack trace             right, with more memory
tune     a trial is too large               the trial failed, the study goes on    (test_tuning.py)
"""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fault_stages import NAME, Stages, stages_fixture  # noqa: F401
from kill_harness import SOURCES
from messy_mashup.errors import no_memory, run_script
from messy_mashup.recipe import TrainRecipe
from messy_mashup.training.memory import OutOfMemory, step_or_advice

BATCH = 1024
# A half or a quarter of a batch fits into so much
MORE_MB = 450
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="addresses are counted in Linux' /proc")


def train(stages: Stages, out: Path, more_mb: float, *words: str) -> subprocess.CompletedProcess:
    """The tiny recipe with large batches and wide layers; the allocator keeps nothing of what is freed."""
    settings = [f"train.batch_size={BATCH}", f"train.mashups_per_epoch={BATCH}", "backbone.widths=(16,16,32,32)"]
    arguments = stages.harness("train").arguments(out) + [word for one in settings for word in ("--set", one)]
    script = [Path(__file__).with_name("with_less_memory.py"), more_mb, SOURCES / "train.py", *arguments, *words]
    frugal = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    places = {"PYTHONPATH": os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])}
    command = [sys.executable, *map(str, script)]
    return subprocess.run(command, env=os.environ | frugal | places, capture_output=True, text=True, check=False)


@LINUX
def test_a_batch_that_is_too_large_is_told_with_the_portion_that_fits_and_that_trains(stages, tmp_path):
    out = stages.begun("train", tmp_path / "out")
    first = train(stages, out, MORE_MB)
    assert (first.returncode, "Traceback" in first.stderr) == (2, False)
    told = first.stderr.splitlines()[-1]
    assert told.startswith(f"error: {out / 'runs' / NAME / 'fold0'}, epoch 1: a step on {BATCH} mashups at once")
    assert not list((out / "runs" / NAME).rglob("*.safetensors"))
    portions, fits = map(
        int, re.search(r"--set train\.accumulate=(\d+) .* --set train\.batch_size=(\d+) ", told).groups()
    )
    assert portions * fits == BATCH
    second = train(stages, out, MORE_MB, "--set", f"train.accumulate={portions}")
    assert second.returncode == 0, second.stderr[-2000:]
    assert (out / "runs" / NAME / "fold0" / "oof.npz").is_file()


class Greedy:
    """A learner on a device that holds so many mashups at once."""

    def __init__(self, holds: int, accumulate: int = 1, ranks: int = 1) -> None:
        self.holds, self.recipe = holds, replace(TrainRecipe(), accumulate=accumulate)
        self.device, self.ranks = torch.device("cpu"), SimpleNamespace(count=ranks)
        self.optimizer = SimpleNamespace(zero_grad=lambda: None)
        self.tried: list[int] = []

    def step(self, number, batch):
        """As if it learnt."""
        at_once = len(batch.log_mel.chunk(self.recipe.accumulate)[0])
        self.tried.append(at_once)
        if at_once > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")
        return torch.tensor(0.5), torch.tensor(1)


@pytest.mark.parametrize(
    ("learner", "words", "tried"),
    [
        (Greedy(holds=9), r"12 mashups at once .* cpu, 6 at once do: --set train.accumulate=2 .* 12 in so", [12, 6]),
        (Greedy(holds=2), r"12 mashups at once .*, 2 at once do: --set train.accumulate=8 ", [12, 6, 3, 2]),
        (Greedy(holds=2, accumulate=2), r"a step on 6 mashups at once .*, 2 at once do: .*accumulate=8 ", [6, 3, 2]),
        (Greedy(holds=0), r"nor do fewer: train on a device with more memory, .*Tried to allocate 2", [12, 6, 3, 2, 1]),
        (Greedy(holds=3, ranks=2), r"does not fit into the memory of cpu: try --set train.accumulate=2 ", [12]),
    ],
)
def test_a_gpu_s_lack_of_memory_is_told_with_the_first_portions_that_fit(learner, words, tried):
    with pytest.raises(OutOfMemory, match=words) as told:
        step_or_advice(learner, 0, SimpleNamespace(log_mel=torch.zeros(12, 2)))
    assert "more lines" not in str(told.value)
    assert learner.tried == tried


def test_a_step_that_fits_is_taken_once_and_another_error_is_left_alone():
    learner = Greedy(holds=12)
    assert step_or_advice(learner, 0, SimpleNamespace(log_mel=torch.zeros(12, 2)))[1] == 1
    assert learner.tried == [12]
    learner.step = lambda *_: torch.ones(2) @ torch.ones(3)
    with pytest.raises(RuntimeError, match="size"):
        step_or_advice(learner, 0, SimpleNamespace(log_mel=torch.zeros(12, 2)))


LACKS = {
    "NumPy's": "import numpy; numpy.zeros(1 << 46)",
    "torch's": "import torch; torch.zeros(1 << 46)",
    "Python's": "bytearray(1 << 46)",
}


@pytest.mark.parametrize("code", LACKS.values(), ids=LACKS.keys())
def test_lack_of_memory_anywhere_is_a_sentence(code, capsys):
    with pytest.raises(SystemExit) as end:
        run_script(lambda: exec(code))
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: memory ran out \(.+\): end other programs .* what was saved is kept\n", said)


def test_an_error_of_another_kind_keeps_its_traceback():
    assert not no_memory(RuntimeError("size mismatch"))
    assert not no_memory(OSError(2, "No such file"))
    assert no_memory(OSError(12, "Cannot allocate memory"))
    with pytest.raises(RuntimeError, match="size"):
        run_script(lambda: torch.ones(2) @ torch.ones(3))
