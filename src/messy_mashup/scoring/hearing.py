"""Files are heard: decoded, cut into windows and given to models, several at a time, with results in the files' order.

On a processor every core takes a whole file, from its bytes to its logits, so that decoding one overlaps with the model
on another, and no core waits for one; what a file gives depends on no other file. On a GPU the cores make log-mels, and
windows of several files go through a model at once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.files import file_digest, read_ahead
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.pooling import Opinion
from messy_mashup.scoring.predict import Listener, file_log_mel
from messy_mashup.scoring.side_by_side import in_order

FILES_AT_ONCE = 32  # on a GPU: of 30 s they have some 160 windows
# Numbers of log-mel that go through a model at once on one core, a window of AST's: activations of more leave the cache
CACHED_NUMBERS = 1 << 17

Opinions = list[Opinion]  # what each listener makes of a file


def _name_and_bytes(file: Path) -> str:
    try:
        return f"{file} {file_digest(file).hex()}"
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error


def opinions_of_files(
    listeners: Sequence[Listener],
    files: Iterable[Path],
    journal: Journal | None = None,
    key: Callable[[Path], str] = _name_and_bytes,
) -> Iterator[tuple[Path, Opinions | UserError]]:
    """What the listeners make of every file, in order, or the sentence that says what is wrong with it.

    All listeners are on one device. A file is decoded once for each front-end. What the journal has of a file, by its
    key, is taken from there, and what it has not is noted. Where the journal's origin tells the bytes of all files, the
    name is key enough.
    """
    on_cpu = _is_processor(listeners[0].device)
    judge = _Judge([_for_one_core(one) for one in listeners] if on_cpu else listeners, journal, key)
    threads = torch.get_num_threads()
    if on_cpu:
        results = in_order(lambda file: judge.judged([judge.read(file)])[0], _announced(files), threads)
    else:
        results = _grouped(in_order(judge.read, _announced(files), threads), judge.judged)
    for heard in results:
        if journal is not None and not isinstance(heard.known, UserError):
            journal.note(heard.key, [[one.logits.tolist(), one.votes.tolist(), one.chunks] for one in heard.known])
        yield heard.file, heard.known


def origin_of(listener: Listener) -> str:
    """What a listener's opinions depend on, as a digest: its tensors, front-end, scoring and precision."""
    digest = hashlib.sha256(repr((listener.spec, listener.frames, listener.scoring, listener.unheard)).encode())
    digest.update(repr((listener.classes, listener.dtype, listener.device.type)).encode())
    for name, value in sorted(listener.model.state_dict().items()):
        digest.update(name.encode())
        for part in value if isinstance(value, tuple) else (value,):  # of a layer in 8 bits: weights and bias
            digest.update(_bytes(part))
    return digest.hexdigest()


def _bytes(value: torch.Tensor | torch.dtype) -> bytes:
    if not isinstance(value, torch.Tensor):
        return repr(value).encode()
    told = f"{tuple(value.shape)} {value.dtype}"
    if value.is_quantized:
        told += f" {value.q_per_channel_scales().tolist()}"
        value = value.int_repr()
    return told.encode() + value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


@dataclass(frozen=True)
class _Heard:
    """A file: what is known of it, or else its log-mel for each front-end."""

    file: Path
    key: str  # in the journal
    known: Opinions | UserError | None = None
    log_mels: dict[FrameSpec, torch.Tensor] | None = None


@dataclass(frozen=True)
class _Judge:
    listeners: Sequence[Listener]
    journal: Journal | None
    key: Callable[[Path], str]

    def read(self, file: Path) -> _Heard:
        """In any thread."""
        key = ""
        try:
            if self.journal is not None:
                key = self.key(file)
                if noted := _noted(self.journal.get(key), [len(one.classes) for one in self.listeners]):
                    return _Heard(file, key, known=noted)
            specs = {listener.spec for listener in self.listeners}
            return _Heard(file, key, log_mels={spec: file_log_mel(file, spec) for spec in specs})
        except UserError as error:
            return _Heard(file, key, known=error)

    def judged(self, files: Sequence[_Heard]) -> list[_Heard]:
        """The files with what is known of them and without log-mels; windows of all go through a model together."""
        unknown = [file for file in files if file.log_mels is not None]
        by_listener = [one.opinions([file.log_mels[one.spec] for file in unknown]) for one in self.listeners]
        opinions = iter(zip(*by_listener, strict=True))
        return [
            replace(file, known=_finite(file.file, next(opinions)), log_mels=None) if file.log_mels else file
            for file in files
        ]


def _noted(values: Any, classes: Sequence[int]) -> Opinions:
    """A journal's opinions of a file; none where they are not those of listeners of so many classes."""
    try:
        noted = [Opinion(np.array(logits, float), np.array(votes), int(chunks)) for logits, votes, chunks in values]
    except (TypeError, ValueError):  # nothing was noted, or something else than opinions
        return []
    if [one.logits.shape for one in noted] != [(count,) for count in classes]:
        return []
    whole = (one.votes.shape == one.logits.shape and one.votes.dtype.kind in "if" for one in noted)
    sound = all(whole) and all(np.isfinite(one.logits).all() for one in noted)
    return noted if sound else []


def _finite(file: Path, opinions: Sequence[Opinion]) -> Opinions | UserError:
    if all(np.isfinite(opinion.logits).all() for opinion in opinions):
        return list(opinions)
    return UserError(f"{file}: the model gave no finite logits; train its members again")


def _announced(files: Iterable[Path]) -> Iterator[Path]:
    for file in files:
        read_ahead(file)
        yield file


def _grouped(read: Iterator[_Heard], judged: Callable[[Sequence[_Heard]], list[_Heard]]) -> Iterator[_Heard]:
    while group := list(islice(read, FILES_AT_ONCE)):
        yield from judged(group)


def _is_processor(device: torch.device) -> bool:
    return device.type == "cpu"


def _for_one_core(listener: Listener) -> Listener:
    numbers = listener.frames * listener.spec.mels
    return replace(listener, windows_at_once=max(1, CACHED_NUMBERS // numbers))
