"""How fast the frame domain plays mashups: in one process, in two at once, and on a GPU against its memory's speed."""

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import numpy as np
import torch
from measures import synchronise

from messy_mashup.data.bank import Bank
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.mashup import levels
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.residence import Copied
from messy_mashup.recipe import MashupRecipe

HEARD_S, FRAMES = 10.24, AST_FBANK.frames_in(10.24)
BATCH, GPU_BATCH = 32, 256  # played at a time
RECIPE = MashupRecipe(stretched=1.0, noisy=1.0, bursts=(1, 1))
ROUNDS, ROUND_S = 5, 3.0  # of the processes
GPU_BATCHES, GPU_WARM_UP = 40, 5
COPIES, COPIED_BYTES = 10, 1 << 28  # a copy is of more than a GPU's cache holds
MEETING_S = 300.0  # how long one process waits for the other
INT16, FLOAT32, COMPLEX64 = 2, 4, 8  # bytes


@dataclass(frozen=True)
class Batches:
    """Batches of mashups, drawn and played as in training."""

    player: MashupPlayer
    pool: Pool
    recipe: MashupRecipe = RECIPE
    size: int = BATCH

    def drawn(self, number: int) -> Arrangements:
        """The mashups of a batch."""
        return draw(self.pool, self.recipe, (0, 0, 0), number * self.size, self.size)

    def played(self, number: int) -> torch.Tensor:
        """What a model hears of them: (size, FRAMES, mels)."""
        return self.player.log_mel(self.drawn(number), FRAMES, self.recipe.burst_level)


def pool_of(bank: Bank) -> Pool:
    """All songs and noises of a bank."""
    classes = bank.classes
    return Pool.of(bank.index, bank.sample_rate_hz, classes, RECIPE.parts)


def process_rates(bank: Path, rounds: int = ROUNDS, round_s: float = ROUND_S) -> dict[str, float]:
    """Mashups a second of one process and of two at once, and how many times as fast two are: medians of the rounds, in
    each of which the first process plays alone, then both together. Each has one thread.

    The second ratio counts each process's own CPU seconds: what two cost each other, whatever else the machine does.
    """
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as processes:
        meeting = manager.Barrier(2)
        turns_s = ((round_s, round_s), (0.0, round_s))
        playing = [processes.submit(_played_in_rounds, bank, meeting, turns, rounds) for turns in turns_s]
        rates = sum(process.result() for process in playing)
    one, two = np.median(rates, axis=0)
    ratio, ratio_of_cpu_s = np.median(rates[:, 1] / rates[:, 0], axis=0)
    return {
        **rate_figures("frames_one_process", one),
        **rate_figures("frames_two_processes", two),
        "two_processes_ratio": float(ratio),
        "two_processes_ratio_of_cpu_s": float(ratio_of_cpu_s),
    }


def rate_figures(way: str, rates: np.ndarray) -> dict[str, float]:
    """Mashups a second and a CPU second of a way, under their names."""
    return {f"{way}_mashups_per_s": float(rates[0]), f"{way}_mashups_per_cpu_s": float(rates[1])}


def clocks() -> np.ndarray:
    """Seconds that have passed, and CPU seconds of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _played_in_rounds(bank: Path, meeting: Barrier, turns_s: tuple[float, float], rounds: int) -> np.ndarray:
    """Mashups a second and a CPU second of one process: (rounds, turns, 2), zero in a turn of no length.

    Both processes begin a turn at once.
    """
    torch.set_num_threads(1)
    opened = Bank.open(bank)
    batches = Batches(MashupPlayer(opened, AST_FBANK), pool_of(opened))
    batches.played(0)
    rates = np.zeros((rounds, len(turns_s), 2))
    for number, turn in np.ndindex(rates.shape[:2]):
        meeting.wait(MEETING_S)
        if turns_s[turn]:
            rates[number, turn] = _rates(batches, number, turns_s[turn])
    return rates


def _rates(batches: Batches, first: int, for_s: float) -> np.ndarray:
    """Mashups a second and a CPU second, of the batches from `first` on."""
    number, begun = 0, clocks()
    while (spent := clocks() - begun)[0] < for_s:
        batches.played(first + number)
        number += 1
    return number * batches.size / spent


def gpu_figures(bank: Bank, device: torch.device, count: int = GPU_BATCHES) -> dict[str, float]:
    """Mashups a second with the bank on the device and in the host's memory, and the use of the device's memory.

    The bytes that must move are those of `bytes_per_mashup`; the rate that they are held against is that of a copy
    within the device's memory, read and written.
    """
    batches = Batches(MashupPlayer(bank, AST_FBANK, device), pool_of(bank), size=GPU_BATCH)
    resident = _device_rate(batches, device, count)
    player = batches.player
    player.residence = Copied(player.residence.on_disk, player.levels.begin.cpu(), player.levels.length.cpu(), device)
    copied = _device_rate(batches, device, count)
    moved, most = bytes_per_mashup(batches.drawn(0)), _copy_rate(device)
    return {
        "gpu_resident_mashups_per_s": resident,
        "gpu_copied_mashups_per_s": copied,
        "gpu_mb_per_mashup": moved / 1e6,
        "gpu_copy_gb_per_s": most / 1e9,
        "gpu_share_of_bandwidth": resident * moved / most,
    }


def bytes_per_mashup(mashups: Arrangements) -> float:
    """The bytes that must move through a device's memory for one mashup, where FFT and matrix product are a library's.

    Counted: the int16 samples of the part of each voice that is heard, and of all of each burst, read once; those of
    the windows in which the peaks are looked for, once for the music and once with bursts; weighted windows, spectrum
    and power, each written and read; the log-mel, written.
    """
    bins, rate_hz = AST_FBANK.fft // 2 + 1, AST_FBANK.sample_rate_hz
    heard = HEARD_S * mashups.voice_rate.sum(axis=1).mean() + mashups.burst_length_s.sum(axis=1).mean()
    searched = 2 * mashups.voice_clip.shape[1] * levels.MOST_WINDOWS * levels.BLOCK
    per_frame = 2 * (AST_FBANK.fft * FLOAT32 + bins * (COMPLEX64 + FLOAT32)) + AST_FBANK.mels * FLOAT32
    return float((heard * rate_hz + searched) * INT16 + FRAMES * per_frame)


def _device_rate(batches: Batches, device: torch.device, count: int) -> float:
    for number in range(GPU_WARM_UP):
        batches.played(number)
    synchronise(device.type)
    begun = time.perf_counter()
    for number in range(count):
        batches.played(GPU_WARM_UP + number)
    synchronise(device.type)
    return count * batches.size / (time.perf_counter() - begun)


def _copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written, of the fastest of some copies."""
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target, spent = torch.empty_like(source), []
    for _ in range(COPIES):
        synchronise(device.type)
        begun = time.perf_counter()
        target.copy_(source)
        synchronise(device.type)
        spent.append(time.perf_counter() - begun)
    return 2 * COPIED_BYTES / min(spent)
