"""Clips as the embeddings know them: files, clips of a bank and mashups, each named by a digest of what it is."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from messy_mashup.data.audio import audio_fault
from messy_mashup.data.bank import Bank
from messy_mashup.data.corpora import named_at_once
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.files import file_digest
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.recipe import BurstLevel
from messy_mashup.scoring.predict import file_log_mel
from messy_mashup.training.embeddings import Clip

WHOLE = ("length_s", "high_pass_hz", "low_pass_hz")  # columns of an arrangement that are of the whole mashup


def file_clips(files: Sequence[Path], spec: FrameSpec) -> list[Clip]:
    """Audio files, by their bytes; those that are no audio are named all at once."""
    if broken := [sentence for file in files if (sentence := audio_fault(file))]:
        raise UserError(f"{named_at_once(broken)}\nget these files again, or leave them out")
    return [Clip(f"file {file_digest(file).hex()}", lambda file=file: file_log_mel(file, spec)) for file in files]


def bank_clips(bank: Bank, numbers: Sequence[int], spec: FrameSpec) -> list[Clip]:
    """Clips of a bank as they are, by their samples."""
    return [
        Clip(f"clip {_content(bank.index, number)}", lambda number=number: _bank_log_mel(bank, number, spec))
        for number in numbers
    ]


def mashup_clips(mashups: Arrangements, bank: Bank, player: MashupPlayer, burst_level: BurstLevel) -> list[Clip]:
    """Whole mashups of a bank, by what they are made of and how it is arranged, whatever they are called."""

    def heard(row: int) -> Clip:
        def log_mel() -> torch.Tensor:
            return player.whole_log_mel(mashups[row : row + 1], burst_level).cpu()

        return Clip(f"mashup {_arrangement(mashups, row, bank.index, burst_level)}", log_mel)

    return [heard(row) for row in range(len(mashups))]


def _arrangement(mashups: Arrangements, row: int, index: pd.DataFrame, burst_level: BurstLevel) -> str:
    """The digest of one mashup; what is absent from it does not count, nor where a model would listen."""
    told: dict[str, Any] = {name: float(getattr(mashups, name)[row]) for name in WHOLE}
    for kind in ("voice", "burst"):
        columns = [field.name for field in fields(mashups) if field.name.startswith(kind)]
        clip, *others = (getattr(mashups, name)[row] for name in columns)
        present = np.flatnonzero(clip != ABSENT)
        told[kind] = [[_content(index, clip[place]), *(float(one[place]) for one in others)] for place in present]
    if told["burst"]:
        told["level"] = burst_level
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _content(index: pd.DataFrame, number: int) -> str:
    return f"{index['sha256'].iat[number]} {index['scale'].iat[number]!r}"


def _bank_log_mel(bank: Bank, number: int, spec: FrameSpec) -> torch.Tensor:
    wave = bank.wave(number)
    peak = np.abs(wave).max()
    if peak == 0:
        raise UserError(f"{bank.index['clip'].iat[number]} is digital silence: there is nothing to embed")
    return wave_log_mel(torch.from_numpy(wave / peak), spec)
