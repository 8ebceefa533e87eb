"""Loops are compiled with and without a folder to keep them in."""

import numba
import numpy as np

from messy_mashup.compiled import compiled


def total(values):
    sum_ = 0.0
    for value in values:
        sum_ += value
    return sum_


def test_a_compiled_loop_computes():
    assert compiled(total)(np.arange(10.0)) == 45


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch):
    njit = numba.njit

    def nowhere_to_keep(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'total': no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", nowhere_to_keep)
    assert compiled(total)(np.arange(4.0)) == 6
