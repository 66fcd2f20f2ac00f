"""Sum along rows with the same bits on every processor.

The order in which BLAS adds depends on the processor. Here elements are multiplied one by one, and numpy adds them in the
pairwise order that its source fixes for contiguous float64 (Higham 1993), whatever the vector units.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.workspace import Workspace

Rows = NDArray[np.float64]
Floats = NDArray[Any]  # float32 or float64
Make = Callable[[slice, Rows | None], Rows]
"""Computes the terms of a slice of the rows in C order, into the given array or a new one."""

_TERMS = 1 << 16
"""The number of terms computed at once: eight blocks, which stay in the cache of the processor."""

_BUFFER = 8192
"""numpy's usual size of a buffer, in elements. Some versions cut the pairwise order where a buffer ends, even if they use none."""

_FEW = 1 << 12
"""Up to this number of terms, new memory is cheaper than reused memory: a dump may have 100,000 small tensors."""


def sum_products(a: Rows, b: Rows, work: Workspace, out: Rows | None = None) -> Rows:
    """Return Σa·b for each row of two arrays of the same shape (rows, width), in `out` if it is given."""

    def make(part: slice, terms: Rows | None) -> Rows:
        return np.multiply(a[part], b[part], out=terms, order="C")

    return _sum_terms(a.shape, make, work, out)


def sum_rows(terms: Rows, work: Workspace, out: Rows | None = None) -> Rows:
    """Return the sum of each row of an array in C order of shape (rows, width), in `out` if it is given."""

    def make(part: slice, _: Rows | None) -> Rows:
        return terms[part]

    return _sum_terms(terms.shape, make, work, out)


def sum_powers(rows: Floats, p: float, work: Workspace, out: Rows | None = None) -> Rows:
    """Return Σx^P for each row of float32 or float64, in `out` if it is given; P is finite, and x not negative unless P is 2.

    Unless P is 1 or 2, bits depend on the processor.
    """
    if p == 2.0 and rows.dtype == np.float64:
        return sum_products(rows, rows, work, out)
    if p == 1.0 and rows.dtype == np.float64 and rows.flags.c_contiguous and rows.flags.aligned:
        return sum_rows(rows, work, out)

    def make(part: slice, terms: Rows | None) -> Rows:
        wide = _widen(rows[part], terms)
        if p == 2.0:
            return np.multiply(wide, wide, out=wide)
        return wide if p == 1.0 else np.power(wide, p, out=wide)

    return _sum_terms(rows.shape, make, work, out)


def _widen(rows: Floats, out: Rows | None) -> Rows:
    """Copy rows to float64 in C order; they are so few that the copy stays in the cache of the processor."""
    if out is None:
        return rows.astype(np.float64, order="C")
    np.copyto(out, rows)
    return out


def _sum_terms(shape: tuple[int, ...], make: Make, work: Workspace, out: Rows | None = None) -> Rows:
    """Add the terms of each row along the contiguous axis: only there does numpy fix the order of addition."""
    theirs = np.getbufsize()
    if theirs >= min(shape[1], _BUFFER):
        return _added(shape, make, work, out)
    np.setbufsize(_BUFFER)
    try:
        return _added(shape, make, work, out)
    finally:
        np.setbufsize(theirs)


def _added(shape: tuple[int, ...], make: Make, work: Workspace, out: Rows | None) -> Rows:
    count, width = shape
    if count * width <= _FEW:
        few: Rows = np.add.reduce(make(slice(count), None), axis=1, out=out)
        return few
    step = max(1, min(count, _TERMS // width))
    terms = work.terms.take(step * width, np.float64).reshape(step, width)
    found = np.empty(count) if out is None else out
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        np.add.reduce(make(part, terms[: part.stop - start]), axis=1, out=found[part])
    return found
