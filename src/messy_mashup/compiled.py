"""Loops compiled by numba, ours and librosa's: kept on disk for the next process where a folder allows it."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numba

LOOPS_OF_LIBROSA = ("librosa.util.utils", "librosa.core.audio", "librosa.core.pitch")


def compiled(loop: Callable) -> Callable:
    """The loop, compiled when it is first called with arguments of a type; it holds no lock of Python's."""
    try:
        return numba.njit(nogil=True, fastmath=True, cache=True)(loop)
    except RuntimeError:  # neither the folder of the code nor that of the user's caches can be written
        return numba.njit(nogil=True, fastmath=True)(loop)


@cache
def load_librosa() -> ModuleType:
    """librosa, its ufuncs loaded by one process at a time: what imports librosa takes it from here.

    numba keeps a ufunc in a pair of files. Two processes that write them at once can leave a pair of which the halves
    do not fit, and every process that then calls the ufunc is ended by the system (numba's issue 10128).
    """
    import librosa

    folder = os.open(Path(librosa.__file__).parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that knows no locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        for module in LOOPS_OF_LIBROSA:
            import_module(module)
    finally:
        os.close(folder)
    return librosa
