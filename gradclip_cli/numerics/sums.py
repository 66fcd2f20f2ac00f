"""Sum along rows with the same bits on every processor.

BLAS adds in an order of its own on each kind of processor. Here elements are multiplied one by one, and added by numpy in
the pairwise order that its source fixes for contiguous float64 (Higham 1993), whatever vector units there are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.workspace import Workspace

Rows = NDArray[np.float64]
Floats = NDArray[Any]  # float32 or float64
Make = Callable[[slice, Rows | None], Rows]
"""A function that computes the terms of a slice of the rows in C order, into the given array or into a new one."""

_TERMS = 1 << 16
"""How many terms are made at once: eight blocks, which stay in the processor's cache."""

_FEW = 1 << 12
"""Up to so many terms fresh memory costs less than what it takes to reuse some: a dump may have 100,000 small tensors."""


def sum_products(a: Rows, b: Rows, work: Workspace) -> Rows:
    """Return Σa·b of each row of two arrays of one shape (rows, width)."""

    def make(part: slice, out: Rows | None) -> Rows:
        return np.multiply(a[part], b[part], out=out, order="C")

    return _sum_terms(a.shape, make, work)


def sum_powers(rows: Floats, p: float, work: Workspace) -> Rows:
    """Return Σ|x|^P of each row of float32 or float64, for a finite P; for any but 1 and 2 the powers are those of this processor."""
    if p == 2.0 and rows.dtype == np.float64:
        return sum_products(rows, rows, work)

    def make(part: slice, out: Rows | None) -> Rows:
        terms = _widen(rows[part], out)
        if p == 2.0:
            return np.multiply(terms, terms, out=terms)
        np.abs(terms, out=terms)
        return terms if p == 1.0 else np.power(terms, p, out=terms)

    return _sum_terms(rows.shape, make, work)


def _widen(rows: Floats, out: Rows | None) -> Rows:
    """Copy rows to float64 in C order, a few at a time: the copy stays in the processor's cache."""
    if out is None:
        return rows.astype(np.float64, order="C")
    np.copyto(out, rows)
    return out


def _sum_terms(shape: tuple[int, ...], make: Make, work: Workspace) -> Rows:
    """Add the terms of each row along the contiguous axis of a C-ordered array, the only layout whose order is fixed."""
    count, width = shape
    if count * width <= _FEW:
        few: Rows = np.add.reduce(make(slice(count), None), axis=1)
        return few
    step = max(1, min(count, _TERMS // width))
    terms = work.terms.take(step * width, np.float64).reshape(step, width)
    found = np.empty(count)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        some = make(part, terms[: part.stop - start])
        np.add.reduce(some, axis=1, out=found[part])
    return found
