"""Loops compiled by numba, which librosa brings along: kept on disk for the next process where a folder allows it."""

from collections.abc import Callable

import numba


def compiled(loop: Callable) -> Callable:
    """The loop, compiled when it is first called with arguments of a type; it holds no lock of Python's."""
    try:
        return numba.njit(nogil=True, fastmath=True, cache=True)(loop)
    except RuntimeError:  # neither the folder of the code nor that of the user's caches can be written
        return numba.njit(nogil=True, fastmath=True)(loop)
